//! The events of a page: the whole chat when it connects, then its changes.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use axum::response::sse::Event;
use futures::Stream;
use futures::stream;
use serde::Serialize;
use stenobot_domain::MessageId;
use stenobot_simulator::server::State;
use stenobot_telegram::Locale;
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::view::{self, Command, Shown};
use super::{Shared, UserNumber};

/// An event.
#[derive(Debug, Serialize)]
struct Change<'a> {
    /// The page first clears what it shows.
    fresh: bool,
    /// New and edited messages, oldest first.
    messages: Vec<&'a Shown>,
    /// Ids of deleted messages.
    gone: Vec<MessageId>,
    /// The command menu, if it has changed.
    menu: Option<&'a [Command]>,
}

struct EventStream {
    shared: Arc<Shared>,
    number: UserNumber,
    language: Locale,
    changes: watch::Receiver<()>,
    shown: BTreeMap<MessageId, Shown>,
    menu: Vec<Command>,
    fresh: bool,
    /// The page was told that the playground stops.
    is_over: bool,
    _permit: OwnedSemaphorePermit,
}

/// Events until the page disconnects or the playground stops.
pub(super) fn feed(
    shared: Arc<Shared>,
    number: UserNumber,
    language: Locale,
    permit: OwnedSemaphorePermit,
) -> impl Stream<Item = Result<Event, Infallible>> {
    let changes = shared.api.changes();
    let stream_state = EventStream {
        shared,
        number,
        language,
        changes,
        shown: BTreeMap::new(),
        menu: Vec::new(),
        fresh: true,
        is_over: false,
        _permit: permit,
    };
    stream::unfold(stream_state, |mut stream_state| async move {
        let event = stream_state.next().await?;
        Some((Ok(event), stream_state))
    })
}

impl EventStream {
    async fn next(&mut self) -> Option<Event> {
        if self.is_over {
            return None;
        }
        loop {
            if !self.fresh {
                tokio::select! {
                    changed = self.changes.changed() => changed.ok()?,
                    () = self.shared.stopping.cancelled() => {
                        self.is_over = true;
                        return Some(Event::default().event("end").data("stopped"));
                    }
                }
            }
            self.changes.borrow_and_update();
            let chat = self.number.chat();
            let look = |state: &State| {
                let menu = match self.number {
                    UserNumber::PARTNER => Vec::new(),
                    _ => view::menu(state, chat, self.language.code()),
                };
                (view::messages(self.shared.chat_of(state, self.number)), menu)
            };
            let (now, menu) = self.shared.api.read(look);
            let change = Change {
                fresh: self.fresh,
                messages: now.values().filter(|shown| self.shown.get(&shown.id()) != Some(shown)).collect(),
                gone: self.shown.keys().filter(|id| !now.contains_key(id)).copied().collect(),
                menu: (menu != self.menu).then_some(menu.as_slice()),
            };
            if change.fresh || !change.messages.is_empty() || !change.gone.is_empty() || change.menu.is_some() {
                let event = Event::default().json_data(&change).ok()?;
                (self.shown, self.menu, self.fresh) = (now, menu, false);
                return Some(event);
            }
        }
    }
}
