//! Every statement on requests. `?1` and the like are bound in order by the verbs in the parent module. A statement
//! that looks for rows under way says `answered = 0` as well: only then does SQLite read the index of open rows.

/// Predecessor's text form of a time in milliseconds.
macro_rules! text_time {
    ($millis:literal) => {
        concat!("strftime('%Y-%m-%d %H:%M:%f', ", $millis, " / 1000.0, 'unixepoch')")
    };
}

/// Telegram's id of a row's person.
macro_rules! telegram_id {
    () => {
        "(SELECT telegram_id FROM users WHERE users.id = usage.user_id) AS telegram_id"
    };
}

/// Where a chat is now: a group that became a supergroup has another id there.
macro_rules! chat_now {
    ($chat:literal) => {
        concat!("coalesce((SELECT to_chat_id FROM moved_chats WHERE from_chat_id = ", $chat, "), ", $chat, ")")
    };
}

/// Where a row is answered.
macro_rules! chat_id {
    () => {
        concat!(chat_now!("usage.chat_id"), " AS chat_id")
    };
}

/// What a worker needs to know of a row.
macro_rules! request_columns {
    () => {
        concat!(
            "id, ",
            chat_id!(),
            ", thread_id, reply_to_message_id, source, form, speech_language, parent_id, joined_to, \
             voice_file_id, claimed_duration_seconds, voice_duration_seconds, locale, stage, owner, attempt, failures, \
             interruptions, status_message_id, parts_delivered, part_message_id, received_at, \
             transcription_length IS NOT NULL AS heard, ",
            telegram_id!()
        )
    };
}

/// Whether the request that a row is joined to may still give it a text.
macro_rules! waits_for_another {
    () => {
        "EXISTS (SELECT 1 FROM usage AS first WHERE first.id = usage.joined_to AND first.answered = 0 \
         AND first.stage IN ('received', 'downloaded', 'queued', 'transcribing', 'transcribed'))"
    };
}

/// When the engine last took something of a row's person. Starts later than now are of a clock that was set back since.
macro_rules! last_start {
    ($now:literal) => {
        concat!(
            "(SELECT max(own.started_at) FROM usage AS own WHERE own.user_id = usage.user_id \
             AND own.started_at IS NOT NULL AND own.started_at <= ",
            $now,
            " AND own.joined_to IS NULL)"
        )
    };
}

/// Whether the engine had a row and was stopped in the middle without a failure of its own. A row over which the bot has
/// ended twice before is not among them: should it be the reason, the others are served between its attempts.
macro_rules! interrupted {
    () => {
        "(started_at IS NOT NULL AND interruptions < 2 AND (owner IS NOT NULL OR failures = 0))"
    };
}

/// Counts a claim. A row that still has an owner was not given back: its worker is gone.
macro_rules! claimed_by {
    ($owner:literal, $until:literal) => {
        concat!(
            "owner = ",
            $owner,
            ", lease_until = ",
            $until,
            ", attempt = attempt + 1, interruptions = interruptions + (owner IS NOT NULL)"
        )
    };
}

macro_rules! fence {
    ($id:literal, $stage:literal, $owner:literal, $attempt:literal) => {
        concat!(" WHERE id = ", $id, " AND stage = ", $stage, " AND owner = ", $owner, " AND attempt = ", $attempt)
    };
}

mod notices;
mod people;

pub(super) use notices::*;
pub(super) use people::*;

pub(super) const UPSERT_USER: &str = concat!(
    "INSERT INTO users (telegram_id, username, first_name, last_name, created_at, updated_at) \
     VALUES (?1, ?2, ?3, ?4, ",
    text_time!("?5"),
    ", ",
    text_time!("?5"),
    ") ON CONFLICT (telegram_id) DO UPDATE SET username = excluded.username, first_name = excluded.first_name, \
     last_name = excluded.last_name, reachable = 1, updated_at = excluded.updated_at RETURNING id"
);

/// Whether a row is none of those of the chats and people in two lists.
macro_rules! is_beside {
    ($chats:literal, $people:literal) => {
        concat!(
            chat_now!("usage.chat_id"),
            " NOT IN (SELECT value FROM json_each(",
            $chats,
            ")) AND +user_id NOT IN (SELECT users.id FROM json_each(",
            $people,
            ") JOIN users ON users.telegram_id = value)"
        )
    };
}

pub(super) const COUNT_WAITING: &str =
    "SELECT count(*) FROM usage WHERE answered = 0 AND stage IN ('received', 'downloaded', 'queued')";

/// Without those that claims pass over.
pub(super) const COUNT_WAITING_BESIDE: &str = concat!(
    "SELECT count(*) FROM usage WHERE answered = 0 AND stage IN ('received', 'downloaded', 'queued') AND ",
    is_beside!("?1", "?2")
);

pub(super) const COUNT_WAITING_IN: &str = concat!(
    "SELECT count(*) FROM usage WHERE answered = 0 AND stage IN ('received', 'downloaded', 'queued') AND ",
    chat_now!("usage.chat_id"),
    " = ?1"
);

/// Also the texts that Telegram does not take for now: nobody gets more of them made by having them wait. The plus keeps
/// SQLite from reading all that this person ever sent.
pub(super) const COUNT_WAITING_OF: &str = "SELECT count(*) FROM usage WHERE answered = 0 \
     AND stage IN ('received', 'downloaded', 'queued', 'transcribed') AND +user_id = ?1";

/// What was withdrawn before the engine took it costs nobody anything.
pub(super) const AUDIO_BETWEEN: &str = "SELECT CAST(coalesce(sum(coalesce(voice_duration_seconds, claimed_duration_seconds)), 0) AS REAL) \
     FROM usage WHERE user_id = ?1 AND received_at >= ?2 AND received_at < ?3 AND stage <> 'rejected' \
     AND NOT (stage = 'cancelled' AND started_at IS NULL)";

/// One that waits for the same file in the same language and form.
pub(super) const SAME_AUDIO: &str = "SELECT id FROM usage WHERE answered = 0 \
     AND stage IN ('received', 'downloaded', 'queued') AND joined_to IS NULL AND file_unique_id = ?1 \
     AND speech_language IS ?2 AND form = ?3 ORDER BY id LIMIT 1";

/// Nothing comes back when the message, or the press of the button, is known. A message of a group that became a
/// supergroup cannot be replied to there.
pub(super) const INSERT_REQUEST: &str = concat!(
    "INSERT INTO usage (user_id, chat_id, message_id, callback_id, reply_to_message_id, thread_id, source, parent_id, form, \
     speech_language, joined_to, voice_file_id, file_unique_id, claimed_duration_seconds, locale, \
     stage, reason, answered, received_at, finished_at, created_at, updated_at) \
     VALUES (?1, ?2, ?3, ?4, CASE WHEN EXISTS (SELECT 1 FROM moved_chats WHERE from_chat_id = ?2) THEN NULL ELSE ?5 END, \
     ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, 0, ?18, \
     CASE ?16 WHEN 'rejected' THEN ?18 END, ",
    text_time!("?18"),
    ", ",
    text_time!("?18"),
    ") ON CONFLICT DO NOTHING RETURNING id"
);

/// Whoever has the fewest downloads under way is next, then who came first: somebody's flood takes no more than
/// the places that nobody else wants. `Downloaded` rows are claimed here too: their download is over, but they are
/// not in the queue yet. So are joined rows whose text never came: they have no audio of their own.
pub(super) const CLAIM_DOWNLOAD: &str = concat!(
    "UPDATE usage SET ",
    claimed_by!("?1", "?2"),
    ", stage = 'received', joined_to = NULL \
     WHERE id = (SELECT usage.id FROM usage LEFT JOIN (SELECT user_id, count(*) AS downloads FROM usage \
     WHERE answered = 0 AND stage IN ('received', 'downloaded') AND lease_until >= ?3 GROUP BY +user_id) AS busy \
     ON busy.user_id = usage.user_id \
     WHERE answered = 0 AND stage IN ('received', 'downloaded', 'transcribing', 'transcribed') \
     AND (stage IN ('received', 'downloaded') OR joined_to IS NOT NULL) \
     AND (owner IS NULL OR lease_until < ?3) AND not_before <= ?3 AND NOT ",
    waits_for_another!(),
    " ORDER BY coalesce(downloads, 0), usage.id LIMIT 1) RETURNING ",
    request_columns!()
);

/// What the engine was stopped in comes first: a restart reorders nothing. Otherwise a person's turn comes by when they
/// were last served, or by when they came if that is later, and what the engine has failed at comes behind all who came
/// meanwhile; `fair_order` says the same. Work that a dead worker left comes back to the queue here: its text was never
/// stored, so it is heard again. The chats of `?4` and the people of `?5` are passed over.
pub(super) const CLAIM_TRANSCRIPTION: &str = concat!(
    "UPDATE usage SET ",
    claimed_by!("?1", "?2"),
    ", stage = 'queued', started_at = ?3 \
     WHERE id = (SELECT id FROM usage WHERE answered = 0 AND stage IN ('queued', 'transcribing', 'transcribed') \
     AND joined_to IS NULL AND (owner IS NULL OR lease_until < ?3) AND not_before <= ?3 AND ",
    is_beside!("?4", "?5"),
    " ORDER BY NOT ",
    interrupted!(),
    ", CASE WHEN NOT ",
    interrupted!(),
    " THEN max(received_at, CASE WHEN started_at IS NULL THEN 0 ELSE not_before END, coalesce(",
    last_start!("?3"),
    " + 1, 0)) END, id LIMIT 1) RETURNING ",
    request_columns!()
);

/// One that was joined to `?4`; it is about to be given the same text.
pub(super) const CLAIM_JOINED: &str = concat!(
    "UPDATE usage SET ",
    claimed_by!("?1", "?2"),
    ", stage = 'transcribing', started_at = ?3 \
     WHERE id = (SELECT id FROM usage WHERE answered = 0 AND stage = 'received' AND joined_to = ?4 \
     AND (owner IS NULL OR lease_until < ?3) ORDER BY id LIMIT 1) RETURNING ",
    request_columns!()
);

pub(super) const RENEW: &str = concat!("UPDATE usage SET lease_until = ?1", fence!("?2", "?3", "?4", "?5"));

pub(super) const FREE_OTHERS: &str = "UPDATE usage SET lease_until = 0 WHERE answered = 0 AND owner <> ?1";

/// The queue and the end are owned by nobody; attempts and what became of them are counted anew for the engine. Whoever writes holds the request
/// for another lease, also when the one before ran out while the store could not be written.
pub(super) const ADVANCE: &str = concat!(
    "UPDATE usage SET stage = ?1, \
     downloaded_at = CASE ?1 WHEN 'downloaded' THEN ?2 ELSE downloaded_at END, \
     queued_at = CASE ?1 WHEN 'queued' THEN ?2 ELSE queued_at END, \
     started_at = CASE ?1 WHEN 'transcribing' THEN ?2 ELSE started_at END, \
     finished_at = CASE ?1 WHEN 'done' THEN ?2 ELSE finished_at END, \
     answered = CASE ?1 WHEN 'done' THEN 1 ELSE answered END, \
     owner = CASE WHEN ?1 IN ('queued', 'done') THEN NULL ELSE owner END, \
     lease_until = CASE WHEN ?1 IN ('queued', 'done') THEN NULL ELSE ?13 END, \
     attempt = CASE ?1 WHEN 'queued' THEN 0 ELSE attempt END, \
     failures = CASE ?1 WHEN 'queued' THEN 0 ELSE failures END, \
     interruptions = CASE ?1 WHEN 'queued' THEN 0 ELSE interruptions END, \
     voice_duration_seconds = coalesce(?3, voice_duration_seconds), \
     model_size = coalesce(?4, model_size), \
     processing_time_seconds = coalesce(?5, processing_time_seconds), \
     transcription_length = coalesce(?6, transcription_length), \
     language = coalesce(?7, language), \
     audio_until = coalesce(?8, audio_until), \
     updated_at = ",
    text_time!("?2"),
    fence!("?9", "?10", "?11", "?12")
);

pub(super) const ADD_TO_TOTALS: &str = "UPDATE users SET total_usage_seconds = total_usage_seconds + \
     (SELECT CAST(round(coalesce(voice_duration_seconds, 0)) AS INTEGER) FROM usage WHERE id = ?1) \
     WHERE id = (SELECT user_id FROM usage WHERE id = ?1)";

pub(super) const SETTLE: &str = concat!(
    "UPDATE usage SET stage = ?1, finished_at = ?2, reason = ?3, failed_stage = ?4, codec = ?6, \
     answered = CASE WHEN ?5 THEN 0 ELSE 1 END, owner = NULL, lease_until = NULL, attempt = 0, not_before = 0, updated_at = ",
    text_time!("?2"),
    fence!("?7", "?8", "?9", "?10")
);

/// A joined row has no audio: it goes back to where it can get some.
pub(super) const RELEASE: &str = concat!(
    "UPDATE usage SET stage = CASE WHEN joined_to IS NULL THEN ?1 ELSE 'received' END, not_before = ?2, \
     failures = failures + ?3, owner = NULL, lease_until = NULL",
    fence!("?4", "?5", "?6", "?7")
);

/// A message that was sent to a chat which has moved since means nothing in the new one.
pub(super) const SET_STATUS_MESSAGE: &str = concat!(
    "UPDATE usage SET status_message_id = CASE ",
    chat_now!("usage.chat_id"),
    " WHEN ?3 THEN ?1 ELSE status_message_id END, lease_until = ?2",
    fence!("?4", "?5", "?6", "?7")
);

pub(super) const SET_PART_MESSAGE: &str = concat!(
    "UPDATE usage SET part_message_id = CASE ",
    chat_now!("usage.chat_id"),
    " WHEN ?3 THEN ?1 ELSE part_message_id END, lease_until = ?2",
    fence!("?4", "?5", "?6", "?7")
);

pub(super) const SET_PARTS_DELIVERED: &str = concat!(
    "UPDATE usage SET parts_delivered = ?1, part_message_id = NULL, lease_until = ?2",
    fence!("?3", "?4", "?5", "?6")
);

/// Where an answer may stand already, no state is shown.
pub(super) const WAITING: &str = concat!(
    "SELECT id, ",
    chat_id!(),
    ", CASE WHEN transcription_length IS NULL THEN status_message_id END AS status_message_id, \
     locale, stage, coalesce(voice_duration_seconds, claimed_duration_seconds, 0.0) AS length_seconds, \
     received_at, started_at IS NOT NULL AS started, not_before, ",
    interrupted!(),
    " AS interrupted, CASE WHEN ",
    waits_for_another!(),
    " THEN joined_to END AS joined_to, ",
    telegram_id!(),
    ", ",
    last_start!("?1"),
    " AS last_start FROM usage WHERE answered = 0 AND stage IN ('received', 'downloaded', 'queued')"
);

pub(super) const RUNNING: &str = "SELECT coalesce(voice_duration_seconds, claimed_duration_seconds, 0.0) AS length_seconds, \
     coalesce(started_at, 0) AS started_at FROM usage WHERE answered = 0 AND stage = 'transcribing' AND joined_to IS NULL";

pub(super) const COUNTS: &str = "SELECT stage, count(*) FROM usage WHERE answered = 0 \
     AND stage IN ('received', 'downloaded', 'queued', 'transcribing', 'transcribed') GROUP BY stage";

pub(super) const BACKLOG: &str = "SELECT min(received_at), \
     coalesce(sum(coalesce(voice_duration_seconds, claimed_duration_seconds)), 0.0) \
     FROM usage WHERE answered = 0 AND stage IN ('received', 'downloaded', 'queued')";

/// Imported rows have no `finished_at`: they were heard by another engine. Joined rows took no engine's time.
pub(super) const RECENT_RTF: &str = "SELECT sum(processing_time_seconds) / sum(voice_duration_seconds) \
     FROM (SELECT processing_time_seconds, voice_duration_seconds FROM usage WHERE stage = 'done' AND model_size = ?1 AND finished_at IS NOT NULL \
     AND joined_to IS NULL \
     AND processing_time_seconds IS NOT NULL AND voice_duration_seconds > 0 \
     ORDER BY finished_at DESC LIMIT 20)";

pub(super) const UNDER_WAY: &str = "SELECT id FROM usage WHERE answered = 0 \
     AND stage IN ('received', 'downloaded', 'queued', 'transcribing', 'transcribed') \
     UNION SELECT id FROM usage WHERE audio_until IS NOT NULL";

// === Cancelling ===

/// Where a request stands that somebody wants to end.
pub(super) const STANDING: &str =
    concat!("SELECT stage, owner, lease_until, chat_id, ", telegram_id!(), " FROM usage WHERE id = ?1");

pub(super) const UNDER_WAY_OF: &str = "SELECT id FROM usage WHERE answered = 0 \
     AND stage IN ('received', 'downloaded', 'queued', 'transcribing', 'transcribed') \
     AND +user_id = (SELECT id FROM users WHERE telegram_id = ?1) ORDER BY id";

/// What is under way in a group, whoever asked for it there.
pub(super) const UNDER_WAY_IN: &str = concat!(
    "SELECT id FROM usage WHERE answered = 0 \
     AND stage IN ('received', 'downloaded', 'queued', 'transcribing', 'transcribed') AND ",
    chat_now!("usage.chat_id"),
    " = ",
    chat_now!("?1"),
    " ORDER BY id"
);

/// Whose a request is, and the message under which its buttons are: in the chat in which it was made, or in the
/// supergroup that this one became.
pub(super) const MESSAGE_OF: &str = concat!(
    "SELECT ",
    telegram_id!(),
    ", ",
    chat_id!(),
    ", usage.chat_id AS first_chat_id, status_message_id FROM usage WHERE id = ?1"
);

pub(super) const CANCEL: &str = concat!(
    "UPDATE usage SET stage = 'cancelled', finished_at = ?2, reason = ?3, owner = NULL, lease_until = NULL, attempt = 0, \
     not_before = 0, updated_at = ",
    text_time!("?2"),
    " WHERE id = ?1"
);

// === Kept audio ===

/// Only as long as it has no message: a claim has read the row by then, and sends the answer by itself.
pub(super) const GREET_JOINED: &str = concat!(
    "UPDATE usage SET status_message_id = ?2 WHERE id = ?1 AND owner IS NULL \
     AND joined_to IS NOT NULL AND status_message_id IS NULL AND stage = 'received' AND ",
    chat_now!("usage.chat_id"),
    " = ?3"
);

/// What is being heard again is kept until that is over. Nothing is kept for longer than until `?2`: what is to be was
/// written before the clock was set back, or when recordings were kept for longer.
pub(super) const TAKE_AUDIO_DUE: &str = concat!(
    "UPDATE usage SET audio_until = NULL WHERE audio_until IS NOT NULL \
     AND audio_until NOT BETWEEN ?1 + 1 AND ?2 AND NOT EXISTS \
     (SELECT 1 FROM usage AS again WHERE again.answered = 0 \
     AND again.stage IN ('received', 'downloaded', 'queued', 'transcribing', 'transcribed') \
     AND again.parent_id = usage.id) RETURNING id, ",
    chat_id!(),
    ", status_message_id"
);

/// The audio is that of the request that was heard: a parent's, or that of the one this was joined to.
pub(super) const KEPT_AUDIO: &str = concat!(
    "SELECT usage.id, usage.stage, ",
    chat_id!(),
    ", usage.thread_id, usage.reply_to_message_id, usage.status_message_id, \
     usage.source, usage.form, usage.speech_language, usage.voice_file_id, usage.file_unique_id, usage.locale, \
     usage.claimed_duration_seconds, audio.id AS audio_id, audio.stage AS audio_stage, audio.audio_until, \
     owner.telegram_id, owner.username, owner.first_name, owner.last_name \
     FROM usage JOIN users AS owner ON owner.id = usage.user_id LEFT JOIN usage AS heard ON heard.id = usage.joined_to \
     LEFT JOIN usage AS audio ON audio.id = coalesce(usage.parent_id, heard.parent_id, heard.id, usage.id) \
     WHERE usage.id = ?1"
);

/// Ends every request that has not ended, without a word.
pub(super) const DROP_WAITING: &str = "UPDATE usage SET stage = 'cancelled', reason = 'operator', answered = 1, \
     owner = NULL, lease_until = NULL, attempt = 0 WHERE answered = 0";

#[cfg(test)]
mod tests {
    use sqlx::{Connection, Row, SqliteConnection};

    /// History grows for ever; what runs on every message must not read it.
    #[tokio::test]
    async fn no_statement_reads_the_whole_history() {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        sqlx::migrate!("../../migrations/sqlite").run(&mut connection).await.unwrap();
        for (name, statement) in [
            ("COUNT_WAITING", super::COUNT_WAITING),
            ("COUNT_WAITING_OF", super::COUNT_WAITING_OF),
            ("COUNT_WAITING_BESIDE", super::COUNT_WAITING_BESIDE),
            ("COUNT_WAITING_IN", super::COUNT_WAITING_IN),
            ("AUDIO_BETWEEN", super::AUDIO_BETWEEN),
            ("SAME_AUDIO", super::SAME_AUDIO),
            ("INSERT_REQUEST", super::INSERT_REQUEST),
            ("CLAIM_DOWNLOAD", super::CLAIM_DOWNLOAD),
            ("CLAIM_TRANSCRIPTION", super::CLAIM_TRANSCRIPTION),
            ("CLAIM_JOINED", super::CLAIM_JOINED),
            ("FREE_OTHERS", super::FREE_OTHERS),
            ("RENEW", super::RENEW),
            ("ADVANCE", super::ADVANCE),
            ("ADD_TO_TOTALS", super::ADD_TO_TOTALS),
            ("SETTLE", super::SETTLE),
            ("CLAIM_NOTICE", super::CLAIM_NOTICE),
            ("FOLDED", super::FOLDED),
            ("FOLDED_ANSWERED", super::FOLDED_ANSWERED),
            ("WAITING", super::WAITING),
            ("RUNNING", super::RUNNING),
            ("COUNTS", super::COUNTS),
            ("BACKLOG", super::BACKLOG),
            ("RECENT_RTF", super::RECENT_RTF),
            ("UNDER_WAY", super::UNDER_WAY),
            ("STANDING", super::STANDING),
            ("UNDER_WAY_OF", super::UNDER_WAY_OF),
            ("CANCEL", super::CANCEL),
            ("TAKE_AUDIO_DUE", super::TAKE_AUDIO_DUE),
            ("KEPT_AUDIO", super::KEPT_AUDIO),
            ("UNDER_WAY_IN", super::UNDER_WAY_IN),
            ("MESSAGE_OF", super::MESSAGE_OF),
            ("IS_BANNED", super::IS_BANNED),
            ("END_ALL_OF", super::END_ALL_OF),
            ("LEASED_OF", super::LEASED_OF),
            ("AUDIO_OF", super::AUDIO_OF),
            ("NOBODY", super::NOBODY),
            ("ERASE_REQUESTS", super::ERASE_REQUESTS),
            ("STANDING_OF", super::STANDING_OF),
            ("PERSON", super::PERSON),
            ("ENDED_OF", super::ENDED_OF),
            ("CLAMP", crate::clock::CLAMP),
            ("RECENT_LANGUAGES", super::RECENT_LANGUAGES),
            ("CHAT_SETTINGS", super::CHAT_SETTINGS),
        ] {
            let plan = sqlx::query(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}")));
            for row in plan.fetch_all(&mut connection).await.unwrap() {
                let step: String = row.get("detail");
                let whole =
                    ["usage", "users", "first", "own", "again", "heard", "audio", "oldest", "newest", "other", "told"];
                let reads_all = whole.iter().any(|table| step.starts_with(&format!("SCAN {table}")));
                let open = step.ends_with("ix_usage_open") || step.ends_with("ix_usage_kept");
                assert!(!reads_all || open, "{name}: {step}");
            }
        }
    }
}
