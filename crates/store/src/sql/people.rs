//! Statements that erase a user's data, and those on users and chats.

// === Erasing ===

/// Ends all that is under way, so that nobody writes a word of it any more.
pub(crate) const END_ALL_OF: &str = concat!(
    "UPDATE usage SET stage = 'cancelled', finished_at = ?2, reason = 'sender', owner = NULL, lease_until = NULL, \
     attempt = 0, not_before = 0, updated_at = ",
    text_time!("?2"),
    " WHERE answered = 0 AND stage IN ('received', 'downloaded', 'queued', 'transcribing', 'transcribed') \
     AND +user_id = ?1"
);

pub(crate) const KEY_OF: &str = "SELECT id FROM users WHERE telegram_id = ?1";

pub(crate) const LEASED_OF: &str = "SELECT id FROM usage WHERE answered = 0 \
     AND stage IN ('received', 'downloaded', 'queued', 'transcribing', 'transcribed') \
     AND owner IS NOT NULL AND lease_until >= ?2 AND +user_id = ?1 ORDER BY id";

pub(crate) const AUDIO_OF: &str = "SELECT id FROM usage WHERE answered = 0 \
     AND stage IN ('received', 'downloaded', 'queued', 'transcribing', 'transcribed') AND +user_id = ?1 \
     UNION SELECT id FROM usage WHERE audio_until IS NOT NULL AND +user_id = ?1";

/// One row stands for all who were forgotten, and keeps their totals.
pub(crate) const NOBODY: &str = concat!(
    "INSERT INTO users (telegram_id, reachable, total_usage_seconds, created_at, updated_at) \
     SELECT 0, 0, total_usage_seconds, ",
    text_time!("?2"),
    ", ",
    text_time!("?2"),
    " FROM users WHERE id = ?1 ON CONFLICT (telegram_id) DO UPDATE \
     SET total_usage_seconds = users.total_usage_seconds + excluded.total_usage_seconds, \
     updated_at = excluded.updated_at RETURNING id"
);

pub(crate) const FORGET_USER: &str = "DELETE FROM users WHERE id = ?1";

/// The chat of one person with the bot has that person's id.
pub(crate) const FORGET_CHAT: &str = "DELETE FROM chats WHERE chat_id = ?1";

pub(crate) const ERASE_REQUESTS: &str = "UPDATE usage SET user_id = ?2, answered = 1, owner = NULL, lease_until = NULL, \
     chat_id = NULL, thread_id = NULL, message_id = NULL, reply_to_message_id = NULL, status_message_id = NULL, \
     part_message_id = NULL, callback_id = NULL, voice_file_id = '', file_unique_id = NULL, locale = NULL, speech_language = NULL, \
     audio_until = NULL, legacy_key = NULL WHERE user_id = ?1";

// === People and chats ===

pub(crate) const UNREACHABLE: &str = "UPDATE users SET reachable = 0 WHERE telegram_id = ?1";

pub(crate) const REACHABLE: &str = "SELECT telegram_id FROM users WHERE reachable = 1 AND telegram_id > 0 \
     AND telegram_id NOT IN (SELECT telegram_id FROM bans) ORDER BY id";

pub(crate) const CHAT_SETTINGS: &str =
    concat!("SELECT speech_language, auto FROM chats WHERE chat_id = ", chat_now!("?1"));

pub(crate) const SET_SPEECH_LANGUAGE: &str = concat!(
    "INSERT INTO chats (chat_id, speech_language, updated_at) VALUES (",
    chat_now!("?1"),
    ", ?2, ?3) ON CONFLICT (chat_id) DO UPDATE SET speech_language = excluded.speech_language, \
     updated_at = excluded.updated_at"
);

pub(crate) const SET_AUTO: &str = concat!(
    "INSERT INTO chats (chat_id, auto, updated_at) VALUES (",
    chat_now!("?1"),
    ", ?2, ?3) ON CONFLICT (chat_id) DO UPDATE SET auto = excluded.auto, updated_at = excluded.updated_at"
);

pub(crate) const BAN: &str = "INSERT INTO bans (telegram_id, since) VALUES (?1, ?2) ON CONFLICT DO NOTHING";

/// Every id that a chat has or had: a group that became a supergroup has another one there.
macro_rules! all_ids {
    () => {
        "telegram_id IN (SELECT ?1 UNION SELECT to_chat_id FROM moved_chats WHERE from_chat_id = ?1 \
         UNION SELECT from_chat_id FROM moved_chats WHERE to_chat_id = ?1)"
    };
}

pub(crate) const UNBAN: &str = concat!("DELETE FROM bans WHERE ", all_ids!());

pub(crate) const IS_BANNED: &str = concat!("SELECT EXISTS (SELECT 1 FROM bans WHERE ", all_ids!(), ")");

pub(crate) const STANDING_OF: &str = concat!(
    "SELECT id, ",
    chat_id!(),
    ", stage, received_at, \
     coalesce(voice_duration_seconds, claimed_duration_seconds, 0.0) AS length_seconds FROM usage WHERE answered = 0 \
     AND stage IN ('received', 'downloaded', 'queued', 'transcribing', 'transcribed') \
     AND +user_id = (SELECT id FROM users WHERE telegram_id = ?1) ORDER BY id"
);

/// An imported time may have any form.
pub(crate) const PERSON: &str = "SELECT username, first_name, last_name, total_usage_seconds, \
     coalesce(unixepoch(created_at), 0) * 1000 AS first_seen FROM users WHERE telegram_id = ?1";

pub(crate) const ENDED_OF: &str = "SELECT stage, count(*) FROM usage \
     WHERE user_id = (SELECT id FROM users WHERE telegram_id = ?1) \
     AND stage IN ('done', 'rejected', 'failed', 'cancelled') GROUP BY stage ORDER BY stage";

/// Of the latest requests only, so that a long history costs no more than a short one. A text without a character has no
/// language of its own.
pub(crate) const RECENT_LANGUAGES: &str = "SELECT language, count(*) FROM \
     (SELECT language, transcription_length FROM usage WHERE user_id = (SELECT id FROM users WHERE telegram_id = ?1) \
     ORDER BY received_at DESC LIMIT 50) \
     WHERE language IS NOT NULL AND transcription_length > 0 GROUP BY language ORDER BY count(*) DESC, language LIMIT 10";
