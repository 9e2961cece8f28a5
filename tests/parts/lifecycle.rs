//! Requests with their stage in their type, with a real store.

use std::time::Duration;

use stenobot::request::{
    Attempt, Claim, Claimable, DeliverFailure, Done, DownloadFailure, Downloaded, Failure, MAX_FAILURES,
    MAX_INTERRUPTIONS, Queued, Received, Request, Setback, Stage, TranscribeFailure, Transcribed, Transcribing,
};
use stenobot_domain::{
    CancelledBy, FailReason, MessageId, RejectReason, RequestId, Segment, Spoken, StageName, Transcript,
};
use stenobot_store::{LEASE, Settlement, StoreError, WorkSource};

use crate::store::test_store::{Backend, TestStore};

const MARKER: &str = "Пароль-от-сейфа-7431-xyzzy";

async fn ready<S: Claimable>(test: &TestStore, worker: &str) -> Request<S> {
    match Request::<S>::claim(&test.store, worker).await.unwrap() {
        Some(Claim::Ready(request)) => request,
        Some(Claim::Exhausted(request, why)) => panic!("request {} is used up: {why}", request.id()),
        None => panic!("nothing to claim in {}", S::NAME),
    }
}

async fn downloaded(test: &TestStore) -> Request<Downloaded> {
    let request = ready::<Received>(test, "w").await;
    request.advance(&test.store, Downloaded { length: Duration::from_secs(12) }).await.unwrap()
}

async fn transcribing(test: &TestStore) -> Request<Transcribing> {
    ready::<Queued>(test, "w").await.advance(&test.store, Transcribing::default()).await.unwrap()
}

fn transcript() -> Transcribed {
    let segment = |text: &str| Segment {
        start: Duration::ZERO,
        end: Duration::from_secs(6),
        text: Spoken(text.into()),
        doubts: Vec::new(),
        mean_logprob: -0.2,
        no_speech: 0.01,
    };
    let transcript = Transcript {
        segments: vec![segment(MARKER), segment("и ещё.")],
        language: "ru".into(),
        language_probability: Some(0.99),
        audio: Duration::from_secs(12),
        processing: Duration::from_secs(3),
        retried_windows: 0,
        missed_speech: Duration::ZERO,
        speech: Vec::new(),
        is_sender_independent: true,
    };
    Transcribed { transcript, model: "base-q5_1".into(), stopped_at: None }
}

async fn transcribed(test: &TestStore) -> Request<Transcribed> {
    transcribing(test).await.advance(&test.store, transcript()).await.unwrap()
}

#[tokio::test]
async fn a_finished_request_leaves_facts_but_no_text() {
    let test = TestStore::new(Backend::Sqlite).await;
    let id = test.admit(1).await;
    let mut request = ready::<Received>(&test, "w").await;
    assert_eq!((request.id(), request.claimed_length()), (id, Some(Duration::from_secs(10))));
    request.set_status_message(&test.store, request.chat(), MessageId(77)).await.unwrap();

    let request = request.advance(&test.store, Downloaded { length: Duration::from_secs(12) }).await.unwrap();
    assert_eq!(request.length(), Duration::from_secs(12), "what was decoded counts, not what was claimed");
    let receipt = request.advance(&test.store, Queued::default()).await.unwrap();
    assert_eq!((receipt.id(), receipt.received_at()), (id, test.now()));

    let request = transcribing(&test).await;
    assert_eq!((request.id(), request.status_message()), (id, Some(MessageId(77))));
    assert_eq!(request.length(), Duration::from_secs(12), "a whole number of seconds survives its column");
    let mut request = request.advance(&test.store, transcript()).await.unwrap();
    request.set_parts_delivered(&test.store, 2).await.unwrap();
    assert!(request.stage().transcript.text().0.starts_with(MARKER));
    let receipt = request.advance(&test.store, Done::default()).await.unwrap();
    assert_eq!(receipt.id(), id);

    assert_eq!(test.value::<String>(id, "stage").await, "done");
    let characters = i64::try_from(MARKER.chars().count() + 1 + "и ещё.".chars().count()).unwrap();
    assert_eq!(test.value::<i64>(id, "transcription_length").await, characters);
    assert_eq!(test.value::<String>(id, "model_size").await, "base-q5_1");
    assert_eq!(test.value::<i64>(id, "parts_delivered").await, 2);

    // All files of the store while it is open, and the one that is left when it is closed.
    let clear = |test: &TestStore| {
        let mut files = 0;
        for entry in std::fs::read_dir(test.path.parent().unwrap()).unwrap() {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap();
            assert!(!bytes.windows(MARKER.len()).any(|window| window == MARKER.as_bytes()));
            let part = "xyzzy".as_bytes();
            assert!(!bytes.windows(part.len()).any(|window| window == part));
            files += 1;
        }
        files
    };
    assert_eq!(clear(&test), 3, "database, -wal and -shm");
    test.store.clone().close().await;
    assert_eq!(clear(&test), 1);
}

#[tokio::test]
async fn a_released_request_is_claimed_as_if_for_the_first_time() {
    let test = TestStore::new(Backend::Sqlite).await;
    test.enqueue(1).await;
    for _ in 0..2 * MAX_INTERRUPTIONS {
        transcribing(&test).await.release(&test.store).await.unwrap();
    }
    drop(ready::<Queued>(&test, "w").await);
}

/// Claims the next request and abandons it as a killed bot does.
async fn killed<S: Claimable>(test: &TestStore) {
    drop(ready::<S>(test, "dead").await);
    test.store.queue.expire_other_leases("w").await.unwrap();
}

#[tokio::test]
async fn a_request_is_given_up_after_ten_interruptions() {
    async fn runs_out<S: Claimable>(test: &TestStore, id: RequestId, settled: FailReason) {
        for _ in 0..MAX_INTERRUPTIONS {
            killed::<S>(test).await;
        }
        drop(ready::<S>(test, "dead").await);
        test.pass(LEASE + Duration::from_secs(1));
        let Some(Claim::Exhausted(request, why)) = Request::<S>::claim(&test.store, "w").await.unwrap() else {
            panic!("the request has to end")
        };
        assert_eq!(request.id(), id);
        assert!(why.to_string().starts_with("the bot has ended 11 times"), "{why}");
        let setback = request.fail(&test.store, &why).await.unwrap();
        assert_eq!(setback, Setback::GaveUp(Settlement::Failed(settled)));
    }
    let test = TestStore::new(Backend::Sqlite).await;
    let queued = test.enqueue(1).await;
    let received = test.admit(2).await;
    runs_out::<Queued>(&test, queued, FailReason::Internal).await;
    runs_out::<Received>(&test, received, FailReason::Internal).await;
}

#[tokio::test]
async fn interruptions_leave_the_allowed_failures_unchanged() {
    let test = TestStore::new(Backend::Sqlite).await;
    test.enqueue(1).await;
    for failures in 1..=MAX_FAILURES {
        for _ in 0..3 {
            killed::<Queued>(&test).await;
        }
        let crash = TranscribeFailure::Crashed("signal 11".into());
        let setback = transcribing(&test).await.fail(&test.store, &crash).await.unwrap();
        assert_eq!(matches!(setback, Setback::GaveUp(_)), failures == MAX_FAILURES);
        test.pass(Duration::from_secs(1));
    }
}

#[tokio::test]
async fn downloads_that_fail_eight_times_are_given_up() {
    let test = TestStore::new(Backend::Sqlite).await;
    test.admit(1).await;
    for _ in 0..Received::FAILURES {
        let lost = DownloadFailure::Unreachable("no route".into());
        let _later = ready::<Received>(&test, "w").await.fail(&test.store, &lost).await.unwrap();
        test.pass(stenobot_store::MAX_BACKOFF);
    }
    let Some(Claim::Exhausted(request, why)) = Request::<Received>::claim(&test.store, "w").await.unwrap() else {
        panic!("used up")
    };
    let setback = request.fail(&test.store, &why).await.unwrap();
    assert_eq!(setback, Setback::GaveUp(Settlement::Failed(FailReason::Download)));
}

// === Failures ===

enum Expected {
    End(Settlement),
    Retry { after: u64, counts: bool },
}

/// Fails `request` and compares what the store then holds.
async fn fails<S: Stage>(test: &TestStore, request: Request<S>, why: S::Failure, expected: Expected, back_in: &str) {
    let id = request.id();
    let failures: i64 = test.value(id, "failures").await;
    let setback = request.fail(&test.store, &why).await.unwrap();
    match expected {
        Expected::End(settlement) => {
            assert_eq!(setback, Setback::GaveUp(settlement), "{why}");
            let (stage, reason) = match settlement {
                Settlement::Rejected(reason) => (StageName::Rejected, reason.as_str()),
                Settlement::Failed(reason) => (StageName::Failed, reason.as_str()),
                Settlement::Cancelled(by) => (StageName::Cancelled, by.as_str()),
            };
            assert_eq!(test.value::<String>(id, "stage").await, stage.as_str(), "{why}");
            assert_eq!(test.value::<String>(id, "reason").await, reason, "{why}");
            let notice = test.store.queue.claim_notice("notifier").await.unwrap();
            assert_eq!(notice.is_some(), settlement.needs_answer(), "{why}");
        }
        Expected::Retry { after, counts } => {
            let Setback::Retrying { after: pause } = setback else { panic!("{why}: {setback:?}") };
            // Jitter makes a pause up to a quarter longer.
            let [shortest, longest] = [after * 1000, after * 1250].map(Duration::from_millis);
            assert!((shortest..=longest).contains(&pause), "{why}: {pause:?}");
            let at = test.now().after(pause);
            assert_eq!(test.value::<String>(id, "stage").await, back_in, "{why}");
            assert_eq!(test.value::<i64>(id, "not_before").await, at.0, "{why}");
            assert_eq!(test.value::<i64>(id, "failures").await, failures + i64::from(counts), "{why}");
            assert_eq!(test.value::<Option<String>>(id, "owner").await, None, "{why}");
        }
    }
}

const fn rejected(reason: RejectReason) -> Expected {
    Expected::End(Settlement::Rejected(reason))
}

const fn failed(reason: FailReason) -> Expected {
    Expected::End(Settlement::Failed(reason))
}

fn download_failures() -> Vec<(DownloadFailure, Expected)> {
    let text = || "x".to_owned();
    vec![
        (DownloadFailure::TooBig { limit: 5 }, rejected(RejectReason::TooBig)),
        (DownloadFailure::TooLong { limit: Duration::from_secs(120) }, rejected(RejectReason::TooLong)),
        (DownloadFailure::Unsupported(text()), rejected(RejectReason::Unsupported)),
        (DownloadFailure::Damaged(text()), failed(FailReason::Damaged)),
        (DownloadFailure::Refused(text()), failed(FailReason::Download)),
        (DownloadFailure::Exhausted { attempts: 8 }, failed(FailReason::Download)),
        (DownloadFailure::Interrupted { times: 11 }, failed(FailReason::Internal)),
        (DownloadFailure::AudioGone, failed(FailReason::AudioGone)),
        (DownloadFailure::Cancelled, Expected::End(Settlement::Cancelled(CancelledBy::Sender))),
        (DownloadFailure::Unreachable(text()), Expected::Retry { after: 5, counts: true }),
        (DownloadFailure::Local(text()), Expected::Retry { after: 5, counts: false }),
    ]
}

#[tokio::test]
async fn each_download_failure_has_its_disposition() {
    for (why, expected) in download_failures() {
        let test = TestStore::new(Backend::Sqlite).await;
        test.admit(1).await;
        fails(&test, ready::<Received>(&test, "w").await, why, expected, "received").await;
    }
    for (why, expected) in download_failures() {
        let test = TestStore::new(Backend::Sqlite).await;
        test.admit(1).await;
        fails(&test, downloaded(&test).await, why, expected, "received").await;
    }
}

fn transcribe_failures() -> Vec<(TranscribeFailure, Expected)> {
    let text = || "x".to_owned();
    vec![
        (TranscribeFailure::Crashed(text()), Expected::Retry { after: 1, counts: true }),
        (TranscribeFailure::Fetch(DownloadFailure::Unreachable(text())), Expected::Retry { after: 5, counts: true }),
        (TranscribeFailure::Fetch(DownloadFailure::Local(text())), Expected::Retry { after: 5, counts: false }),
        (TranscribeFailure::Fetch(DownloadFailure::Refused(text())), failed(FailReason::Download)),
        (TranscribeFailure::Deadline { limit: Duration::from_secs(120) }, failed(FailReason::Deadline)),
        (TranscribeFailure::Damaged(text()), failed(FailReason::Damaged)),
        (TranscribeFailure::Misconfigured("the language".into()), failed(FailReason::Engine)),
        (TranscribeFailure::Unavailable(text()), Expected::Retry { after: 15, counts: false }),
        (TranscribeFailure::Stopping, Expected::Retry { after: 0, counts: false }),
        (TranscribeFailure::Cancelled, Expected::End(Settlement::Cancelled(CancelledBy::Sender))),
        (TranscribeFailure::ChatGone, Expected::End(Settlement::Cancelled(CancelledBy::ChatGone))),
        (TranscribeFailure::WriteForbidden, Expected::End(Settlement::Cancelled(CancelledBy::ChatGone))),
        (TranscribeFailure::Exhausted { attempts: 3 }, failed(FailReason::Poison)),
        (TranscribeFailure::Interrupted { times: 11 }, failed(FailReason::Internal)),
    ]
}

#[tokio::test]
async fn each_transcription_failure_has_its_disposition() {
    for (why, expected) in transcribe_failures() {
        let test = TestStore::new(Backend::Sqlite).await;
        test.enqueue(1).await;
        fails(&test, ready::<Queued>(&test, "w").await, why, expected, "queued").await;
    }
    for (why, expected) in transcribe_failures() {
        let test = TestStore::new(Backend::Sqlite).await;
        test.enqueue(1).await;
        fails(&test, transcribing(&test).await, why, expected, "queued").await;
    }
}

#[tokio::test]
async fn each_delivery_failure_has_its_disposition() {
    let gone = || Expected::End(Settlement::Cancelled(CancelledBy::ChatGone));
    for (why, expected) in [
        (DeliverFailure::ChatGone, gone()),
        (DeliverFailure::WriteForbidden, gone()),
        (DeliverFailure::Refused("x".into()), failed(FailReason::Internal)),
        (DeliverFailure::Stopping, Expected::Retry { after: 0, counts: false }),
    ] {
        let test = TestStore::new(Backend::Sqlite).await;
        test.enqueue(1).await;
        fails(&test, transcribed(&test).await, why, expected, "queued").await;
    }
}

#[tokio::test]
async fn a_crash_on_the_third_attempt_ends_the_request() {
    let test = TestStore::new(Backend::Sqlite).await;
    test.enqueue(1).await;
    for failures in 0..MAX_FAILURES {
        let crash = TranscribeFailure::Crashed("signal 11".into());
        let attempt = Attempt { failures, ..Attempt::default() };
        let last = matches!(crash.disposition(attempt), stenobot::request::Disposition::End(_));
        let setback = transcribing(&test).await.fail(&test.store, &crash).await.unwrap();
        assert_eq!(last, failures + 1 == MAX_FAILURES);
        assert_eq!(matches!(setback, Setback::GaveUp(_)), last);
        test.pass(Duration::from_secs(1));
    }
    assert_eq!(test.claim(WorkSource::Transcriptions, "w").await, None);
}

// === Losing a lease ===

#[tokio::test]
async fn a_request_whose_lease_was_lost_cannot_advance() {
    let test = TestStore::new(Backend::Sqlite).await;
    let id = test.enqueue(1).await;
    let stale = transcribing(&test).await;
    test.pass(LEASE + Duration::from_secs(1));
    let current = transcribing(&test).await;
    let before = test.row(id).await;
    let lost = stale.advance(&test.store, transcript()).await.unwrap_err();
    assert!(matches!(lost, StoreError::LeaseLost { id: lost, stage: StageName::Transcribing } if lost == id));
    assert_eq!(test.row(id).await, before);
    let _delivering = current.advance(&test.store, transcript()).await.unwrap();
}

/// Keeps paused time from advancing while the runtime waits for a database thread, by a blocking task.
struct FrozenTime {
    _release: std::sync::mpsc::Sender<()>,
}

impl FrozenTime {
    fn new() -> Self {
        let (release, held) = std::sync::mpsc::channel::<()>();
        tokio::task::spawn_blocking(move || held.recv_timeout(Duration::from_secs(20)));
        tokio::time::pause();
        Self { _release: release }
    }

    /// Advances timers and clock by the renewal interval of the lease; timers are due a millisecond late.
    async fn advance(&self, test: &TestStore) {
        test.pass(LEASE / 4);
        tokio::time::advance(LEASE / 4 + Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_held_lease_is_renewed_as_long_as_the_work_lasts() {
    let test = TestStore::new(Backend::Sqlite).await;
    let id = test.enqueue(1).await;
    let request = transcribing(&test).await;
    let time = FrozenTime::new();
    let (finish, finished) = tokio::sync::oneshot::channel();
    let mut renewals = test.store.changes();
    renewals.mark_unchanged();
    let work = async {
        for _ in 0..12 {
            time.advance(&test).await;
            renewals.changed().await.unwrap();
            assert_eq!(test.claim(WorkSource::Transcriptions, "other").await, None);
            assert_eq!(lease(&test, id).await, test.now().after(LEASE).0);
        }
        finish.send("text").unwrap();
    };
    let (held, ()) = tokio::join!(request.hold(&test.store, finished), work);
    assert_eq!(held.unwrap().unwrap(), "text");
    let _text = request.advance(&test.store, transcript()).await.unwrap();
}

#[tokio::test]
async fn held_work_is_dropped_when_its_lease_is_lost() {
    let test = TestStore::new(Backend::Sqlite).await;
    test.enqueue(1).await;
    let request = transcribing(&test).await;
    let time = FrozenTime::new();
    test.pass(LEASE + Duration::from_secs(1));
    let _taken = transcribing(&test).await;
    let endless = std::future::pending::<()>();
    let (held, ()) = tokio::join!(request.hold(&test.store, endless), time.advance(&test));
    assert!(matches!(held, Err(StoreError::LeaseLost { .. })), "{held:?}");
}

async fn lease(test: &TestStore, id: RequestId) -> i64 {
    test.value(id, "lease_until").await
}
