use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};

use stenobot_domain::MessageId;

use super::super::limits::Limits;
use super::*;

const MESSAGE_INTERVAL: Duration = Duration::from_secs(3);
const CHAT: ChatId = ChatId(7);
const OTHER_CHAT: ChatId = ChatId(8);

/// One edit as Telegram saw it.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    at: Duration,
    message: BotMessage,
    text: String,
}

/// A Telegram with scripted answers, in paused time.
#[derive(Clone)]
struct Fake(Arc<Inner>);

struct Inner {
    start: Instant,
    outbox: Outbox,
    /// How long each call takes.
    takes: Duration,
    answers: Mutex<VecDeque<Result<(), TelegramError>>>,
    seen: Mutex<Vec<Seen>>,
    busy: AtomicUsize,
    busiest: AtomicUsize,
}

impl Fake {
    fn new(takes: Duration, answers: impl IntoIterator<Item = Result<(), TelegramError>>) -> Self {
        Self(Arc::new(Inner {
            start: Instant::now(),
            outbox: Outbox::new(Limits::default()),
            takes,
            answers: Mutex::new(answers.into_iter().collect()),
            seen: Mutex::default(),
            busy: AtomicUsize::new(0),
            busiest: AtomicUsize::new(0),
        }))
    }

    fn quick() -> Self {
        Self::new(Duration::ZERO, [])
    }

    fn seen(&self) -> Vec<Seen> {
        self.0.seen.lock().unwrap().clone()
    }

    /// Time until the chat's status may be edited.
    fn delay(&self, chat: ChatId) -> Duration {
        self.0.outbox.status_due(chat, Instant::now()).saturating_duration_since(Instant::now())
    }

    fn texts(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.text).collect()
    }

    /// When each edit came, in milliseconds since the start.
    fn times(&self) -> Vec<u128> {
        self.seen().iter().map(|seen| seen.at.as_millis()).collect()
    }
}

impl Edit for Fake {
    fn outbox(&self) -> &Outbox {
        &self.0.outbox
    }

    async fn edit(&self, message: BotMessage, content: OutgoingMessage, guard: EditGuard) -> Result<(), TelegramError> {
        if !guard.allows().await {
            return Ok(());
        }
        let text = content.text;
        assert_ne!(text, "panic", "as the test wants");
        let at = self.0.start.elapsed();
        self.0.seen.lock().unwrap().push(Seen { at, message, text });
        let busy = self.0.busy.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.busiest.fetch_max(busy, Ordering::SeqCst);
        tokio::time::sleep(self.0.takes).await;
        self.0.busy.fetch_sub(1, Ordering::SeqCst);
        self.0.answers.lock().unwrap().pop_front().unwrap_or(Ok(()))
    }
}

fn content(text: &str) -> OutgoingMessage {
    text.to_owned().into()
}

fn in_chat(chat: ChatId, message: i32) -> BotMessage {
    BotMessage::InChat { chat, message: MessageId(message) }
}

fn show(editor: &StatusEditor, request: i64, text: &str) {
    editor.show(RequestId(request), in_chat(CHAT, request as i32), content(text));
}

/// Lets paused time pass, and the editor work meanwhile.
async fn pass(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

#[tokio::test(start_paused = true)]
async fn the_first_text_is_sent_at_once_and_only_the_latest_follows() {
    let fake = Fake::quick();
    let editor = StatusEditor::start(fake.clone(), MESSAGE_INTERVAL);
    show(&editor, 1, "one");
    pass(100).await;
    for text in ["two", "three", "four"] {
        show(&editor, 1, text);
    }
    pass(10_000).await;
    assert_eq!(fake.texts(), ["one", "four"]);
    assert_eq!(fake.times(), [0, 3000]);
}

#[tokio::test(start_paused = true)]
async fn the_same_text_is_not_sent_twice() {
    let fake = Fake::new(Duration::from_millis(500), []);
    let editor = StatusEditor::start(fake.clone(), MESSAGE_INTERVAL);
    show(&editor, 1, "one");
    pass(100).await;
    show(&editor, 1, "one");
    pass(10_000).await;
    show(&editor, 1, "one");
    pass(10_000).await;
    assert_eq!(fake.texts(), ["one"]);
    show(&editor, 1, "two");
    show(&editor, 1, "one");
    pass(10_000).await;
    assert_eq!(fake.texts(), ["one"]);
}

#[tokio::test(start_paused = true)]
async fn messages_of_one_chat_take_turns_and_chats_do_not_wait_for_each_other() {
    let fake = Fake::quick();
    let editor = StatusEditor::start(fake.clone(), MESSAGE_INTERVAL);
    show(&editor, 1, "first");
    show(&editor, 2, "second");
    editor.show(RequestId(3), in_chat(OTHER_CHAT, 3), content("third"));
    pass(5000).await;
    let of =
        |chat| fake.seen().into_iter().filter(move |seen| seen.message.turn() == chat).map(|seen| seen.at.as_millis());
    assert_eq!(of(CHAT).collect::<Vec<_>>(), [0, 1000]);
    assert!(of(OTHER_CHAT).all(|at| at <= 40));
    assert_eq!(fake.seen().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn edits_keep_the_overall_pace_and_every_chat_gets_a_turn() {
    let fake = Fake::quick();
    let editor = StatusEditor::start(fake.clone(), MESSAGE_INTERVAL);
    for request in 0..100 {
        editor.show(RequestId(request), in_chat(ChatId(request), 1), content("text"));
    }
    pass(10_000).await;
    let times = fake.times();
    assert_eq!(times.len(), 100);
    assert!(times.windows(26).all(|window| window[25] - window[0] >= 1000), "{times:?}");
    assert!(times[99] <= 4100, "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn edits_under_way_are_bounded() {
    let fake = Fake::new(Duration::from_secs(20), []);
    let editor = StatusEditor::start(fake.clone(), MESSAGE_INTERVAL);
    for request in 0..30 {
        editor.show(RequestId(request), in_chat(ChatId(request), 1), content("text"));
    }
    pass(100_000).await;
    assert_eq!(fake.seen().len(), 30);
    assert_eq!(fake.0.busiest.load(Ordering::SeqCst), MAX_IN_FLIGHT);
}

#[tokio::test(start_paused = true)]
async fn close_waits_for_the_edit_under_way_and_nothing_follows() {
    let fake = Fake::new(Duration::from_secs(5), []);
    let editor = StatusEditor::start(fake.clone(), MESSAGE_INTERVAL);
    show(&editor, 1, "one");
    pass(1000).await;
    show(&editor, 1, "two");
    let started = Instant::now();
    editor.close(RequestId(1)).await;
    assert_eq!(started.elapsed(), Duration::from_secs(4));
    assert_eq!(fake.0.busy.load(Ordering::SeqCst), 0);
    show(&editor, 1, "too late");
    pass(60_000).await;
    assert_eq!(fake.texts(), ["one"]);
}

#[tokio::test(start_paused = true)]
async fn close_of_an_idle_or_unknown_request_returns_at_once() {
    let fake = Fake::quick();
    let editor = StatusEditor::start(fake.clone(), MESSAGE_INTERVAL);
    let started = Instant::now();
    editor.close(RequestId(1)).await;
    show(&editor, 2, "one");
    pass(10).await;
    show(&editor, 2, "two");
    editor.close(RequestId(2)).await;
    editor.close(RequestId(2)).await;
    assert_eq!(started.elapsed(), Duration::from_millis(10));
    pass(60_000).await;
    assert_eq!(fake.texts(), ["one"]);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_close_still_closes() {
    let fake = Fake::new(Duration::from_secs(5), []);
    let editor = StatusEditor::start(fake.clone(), MESSAGE_INTERVAL);
    show(&editor, 1, "one");
    pass(1000).await;
    let given_up = tokio::time::timeout(Duration::from_millis(1), editor.close(RequestId(1))).await;
    assert!(given_up.is_err());
    show(&editor, 1, "two");
    pass(60_000).await;
    assert_eq!(fake.texts(), ["one"]);
}

#[tokio::test(start_paused = true)]
async fn a_request_may_be_shown_again_long_after_it_was_closed() {
    let fake = Fake::quick();
    let editor = StatusEditor::start(fake.clone(), MESSAGE_INTERVAL);
    editor.close(RequestId(1)).await;
    pass(CLOSED_RETENTION.as_millis() as u64 + 1).await;
    show(&editor, 1, "again");
    pass(10).await;
    assert_eq!(fake.texts(), ["again"]);
}

#[tokio::test(start_paused = true)]
async fn retry_after_delays_the_chat_and_then_only_the_latest_text_is_sent() {
    let fake = Fake::new(Duration::ZERO, [Err(TelegramError::RetryAfter(Duration::from_secs(30)))]);
    let editor = StatusEditor::start(fake.clone(), MESSAGE_INTERVAL);
    show(&editor, 1, "refused");
    pass(1000).await;
    assert_eq!(fake.delay(CHAT), Duration::from_secs(29));
    assert_eq!(fake.delay(OTHER_CHAT), Duration::ZERO);
    show(&editor, 1, "stale");
    show(&editor, 2, "neighbour");
    editor.show(RequestId(3), in_chat(OTHER_CHAT, 3), content("elsewhere"));
    pass(10_000).await;
    show(&editor, 1, "latest");
    pass(60_000).await;
    let seen = fake.seen();
    assert_eq!(fake.texts().iter().filter(|text| *text == "stale").count(), 0);
    for seen in seen.iter().filter(|seen| seen.message.turn() == CHAT && seen.text != "refused") {
        assert!(seen.at >= Duration::from_secs(30), "{seen:?}");
    }
    assert!(seen.iter().any(|seen| seen.text == "elsewhere" && seen.at < Duration::from_secs(2)));
    assert!(seen.iter().any(|seen| seen.text == "latest") && seen.iter().any(|seen| seen.text == "neighbour"));
    assert_eq!(seen.len(), 4);
    assert_eq!(fake.delay(CHAT), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_refused_text_is_sent_after_the_pause_unless_there_is_a_newer_one() {
    let fake = Fake::new(Duration::ZERO, [Err(TelegramError::RetryAfter(Duration::from_secs(30)))]);
    let editor = StatusEditor::start(fake.clone(), MESSAGE_INTERVAL);
    show(&editor, 1, "position 3");
    pass(60_000).await;
    assert_eq!(fake.texts(), ["position 3", "position 3"]);
    assert_eq!(fake.times(), [0, 30_000]);
}

#[tokio::test(start_paused = true)]
async fn a_gone_message_is_not_edited_again_and_others_are() {
    for gone in [TelegramError::MessageGone, TelegramError::ChatGone] {
        let fake = Fake::new(Duration::ZERO, [Err(gone)]);
        let editor = StatusEditor::start(fake.clone(), MESSAGE_INTERVAL);
        show(&editor, 1, "one");
        pass(10).await;
        show(&editor, 1, "two");
        editor.show(RequestId(2), in_chat(OTHER_CHAT, 2), content("other"));
        pass(60_000).await;
        assert_eq!(fake.texts(), ["one", "other"]);
        editor.show(RequestId(1), in_chat(CHAT, 99), content("in a new message"));
        pass(10_000).await;
        assert_eq!(fake.texts(), ["one", "other", "in a new message"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_status_message_takes_over_while_the_old_one_is_being_edited() {
    let fake = Fake::new(Duration::from_secs(5), [Err(TelegramError::MessageGone)]);
    let editor = StatusEditor::start(fake.clone(), MESSAGE_INTERVAL);
    show(&editor, 1, "text");
    pass(1000).await;
    editor.show(RequestId(1), in_chat(CHAT, 99), content("text"));
    pass(60_000).await;
    let seen: Vec<_> = fake.seen().into_iter().map(|seen| (seen.at.as_secs(), seen.message)).collect();
    assert_eq!(seen, [(0, in_chat(CHAT, 1)), (5, in_chat(CHAT, 99))]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_edit_is_retried_at_its_interval_and_a_refused_one_is_not() {
    let failures = [TelegramError::Timeout, TelegramError::Server, TelegramError::Network("x".into())].map(Err);
    let fake = Fake::new(Duration::ZERO, failures);
    let editor = StatusEditor::start(fake.clone(), MESSAGE_INTERVAL);
    show(&editor, 1, "one");
    pass(60_000).await;
    assert_eq!(fake.times(), [0, 3000, 6000, 9000]);

    let fake = Fake::new(Duration::ZERO, [Err(TelegramError::Refused("MESSAGE_TOO_LONG".into()))]);
    let editor = StatusEditor::start(fake.clone(), MESSAGE_INTERVAL);
    show(&editor, 1, "one");
    pass(10_000).await;
    show(&editor, 1, "two");
    pass(10_000).await;
    assert_eq!(fake.texts(), ["one", "two"]);
}

#[tokio::test(start_paused = true)]
async fn after_an_unclear_failure_the_older_text_is_sent_again() {
    let fake = Fake::new(Duration::ZERO, [Ok(()), Err(TelegramError::Timeout)]);
    let editor = StatusEditor::start(fake.clone(), MESSAGE_INTERVAL);
    show(&editor, 1, "one");
    pass(3500).await;
    show(&editor, 1, "two");
    pass(500).await;
    // "two" may be there or not: "one" is no repetition.
    show(&editor, 1, "one");
    pass(10_000).await;
    assert_eq!(fake.texts(), ["one", "two", "one"]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_an_edit_affects_that_edit_only() {
    let fake = Fake::quick();
    let editor = StatusEditor::start(fake.clone(), MESSAGE_INTERVAL);
    show(&editor, 1, "panic");
    pass(100).await;
    show(&editor, 1, "after");
    pass(10_000).await;
    assert_eq!(fake.texts(), ["after"]);
    editor.close(RequestId(1)).await;
}

#[tokio::test(start_paused = true)]
async fn the_task_ends_with_the_last_handle() {
    let fake = Fake::quick();
    let editor = StatusEditor::start(fake.clone(), MESSAGE_INTERVAL);
    let clone = editor.clone();
    drop(editor);
    show(&clone, 1, "one");
    pass(10).await;
    assert_eq!(fake.texts(), ["one"]);
    drop(clone);
    pass(10).await;
    assert_eq!(Arc::strong_count(&fake.0), 1, "the editor's task let go of Telegram");
}

#[tokio::test(start_paused = true)]
async fn a_group_is_edited_less_often_than_a_private_chat() {
    let fake = Fake::quick();
    let editor = StatusEditor::start(fake.clone(), MESSAGE_INTERVAL);
    for request in 1..=3 {
        editor.show(RequestId(request), in_chat(ChatId(-100), request as i32), content("text"));
    }
    pass(11_000).await;
    assert_eq!(fake.times(), [0, 5000, 10_000]);
}

#[tokio::test(start_paused = true)]
async fn other_buttons_under_the_same_text_are_sent() {
    use crate::{Action, Keyboard};
    let fake = Fake::quick();
    let editor = StatusEditor::start(fake.clone(), MESSAGE_INTERVAL);
    let cancel = Keyboard::single("Stop".to_owned(), Action::Cancel(RequestId(1)));
    editor.show(RequestId(1), in_chat(CHAT, 1), OutgoingMessage { keyboard: cancel.clone(), ..content("text") });
    pass(4000).await;
    editor.show(RequestId(1), in_chat(CHAT, 1), OutgoingMessage { keyboard: cancel, ..content("text") });
    pass(4000).await;
    editor.show(RequestId(1), in_chat(CHAT, 1), content("text"));
    pass(4000).await;
    assert_eq!(fake.seen().len(), 2, "the same again is no news");
}

/// In paused time, two readings of the clock are equal; in real time they are not.
#[tokio::test]
async fn an_edit_is_sent_in_real_time() {
    let fake = Fake::quick();
    let editor = StatusEditor::start(fake.clone(), MESSAGE_INTERVAL);
    show(&editor, 1, "one");
    let sent = async {
        while fake.texts().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(10), sent).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_edit_is_dropped_when_its_guard_denies_it() {
    let fake = Fake::quick();
    let may_edit: MayEdit = Arc::new(|request| Box::pin(std::future::ready(request != RequestId(1))));
    let editor = StatusEditor::start_guarded(fake.clone(), MESSAGE_INTERVAL, may_edit);
    show(&editor, 1, "denied");
    show(&editor, 2, "allowed");
    pass(2_000).await;
    assert_eq!(fake.texts(), ["allowed"]);
}

#[tokio::test(start_paused = true)]
async fn a_guard_whose_answer_is_old_is_asked_again() {
    let fake = Fake::quick();
    let asked = Arc::new(AtomicUsize::new(0));
    let questions = asked.clone();
    // As of a process that was stopped while it waited for the first answer.
    let may_edit: MayEdit = Arc::new(move |_| {
        let is_first = questions.fetch_add(1, Ordering::SeqCst) == 0;
        Box::pin(async move {
            if is_first {
                tokio::time::sleep(Duration::from_secs(20)).await;
            }
            is_first
        })
    });
    let editor = StatusEditor::start_guarded(fake.clone(), MESSAGE_INTERVAL, may_edit);
    show(&editor, 1, "stale");
    pass(30_000).await;
    assert_eq!((fake.texts(), asked.load(Ordering::SeqCst)), (Vec::new(), 2));
}
