//! The readiness, as the service manager and the gauge show it.

use std::time::Duration;

use metrics::gauge;
use tokio::time::MissedTickBehavior;

use crate::metrics as names;
use crate::service_manager::ServiceManager;
use crate::telemetry::Readiness;

/// The readiness is checked this often, which costs a write to the store.
const INTERVAL: Duration = Duration::from_secs(15);
/// Of a check; without a result in time the bot is not ready.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Keeps the gauge and the service manager's status up to date.
pub(super) async fn report(ready: Readiness, manager: ServiceManager) {
    let mut interval = tokio::time::interval(INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before = None;
    loop {
        interval.tick().await;
        let status = match tokio::time::timeout(TIMEOUT, ready()).await {
            Ok(Ok(())) => "ready".to_owned(),
            Ok(Err(reason)) => format!("not ready: {reason}"),
            Err(_) => {
                gauge!(names::READY).set(0.0);
                format!("not ready: no answer within {} s", TIMEOUT.as_secs())
            }
        };
        if before.as_ref() != Some(&status) {
            manager.status(&status);
            before = Some(status);
        }
    }
}
