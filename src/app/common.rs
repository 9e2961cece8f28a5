//! Parts that the stages of a bot and of a worker share.

use std::sync::Arc;
use std::time::Duration;

use stenobot_telegram::{Client, MayEdit, StatusEditor};

use super::machine::ThisMachine;
use crate::lifecycle::Heartbeats;
use crate::pipeline::backlog::Backlog;
use crate::pipeline::cancels::CancelRegistry;
use crate::pipeline::chats::Chats;
use crate::pipeline::deliver::Deliverer;
use crate::pipeline::download::DownloadSpace;
use crate::pipeline::estimate::Estimates;
use crate::pipeline::file_names::FileNames;
use crate::pipeline::positions::PositionDisplay;
use crate::pipeline::reactions::Reactions;
use crate::pipeline::recordings::Recordings;
use crate::pipeline::service_mode::ServiceControl;
use crate::pipeline::status::StatusMessages;
use crate::pipeline::worker::Worker;
use crate::settings::Settings;

/// What the app is built of, whatever its role.
#[derive(Clone)]
pub(super) struct Parts {
    pub(super) settings: Settings,
    pub(super) client: Client,
    pub(super) worker: Worker,
    pub(super) heartbeats: Heartbeats,
}

/// What the stages of a running app share.
pub(super) struct Common {
    pub(super) parts: Parts,
    pub(super) service: ServiceControl,
    pub(super) editor: StatusEditor,
    pub(super) chats: Chats,
    pub(super) status: StatusMessages,
    pub(super) recordings: Recordings,
    pub(super) cancels: CancelRegistry,
    /// Texts that wait for their delivery by this process.
    pub(super) backlog: Backlog,
    pub(super) download_space: DownloadSpace,
    pub(super) estimates: Estimates,
    pub(super) positions: PositionDisplay,
    pub(super) deliverer: Deliverer,
    pub(super) file_names: FileNames,
}

/// Between two edits of one message.
const EDIT_INTERVAL: Duration = Duration::from_secs(1);

/// The state of a request is shown by the machine that holds it, and while it waits by the leader. An edit of a machine that
/// holds it no more would overwrite what another has answered.
fn may_edit(worker: &Worker) -> MayEdit {
    let worker = worker.clone();
    Arc::new(move |request| {
        let worker = worker.clone();
        Box::pin(async move { worker.store.queue.shows_state(request, &worker.id).await.unwrap_or(false) })
    })
}

impl Common {
    /// `model` is the name under which the store has the transcriptions that estimates are made from.
    pub(super) fn new(parts: Parts, model: Arc<str>, machine: &ThisMachine, cancels: CancelRegistry) -> Self {
        let Parts { settings, client, worker, .. } = &parts;
        let is_shared = settings.config().storage.is_shared();
        let editor = match is_shared {
            false => StatusEditor::start(client.clone(), EDIT_INTERVAL),
            true => StatusEditor::start_guarded(client.clone(), EDIT_INTERVAL, may_edit(worker)),
        };
        let chats = Chats {
            store: worker.store.clone(),
            client: client.clone(),
            settings: settings.clone(),
            failures: worker.failures.clone(),
        };
        let recordings = Recordings::new(settings.clone());
        let estimates = Estimates {
            store: worker.store.clone(),
            failures: worker.failures.clone(),
            settings: settings.clone(),
            fleet: machine.fleet(),
            model,
        };
        let (file_names, reactions) = (FileNames::default(), Reactions::new(client.clone()));
        let deliverer = Deliverer {
            worker: worker.clone(),
            settings: settings.clone(),
            client: client.clone(),
            editor: editor.clone(),
            chats: chats.clone(),
            recordings: recordings.clone(),
            file_names: file_names.clone(),
            reactions: reactions.clone(),
        };
        let status =
            StatusMessages::new(client.clone(), editor.clone(), settings.clone(), chats.clone(), reactions.clone());
        let service = ServiceControl::new(is_shared.then(|| worker.store.clone()));
        let positions = PositionDisplay {
            worker: worker.clone(),
            settings: settings.clone(),
            service: service.clone(),
            status: status.clone(),
            estimates: estimates.clone(),
        };
        Self {
            service,
            status,
            editor,
            chats,
            recordings,
            cancels,
            backlog: Backlog::default(),
            download_space: DownloadSpace { fleet: machine.fleet(), own: machine.disk_has_space() },
            estimates,
            positions,
            deliverer,
            file_names,
            parts,
        }
    }
}
