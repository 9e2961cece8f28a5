//! History grows for ever, and no statement that runs for a message may read it.

use std::time::Duration;

use stenobot_domain::{CancelledBy, ChatId, MessageId, RequestId, StageName};
use stenobot_store::{Capacity, RequestUpdate, Settlement, WorkSource};

use super::{database, open};
use crate::store::test_store::{ROOMY, arrival_of};

/// Requests of 200 users that ended, and the planner's knowledge of them.
const HISTORY: &str = "INSERT INTO users (telegram_id, created_at, updated_at) \
     SELECT 1000 + n, now(), now() FROM generate_series(1, 200) AS n; \
     INSERT INTO usage (user_id, chat_id, message_id, voice_file_id, file_unique_id, stage, answered, received_at, \
         started_at, finished_at, model_size, voice_duration_seconds, processing_time_seconds, transcription_length, \
         language, turn, created_at, updated_at) \
     SELECT 1 + n % 200, 1000 + n % 200, n, 'file', 'unique', 'done', 1, 1700000000000 + n, 1700000000000 + n, \
         1700000000000 + n, 'base', 10, 1, 100, 'ru', n, now(), now() FROM generate_series(1, 50000) AS n; \
     ANALYZE";

/// Rows of requests that were read one after another, without an index.
const READ: &str = "SELECT coalesce(sum(seq_tup_read), 0) FROM pg_stat_user_tables WHERE relname = 'usage'";

#[tokio::test]
async fn no_statement_reads_the_whole_history() {
    let Some((server, url)) = database("query plans").await else { return };
    let store = open(&url).await;
    server.psql(&url, HISTORY).await.unwrap();
    let read = async || -> u64 {
        // Sessions report what they did when they are idle for a second, or end.
        server.psql(&url, READ).await.unwrap().parse().unwrap()
    };
    let before = read().await;

    let capacity = Capacity { per_day: Some(Duration::from_secs(3600)), ..ROOMY };
    for message in 0..30_i32 {
        let arrival = arrival_of(1000 + i64::from(message % 10), 100_000 + message);
        let _ = store.queue.admit(&arrival, &capacity).await.unwrap();
    }
    let update = RequestUpdate { length: Some(Duration::from_secs(10)), ..RequestUpdate::default() };
    for number in 0..20 {
        let row = store.queue.claim(WorkSource::Downloads, "w").await.unwrap().unwrap();
        store.queue.set_status_message(&row.fence, row.chat, MessageId(5)).await.unwrap();
        let mut fence = row.fence;
        if number % 5 == 0 {
            store.queue.settle(&fence, Settlement::Cancelled(CancelledBy::Sender)).await.unwrap();
            let notice = store.queue.claim_notice("w").await.unwrap().unwrap();
            store.queue.close_notices(&notice.fence, &notice.folded).await.unwrap();
            continue;
        }
        for stage in [StageName::Downloaded, StageName::Queued] {
            store.queue.advance_within_day(&fence, stage, &update, capacity.per_day).await.unwrap();
            fence.stage = stage;
        }
        let row = store.queue.claim(WorkSource::Transcriptions, "w").await.unwrap().unwrap();
        let mut fence = row.fence;
        store.queue.renew(&fence).await.unwrap();
        for stage in [StageName::Transcribing, StageName::Transcribed, StageName::Done] {
            store.queue.advance(&fence, stage, &RequestUpdate::default()).await.unwrap();
            fence.stage = stage;
            while store.queue.claim_coalesced(fence.id, "w").await.unwrap().is_some() {}
        }
    }
    let user = arrival_of(1003, 1).from.id;
    store.queue.statuses_of(user).await.unwrap();
    store.queue.head().await.unwrap();
    store.queue.depth().await.unwrap();
    store.queue.running().await.unwrap();
    store.queue.clamp_times().await.unwrap();
    let _ = store.queue.cancel_all(user).await.unwrap();
    let _ = store.queue.cancel_all_in(ChatId(1004)).await.unwrap();
    store.statistics.snapshot().await.unwrap();
    store.statistics.recent_real_time_factor("base").await.unwrap();
    store.audio.take_due(Duration::from_secs(600)).await.unwrap();
    store.audio.in_use(&[RequestId(1), RequestId(50_001)]).await.unwrap();
    store.users.my_data(user).await.unwrap();
    store.users.recent_languages(user).await.unwrap();
    let _ = store.users.forget(user).await.unwrap();
    store.close().await;

    let after = read().await;
    assert!(after - before < 5_000, "{} rows of the history were read one after another", after - before);
    server.psql(&url, "SELECT count(*) FROM usage WHERE locale = 'none'").await.unwrap();
    assert!(read().await - after >= 50_000, "what reads it is counted");
}
