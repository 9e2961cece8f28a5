//! Parts of statements. The lists of stages follow [`stenobot_domain::lifecycle`]; the tests below hold that.

/// Stages of requests that have not ended.
macro_rules! open_stages {
    () => {
        "('received', 'downloaded', 'queued', 'transcribing', 'transcribed')"
    };
}

/// Stages whose requests hold a position in the queue.
macro_rules! waiting_stages {
    () => {
        "('received', 'downloaded', 'queued')"
    };
}

/// Stages in which a request has ended.
macro_rules! closed_stages {
    () => {
        "('done', 'rejected', 'failed', 'cancelled')"
    };
}

/// Stages from which a notice is due until it is answered.
macro_rules! notice_stages {
    () => {
        "('rejected', 'failed', 'cancelled')"
    };
}

/// Stages in which a request waits for its download, or is held for it.
macro_rules! download_stages {
    () => {
        "('received', 'downloaded')"
    };
}

/// Stages of open requests but for those that are in the queue, which may be many.
macro_rules! unqueued_stages {
    () => {
        "('received', 'downloaded', 'transcribing', 'transcribed')"
    };
}

/// Stages in which a request waits for the engine, or is held after it.
macro_rules! engine_stages {
    () => {
        "('queued', 'transcribing', 'transcribed')"
    };
}

/// Telegram's id of a row's user.
macro_rules! telegram_id {
    () => {
        "(SELECT telegram_id FROM users WHERE users.id = usage.user_id) AS telegram_id"
    };
}

/// Current id of a chat: a group that became a supergroup has another id there.
macro_rules! chat_now {
    ($chat:literal) => {
        concat!("coalesce((SELECT to_chat_id FROM moved_chats WHERE from_chat_id = ", $chat, "), ", $chat, ")")
    };
}

/// Chat in which a row is answered.
macro_rules! chat_id {
    () => {
        concat!(chat_now!("usage.chat_id"), " AS chat_id")
    };
}

/// Columns of an [`Origin`](stenobot_domain::Origin).
macro_rules! origin_columns {
    () => {
        "usage.business_key, usage.author_name, usage.sent_at, usage.guest_query, usage.inline_message_id"
    };
}

/// Columns of a [`RequestRow`](crate::RequestRow).
macro_rules! request_columns {
    () => {
        concat!(
            "id, ",
            chat_id!(),
            ", thread_id, direct_topic_id, reply_to_message_id, display, source, form, speech_language, speech_languages, parent_id, joined_to, \
             voice_file_id, claimed_duration_seconds, voice_duration_seconds, locale, stage, owner, attempt, failures, \
             interruptions, cancel_requested, status_message_id, parts_delivered, part_message_id, received_at, \
             transcription_length IS NOT NULL AS transcribed_before, ",
            origin_columns!(),
            ", ",
            telegram_id!()
        )
    };
}

/// Whether the request that a row is coalesced into is open. Not by EXISTS, for which PostgreSQL would first read all open rows
/// into memory.
macro_rules! waits_for_another {
    () => {
        concat!(
            "((SELECT 1 FROM usage AS first WHERE first.id = usage.joined_to AND first.answered = 0 \
             AND first.stage IN ",
            open_stages!(),
            ") IS NOT NULL)"
        )
    };
}

/// The fair order: a coalesced request comes right behind the one that it gets its text from. Ends with the id, which the
/// index of this order has as its last column.
macro_rules! fair_order {
    () => {
        " ORDER BY priority, turn, coalesce(joined_to, id), id"
    };
}

/// The requests that hold a position in the queue. The index is named, since SQLite would choose the one of open rows and
/// sort.
macro_rules! from_waiting {
    () => {
        concat!(" FROM usage", indexed_by!("ix_usage_turn"), " WHERE answered = 0 AND stage IN ", waiting_stages!())
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
            ", attempt = attempt + 1, interruptions = interruptions + CASE WHEN owner IS NULL THEN 0 ELSE 1 END"
        )
    };
}

/// Condition of a fenced write; bound by `Fenced::fenced`.
macro_rules! fence {
    ($id:literal, $stage:literal, $owner:literal, $attempt:literal) => {
        concat!(" WHERE id = ", $id, " AND stage = ", $stage, " AND owner = ", $owner, " AND attempt = ", $attempt)
    };
}

/// Whether a row is none of those of the chats and users in two lists.
macro_rules! is_not_excluded {
    ($chats:literal, $users:literal) => {
        concat!(
            chat_now!("usage.chat_id"),
            " NOT IN ",
            list!($chats),
            " AND ",
            unindexed!("user_id"),
            " NOT IN (SELECT users.id FROM users WHERE users.telegram_id IN ",
            list!($users),
            ")"
        )
    };
}

#[cfg(test)]
mod tests {
    use stenobot_domain::StageName;

    fn list(stages: impl IntoIterator<Item = StageName>) -> String {
        let names: Vec<String> = stages.into_iter().map(|stage| format!("'{stage}'")).collect();
        format!("({})", names.join(", "))
    }

    #[test]
    fn the_lists_of_stages_follow_the_lifecycle() {
        let open = || StageName::OPEN.iter().copied();
        assert_eq!(open_stages!(), list(open()));
        assert_eq!(waiting_stages!(), list(StageName::with_position()));
        assert_eq!(closed_stages!(), list(StageName::CLOSED.iter().copied()));
        let answered = StageName::Done;
        assert_eq!(notice_stages!(), list(StageName::CLOSED.iter().copied().filter(|stage| *stage != answered)));
        assert_eq!(download_stages!(), list(open().filter(|stage| stage.released() == StageName::Received)));
        assert_eq!(unqueued_stages!(), list(open().filter(|stage| *stage != StageName::Queued)));
        assert_eq!(engine_stages!(), list(open().filter(|stage| stage.released() == StageName::Queued)));
    }

    /// Every other statement names stages by the macros of this file.
    #[test]
    fn no_other_file_lists_stages() {
        let source = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        for folder in ["sql", "sqlite", "postgres"] {
            for entry in std::fs::read_dir(source.join(folder)).unwrap() {
                let path = entry.unwrap().path();
                let text = std::fs::read_to_string(&path).unwrap();
                let lists = StageName::ALL.iter().filter(|stage| text.contains(&format!("('{stage}', "))).count();
                assert!(lists == 0 || path.ends_with("fragments.rs"), "{}", path.display());
            }
        }
    }
}
