//! Leadership: of all machines that work on a store, one receives updates by polling and runs what must run once.

use tokio::sync::watch;
use tokio::time::Instant;

use crate::Store;
use crate::backend::Connections;
use crate::postgres;

/// Whether this machine leads. Clones see the same. The candidacy ends when all are dropped.
#[derive(Debug, Clone)]
pub struct Leadership(watch::Receiver<Option<Instant>>);

impl Store {
    /// Has this machine lead whenever no other does. With an SQLite file, which has one machine, it leads at once.
    pub fn lead(&self) -> Leadership {
        match &self.database.connections {
            Connections::Sqlite(_) => Leadership::always(),
            Connections::Postgres(postgres) => {
                let (leads_until, receiver) = watch::channel(None);
                tokio::spawn(postgres::leadership::keep(postgres.clone(), leads_until));
                Leadership(receiver)
            }
        }
    }
}

impl Leadership {
    /// Of a machine that is alone.
    fn always() -> Self {
        // 30 years: a time that is far enough and that an `Instant` can hold.
        let end = Instant::now() + std::time::Duration::from_secs(30 * 365 * 86_400);
        Self(watch::channel(Some(end)).1)
    }

    /// Whether this machine leads now. True only while no other can.
    pub fn leads(&self) -> bool {
        self.0.borrow().is_some_and(|until| Instant::now() < until)
    }

    /// Waits until this machine leads.
    pub async fn gained(&mut self) {
        while !self.leads() {
            if self.0.changed().await.is_err() {
                // No candidate any more.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Waits until this machine leads no more.
    pub async fn lost(&mut self) {
        loop {
            let Some(until) = *self.0.borrow_and_update() else { return };
            tokio::select! {
                () = tokio::time::sleep_until(until) => {
                    if !self.leads() {
                        return;
                    }
                }
                changed = self.0.changed() => {
                    // The sender of a machine that is alone is gone: it leads for good.
                    if changed.is_err() && self.leads() {
                        std::future::pending::<()>().await;
                    }
                }
            }
        }
    }
}
