//! Senders see their position in the queue and the estimated wait: the length of the audio ahead times the real-time factor of
//! recent transcriptions.
//!
//! The head of the queue is read whenever it changes. The rest is read in pages, one in each round, so that a round costs the
//! same however many wait; it begins anew when its end is reached and something has changed.

mod line;
mod shown;

use std::collections::HashMap;
use std::time::Duration;

use stenobot_domain::{ChatId, GuestCall, MessageId, Origin, RequestId, StageName, UserId};
use stenobot_store::{HEAD_SIZE, IncomingAudio, Leadership, PAGE_SIZE, ServiceMode, StoreError};
use stenobot_telegram::{BotMessage, StatusText};
use tokio::sync::watch;
use tokio::time::Instant;

use self::line::{Line, Position};
use self::shown::{EXACT_POSITIONS, Shown};
use super::estimate::Estimates;
use super::service_mode::ServiceControl;
use super::status::StatusMessages;
use super::worker::Worker;
use crate::request::{Request, Stage};
use crate::settings::Settings;

/// Changes within this time are shown together: they come in bursts.
const SETTLE_TIME: Duration = Duration::from_millis(500);
/// Of positions that could not be shown yet, and of further pages.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// Edits in one round behind the head: fewer than Telegram takes, since answers and the head have them too.
const MAX_PAGE_EDITS: usize = 10;
/// A request that is queued at this position or behind it is shown its position at once. Fewer than [`EXACT_POSITIONS`], since it
/// may fall behind before the head is read.
const FIRST_DISTANT_POSITION: u32 = EXACT_POSITIONS / 2;

/// Shows senders their position in the queue. Cheap to clone.
#[derive(Clone)]
pub(crate) struct PositionDisplay {
    pub(crate) worker: Worker,
    pub(crate) settings: Settings,
    pub(crate) service: ServiceControl,
    pub(crate) status: StatusMessages,
    pub(crate) estimates: Estimates,
}

/// What the loop has shown, and where it is.
#[derive(Default)]
struct Display {
    head: HashMap<RequestId, Shown>,
    /// Behind the head, of the pages since the last one that began there.
    met: HashMap<RequestId, Shown>,
    /// Behind the head, of the passes before that, without those in `met`.
    unmet: HashMap<RequestId, Shown>,
    /// Where the next page begins; `None` behind the head.
    next_page: Option<(RequestId, Line)>,
}

impl Display {
    fn take_distant(&mut self, id: RequestId) -> Option<Shown> {
        self.met.remove(&id).or_else(|| self.unmet.remove(&id))
    }

    /// Forgets the requests that have left the queue since the pass before.
    fn end_pass(&mut self) {
        (self.unmet, self.next_page) = (std::mem::take(&mut self.met), None);
    }
}

/// What was done about one request.
enum Update {
    /// Nothing: what it shows is not outdated.
    None(Shown),
    /// It is outdated, and was shown too recently.
    Late(Shown),
    Edited(Shown),
}

/// A request that is about to be queued, with what is needed to show its position.
pub(super) struct QueuedRequest {
    id: RequestId,
    user: UserId,
    origin: Origin,
    chat: ChatId,
    status_message: Option<MessageId>,
    locale: Option<String>,
}

impl QueuedRequest {
    pub(super) fn of<S: Stage>(request: &Request<S>) -> Self {
        Self {
            id: request.id(),
            user: request.user(),
            origin: request.origin().clone(),
            chat: request.chat(),
            status_message: request.status_message(),
            locale: request.locale().map(str::to_owned),
        }
    }
}

impl PositionDisplay {
    /// Shows every waiting request its position whenever that changes, while this machine leads, until the soft shutdown.
    pub(crate) async fn run(self, mut leadership: Leadership) {
        let (mut changes, mut mode) = (self.worker.store.changes(), self.service.changes());
        let mut display = Display::default();
        loop {
            if !leadership.leads() {
                if self.worker.shutdown.soft.run_until_cancelled(leadership.gained()).await.is_none() {
                    return;
                }
                // What the leader before has shown is not known.
                display = Display::default();
            }
            changes.mark_unchanged();
            mode.mark_unchanged();
            let pending = match self.refresh(&mut display).await {
                Ok(pending) => pending,
                Err(error) => {
                    self.worker.failures.report("read the queue", &error);
                    false
                }
            };
            tokio::select! {
                () = self.worker.shutdown.soft.cancelled() => return,
                () = settled(&mut changes, &mut mode) => {}
                () = tokio::time::sleep(RETRY_INTERVAL), if pending => {}
            }
        }
    }

    /// Shows the sender of a coalesced request the position of the one that it gets its text from: it is never downloaded, so
    /// it has no other status message. Runs beside the admission, which does not wait for Telegram.
    pub(super) fn show_coalesced(&self, id: RequestId, into: RequestId, arrival: &IncomingAudio) {
        let (own, arrival) = (self.clone(), arrival.clone());
        let show = async move {
            let Some(shown) = own.look_up(id, into, arrival.from.id).await? else { return Ok(()) };
            let message = own.status.message(id, &arrival.origin, arrival.locale.as_deref(), &shown.text());
            if let Ok(Some(message)) = own.status.show_first(&arrival, &message).await {
                let queue = &own.worker.store.queue;
                match message {
                    BotMessage::InChat { chat, message } => {
                        queue.set_coalesced_status_message(id, chat, message).await?;
                    }
                    BotMessage::AsGuest { message, .. } => {
                        queue.record_guest_message(id, &message).await?;
                    }
                }
            }
            Ok(())
        };
        self.worker.spawn(tracing::info_span!("request", id = id.0), "show a coalesced request's position", show);
    }

    /// Shows the position of a request that was just queued far behind the head, which the loop reaches much later.
    pub(super) fn show_distant(&self, request: QueuedRequest) {
        let own = self.clone();
        let QueuedRequest { id, user, origin, chat, status_message, locale } = request;
        let show = async move {
            if let Some(number) = own.position_of(id, user).await?.filter(|number| *number >= FIRST_DISTANT_POSITION) {
                let wait = own.line().await?.wait_at(&own.worker.store, number).await?;
                let shown = Shown::new(number, wait, own.service.is_paused(), Instant::now());
                own.status.show((id, &origin), chat, status_message, locale.as_deref(), &shown.text());
            }
            Ok(())
        };
        self.worker.spawn(tracing::info_span!("request", id = id.0), "show a request's position", show);
    }

    /// Shows a call's state anew, for a user who has asked for it. `is_found`: nothing was shown there since it began.
    pub(crate) async fn show_call(
        &self,
        id: RequestId,
        (user, locale): (UserId, Option<&str>),
        call: GuestCall,
        is_found: bool,
    ) -> Result<(), StoreError> {
        let text = match self.position_of(id, user).await? {
            Some(number) => {
                let wait = self.line().await?.wait_at(&self.worker.store, number).await?;
                Shown::new(number, wait, self.service.is_paused(), Instant::now()).text()
            }
            None if is_found => StatusText::Starting,
            // Its progress is shown.
            None => return Ok(()),
        };
        self.status.show((id, &Origin::Guest(call)), ChatId(user.0), None, locale, &text);
        Ok(())
    }

    async fn line(&self) -> Result<Line, StoreError> {
        Line::start(&self.worker.store, &self.estimates).await
    }

    async fn position_of(&self, id: RequestId, user: UserId) -> Result<Option<u32>, StoreError> {
        let own = self.worker.store.queue.statuses_of(user).await?;
        Ok(own.iter().find(|request| request.id == id).and_then(|request| request.position))
    }

    /// The position of the request `into`, or of the user's request `id` behind the head, which has the same place.
    async fn look_up(&self, id: RequestId, into: RequestId, user: UserId) -> Result<Option<Shown>, StoreError> {
        let (store, start) = (&self.worker.store, self.line().await?);
        let mut line = start;
        let place = |number, wait| Some(Shown::new(number, wait, self.service.is_paused(), Instant::now()));
        for request in store.queue.head().await? {
            let Position { request, number, wait } = line.place(request);
            if request.id == into {
                return Ok(place(number, wait));
            }
        }
        let Some(number) = self.position_of(id, user).await? else { return Ok(None) };
        Ok(place(number, start.wait_at(store, number).await?))
    }

    /// Shows the positions of the head and of one page behind it. Returns whether something is still to be shown.
    async fn refresh(&self, display: &mut Display) -> Result<bool, StoreError> {
        let mut line = self.line().await?;
        let head = self.worker.store.queue.head().await?;
        let end = head.last().map(|request| request.id).filter(|_| head.len() == HEAD_SIZE);
        // Those that are in the head no longer are forgotten: when they come back, they have shown another state meanwhile.
        let mut before = std::mem::take(&mut display.head);
        let mut pending = false;
        for request in head {
            let position = line.place(request);
            let id = position.request.id;
            let last = before.remove(&id).or_else(|| display.take_distant(id));
            if let Some(update) = self.show(&position, last) {
                pending |= matches!(update, Update::Late(_));
                display.head.insert(id, update.shown());
            }
        }
        match end {
            Some(end) => pending |= self.refresh_page(display, end, line).await?,
            None => *display = Display { head: std::mem::take(&mut display.head), ..Display::default() },
        }
        Ok(pending)
    }

    /// Shows the positions of the next page behind the head, which ends with `end` and `line`. Returns whether there are more.
    async fn refresh_page(&self, display: &mut Display, end: RequestId, line: Line) -> Result<bool, StoreError> {
        let (after, mut line) = display.next_page.take().unwrap_or((end, line));
        let page = self.worker.store.queue.page_after(after).await?;
        let is_last = page.len() < PAGE_SIZE;
        let mut edits = 0;
        for request in page {
            let position = line.place(request);
            let id = position.request.id;
            let update = match display.take_distant(id) {
                Some(last) => self.show(&position, Some(last)),
                // It was shown its position when it was queued.
                None => self.state_of(&position).map(Update::None),
            };
            if let Some(update) = update {
                edits += usize::from(matches!(update, Update::Edited(_)));
                display.met.insert(id, update.shown());
            }
            display.next_page = Some((id, line));
            if edits == MAX_PAGE_EDITS {
                return Ok(true);
            }
        }
        if is_last {
            display.end_pass();
        }
        Ok(!is_last)
    }

    /// What a request is to show; `None` while it shows its download.
    fn state_of(&self, Position { request, number, wait }: &Position) -> Option<Shown> {
        let waits = request.stage == StageName::Queued || request.coalesced_into.is_some();
        waits.then(|| Shown::new(*number, *wait, self.service.is_paused(), Instant::now()))
    }

    /// Shows a position that differs from what was shown `last`, at most once in the progress interval.
    fn show(&self, position: &Position, last: Option<Shown>) -> Option<Update> {
        let newer = self.state_of(position)?;
        let request = &position.request;
        Some(match last {
            Some(last) if !last.is_outdated_by(&newer, position.number) => Update::None(last),
            Some(last) if last.age(Instant::now()) < self.settings.config().timing.progress_interval => {
                Update::Late(last)
            }
            Some(_) | None => {
                let (chat, message, locale) = (request.chat, request.status_message, request.locale.as_deref());
                self.status.show((request.id, &request.origin), chat, message, locale, &newer.text());
                Update::Edited(newer)
            }
        })
    }
}

impl Update {
    fn shown(self) -> Shown {
        match self {
            Self::None(shown) | Self::Late(shown) | Self::Edited(shown) => shown,
        }
    }
}

/// Waits for a change that can move positions, after the time in which changes are collected.
async fn settled(changes: &mut watch::Receiver<u64>, mode: &mut watch::Receiver<ServiceMode>) {
    tokio::time::sleep(SETTLE_TIME).await;
    tokio::select! {
        _ = changes.changed() => {}
        _ = mode.changed() => {}
    }
}
