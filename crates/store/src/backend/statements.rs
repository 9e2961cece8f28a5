//! The statements that a backend has. Each is written in `sql/`, on a connection or in a transaction of either backend.

use std::ops::Range;
use std::time::Duration;

use stenobot_domain::{
    BusinessKey, CancelledBy, ChatId, InlineMessageId, MessageId, RequestId, SpeechLanguage, StageName, StatusStyle,
    Timestamp, UserId,
};

use crate::audio::{AudioRow, DueAudio};
use crate::machines::{Machine, MachineId, MachineState};
use crate::queue::actor::RequestLocation;
use crate::queue::admission::NewRequest;
use crate::queue::cancellation::CancelTarget;
use crate::queue::comments::CommentPlace;
use crate::queue::daily_usage::{MeasuredRequest, Usage};
use crate::queue::fenced::FencedWrite;
use crate::queue::guests::GuestRequest;
use crate::queue::order::Place;
use crate::service::ServiceMode;
use crate::users::{Ban, Profile};
use crate::{
    BusinessConnection, ChatSettings, ClaimExclusions, DeletedSource, Fence, IncomingAudio, Notice, RequestRecord,
    RequestRow, RequestStatus, Running, Sender, StoreError, Waiting, postgres, sqlite,
};

/// The statements, on a connection or in a transaction.
pub(crate) enum Statements<'c> {
    Sqlite(sqlite::Statements<'c>),
    Postgres(postgres::Statements<'c>),
}

macro_rules! statements {
    ($($(#[$doc:meta])* fn $name:ident($($argument:ident: $type:ty),*) -> $output:ty;)+) => {
        impl Statements<'_> {
            $($(#[$doc])* pub(crate) async fn $name(self, $($argument: $type),*) -> Result<$output, StoreError> {
                match self {
                    Self::Sqlite(sqlite) => sqlite.$name($($argument),*).await,
                    Self::Postgres(postgres) => postgres.$name($($argument),*).await,
                }
            })+
        }
    };
}

// === The queue ===

statements! {
    fn insert_request(arrival: &IncomingAudio, row: &NewRequest, now: Timestamp) -> Option<RequestId>;
    fn same_audio(arrival: &IncomingAudio) -> Option<RequestId>;
    fn count_waiting(excluded: &ClaimExclusions) -> u32;
    fn count_waiting_in(chat: ChatId) -> u32;
    fn count_waiting_of(user_key: i64) -> i64;

    fn claim_download(owner: &str, until: Timestamp, now: Timestamp) -> Option<RequestRow>;
    fn claim_transcription(owner: &str, until: Timestamp, now: Timestamp, excluded: &ClaimExclusions) -> Option<RequestRow>;
    fn claim_coalesced(into: RequestId, owner: &str, until: Timestamp, now: Timestamp) -> Option<RequestRow>;
    /// Those that wait for the text of `from` wait for that of `to`.
    fn coalesce_into_another(from: RequestId, to: RequestId) -> ();
    fn requeue_lost(now: Timestamp) -> Vec<RequestId>;
    fn expire_other_leases(owner: &str) -> u64;
    /// `lease` and `pause` are the latest ends that are possible now.
    fn clamp_times(now: Timestamp, lease: Timestamp, pause: Timestamp) -> u64;

    /// Gives the number of changed rows: one if the fence holds.
    fn write_fenced(fence: &Fence, write: &FencedWrite<'_>, now: Timestamp) -> u64;
    fn add_to_total_usage(id: RequestId) -> ();
    fn set_coalesced_status_message(id: RequestId, chat: ChatId, message: MessageId) -> bool;

    fn claim_notice(owner: &str, until: Timestamp, now: Timestamp, excluded: &[ChatId]) -> Option<Notice>;
    fn folded_refusals(id: RequestId, now: Timestamp) -> Vec<RequestId>;
    fn close_folded(folded: &[RequestId]) -> ();

    fn cancel_target(id: RequestId) -> Option<CancelTarget>;
    fn cancel(id: RequestId, by: CancelledBy, now: Timestamp) -> ();
    fn request_cancellation(id: RequestId, by: CancelledBy) -> ();
    fn has_cancellation(id: RequestId) -> bool;
    fn cancellations_of(owner: &str) -> Vec<RequestId>;
    fn request_stop(id: RequestId) -> bool;
    fn has_stop(id: RequestId) -> bool;
    fn stops_of(owner: &str) -> Vec<RequestId>;
    fn open_requests_of(user: UserId) -> Vec<RequestId>;
    fn open_requests_in(chat: ChatId) -> Vec<RequestId>;

    fn running() -> Vec<Running>;
    fn statuses_of(user: UserId) -> Vec<RequestStatus>;
    /// `None` of an unknown request and of an erased user's.
    fn request_location(id: RequestId) -> Option<RequestLocation>;
}

// === Its order ===

statements! {
    fn has_turn(now: Timestamp, excluded: &ClaimExclusions) -> bool;
    fn renew_turn(now: Timestamp) -> Option<RequestId>;
    fn set_current_turn(started: RequestId) -> ();
    fn catch_up(started: RequestId) -> Vec<RequestId>;
    fn close_gap(gone: RequestId) -> Vec<RequestId>;
    fn follow(moved: &[RequestId]) -> ();
    fn waiting() -> Vec<Waiting>;
    /// The first 100.
    fn head() -> Vec<Waiting>;
    /// At most 500 behind a place.
    fn page_after(place: &Place) -> Vec<Waiting>;
    fn place_of(id: RequestId) -> Option<Place>;
    fn set_comment_place(channel: ChatId, post: MessageId, place: CommentPlace) -> ();
    fn comment_place(of: RequestId) -> Option<CommentPlace>;
    /// `None` of an unknown request, of one that is no call, and of an erased user's.
    fn guest_request(id: RequestId) -> Option<GuestRequest>;
    /// Whether it was recorded.
    fn record_guest_message(id: RequestId, message: &InlineMessageId) -> bool;
    /// Whether `owner` holds a request, or no worker does while it waits.
    fn shows_state(id: RequestId, owner: &str) -> bool;
    fn places_of(user: UserId) -> Vec<Place>;
    fn count_before_priority(priority: i64) -> u32;
    fn count_turns(priority: i64, turns: Range<i64>) -> u32;
    /// Those of the same priority and turn that come before this place.
    fn count_within_turn(place: &Place) -> u32;
}

// === Daily usage ===

statements! {
    fn audio_between(user_key: i64, from: Timestamp, to: Timestamp) -> Duration;
    fn measured_request(id: RequestId, now: Timestamp) -> MeasuredRequest;
    fn key_of_day(day: Timestamp) -> Option<Vec<u8>>;
    /// The key of a day, drawn at random if there is none yet.
    fn make_key_of_day(day: Timestamp) -> Vec<u8>;
    /// Positions count until a time after `now`, and `latest` at most.
    fn carried_usage(day: Timestamp, hash: &[u8], now: Timestamp, latest: Timestamp) -> Usage;
    fn carry_usage(day: Timestamp, hash: &[u8], usage: Usage, positions_until: Timestamp) -> ();
    fn drop_other_days(day: Timestamp) -> u64;
}

// === Users and chats ===

statements! {
    /// Records a user by their current names; gives their row's key.
    fn upsert_user(sender: &Sender, now: Timestamp) -> i64;
    fn set_unreachable(user: UserId) -> ();
    fn reachable_users() -> Vec<UserId>;
    fn profile(user: UserId) -> Option<Profile>;
    fn count_ended_of(user: UserId) -> Vec<(StageName, u32)>;
    fn count_stopped_of(user: UserId) -> u32;
    fn recent_languages(user: UserId) -> Vec<(String, u32)>;
    fn chat_settings(chat: ChatId) -> Option<ChatSettings>;
    fn set_speech_language(chat: ChatId, language: Option<SpeechLanguage>, now: Timestamp) -> ();
    fn set_auto(chat: ChatId, auto: bool, now: Timestamp) -> ();
    fn set_times(chat: ChatId, times: bool, now: Timestamp) -> ();
    fn set_status(chat: ChatId, style: StatusStyle, now: Timestamp) -> ();
    fn set_quiet(chat: ChatId, quiet: bool, now: Timestamp) -> ();
    fn invitation_key() -> Vec<u8>;
    fn add_invitation(hash: &[u8], expires_at: Timestamp) -> ();
    fn drop_expired_invitations(now: Timestamp) -> ();
    fn take_invitation(hash: &[u8]) -> bool;
    fn add_invited(user: UserId, now: Timestamp) -> ();
    fn invited_since(user: UserId) -> Option<Timestamp>;
    fn newest_invited(limit: u32) -> Vec<Ban>;
    fn count_invited() -> u32;
    fn remove_invited(user: UserId) -> bool;
    fn ban(user: UserId, now: Timestamp) -> ();
    fn unban(user: UserId) -> bool;
    fn has_ban(user: UserId) -> bool;
    fn newest_bans(limit: u32) -> Vec<Ban>;
    fn count_bans() -> u32;
    /// False when the move is known.
    fn record_move(from: ChatId, to: ChatId, now: Timestamp) -> bool;
    fn move_chat(from: ChatId, to: ChatId) -> ();
    fn moved_to(chat: ChatId) -> Option<ChatId>;
    fn other_ids(chat: ChatId) -> Vec<ChatId>;
}

// === Users' own accounts ===

statements! {
    fn business_connection(id: &str) -> Option<BusinessConnection>;
    fn record_business_connection(connection: &BusinessConnection, now: Timestamp) -> ();
    fn has_refused_business_connection(id: &str) -> bool;
    /// False when it was refused before.
    fn refuse_business_connection(id: &str) -> bool;
    fn has_business_connection(user: UserId) -> bool;
    fn delete_business_connections_of(user: UserId) -> ();

    fn has_source(source: BusinessKey) -> bool;
    fn mark_source_deleted(source: BusinessKey) -> Vec<RequestId>;
    fn deleted_sources(now: Timestamp) -> Vec<DeletedSource>;
    fn finish_deletion(id: RequestId) -> ();
    fn has_author_names() -> bool;
    fn erase_author_names() -> u64;
}

// === Erasing a user ===

statements! {
    fn delete_chat(user: UserId) -> ();
    /// Key of a user's row, by which the statements below find their requests.
    fn user_key(user: UserId) -> Option<i64>;
    fn leased_requests_of(user: i64, now: Timestamp) -> Vec<RequestId>;
    fn requests_with_audio_of(user: i64) -> Vec<RequestId>;
    fn end_open_requests_of(user: i64, now: Timestamp) -> ();
    /// Gives the key of the row for all erased users.
    fn add_to_erased_user(user: i64, now: Timestamp) -> i64;
    fn anonymise_requests(user: i64, erased: i64) -> ();
    fn delete_user(user: i64) -> ();
}

// === Kept audio ===

statements! {
    fn requests_with_audio_among(ids: &[RequestId]) -> Vec<RequestId>;
    /// Takes what is over `now`, or would be kept until after `latest`.
    fn take_due_audio(now: Timestamp, latest: Timestamp) -> Vec<DueAudio>;
    fn audio_row(of: RequestId) -> Option<AudioRow>;
}

// === Statistics ===

statements! {
    /// Open requests by stage.
    fn count_by_stage() -> Vec<(StageName, i64)>;
    /// Admission of the oldest waiting request, and the length of all waiting audio.
    fn backlog() -> (Option<Timestamp>, Duration);
    fn recent_real_time_factor(model: &str) -> Option<f64>;
    fn request_records(since: Option<Timestamp>) -> Vec<RequestRecord>;
}

// === Account, machines, service ===

statements! {
    /// Sets the account unless there is one.
    fn claim_account(bot: UserId, now: Timestamp) -> ();
    fn set_account(bot: UserId, now: Timestamp) -> ();
    fn account() -> Option<UserId>;
    fn drop_open_requests() -> u64;

    fn record_heartbeat(machine: &MachineId, state: MachineState, now: Timestamp) -> ();
    fn machines_since(earliest: Timestamp) -> Vec<Machine>;
    fn drop_machine(machine: &MachineId) -> ();
    fn drop_machines_before(earliest: Timestamp) -> ();
    fn expire_leases_of(owner: &str) -> u64;

    fn service_mode() -> ServiceMode;
    fn set_service_mode(mode: ServiceMode, now: Timestamp) -> ();
    fn record_pause(chat: ChatId, until: Timestamp) -> ();
    fn pauses_after(now: Timestamp) -> Vec<(ChatId, Timestamp)>;
    fn drop_pauses_until(now: Timestamp) -> ();
}
