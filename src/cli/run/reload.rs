//! SIGHUP: the sources of the configuration are read again, and the settings that a running bot can apply are applied.

use metrics::gauge;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::config::{Reload, Sources};
use crate::metrics as names;
use crate::service_manager::ServiceManager;
use crate::settings::RuntimeConfig;
use crate::telemetry::LogFilter;

/// Sources of the settings, and the parts that a reload changes.
pub(super) struct Reloader {
    pub(super) sources: Sources,
    pub(super) versions: watch::Sender<RuntimeConfig>,
    pub(super) log: LogFilter,
    pub(super) manager: ServiceManager,
}

impl Reloader {
    /// Reloads at each SIGHUP. An invalid configuration changes nothing.
    pub(super) async fn on_hangup(self) -> std::io::Result<()> {
        let mut hangup = signal(SignalKind::hangup())?;
        while hangup.recv().await.is_some() {
            let _told = self.manager.reloading();
            if let Err(error) = self.reload() {
                tracing::error!(error = format!("{error:#}"), "the settings stay as they were");
            }
        }
        Ok(())
    }

    fn reload(&self) -> anyhow::Result<()> {
        let (config, changes) = self.versions.borrow().config.reload(&self.sources)?;
        let version = RuntimeConfig::load(config)?;
        self.log.set(&version.config.telemetry.level)?;
        gauge!(names::QUEUE_LIMIT).set(f64::from(version.config.limits.queue));
        self.versions.send_replace(version);
        let keys = |reload| {
            let keys = changes.iter().filter(|change| change.reload == reload).map(|change| change.key);
            keys.collect::<Vec<_>>().join(", ")
        };
        tracing::info!(changed = keys(Reload::live), "settings and texts were read again");
        let waiting = keys(Reload::fixed);
        if !waiting.is_empty() {
            tracing::warn!(settings = waiting, "these settings change only when the bot starts again");
        }
        Ok(())
    }
}
