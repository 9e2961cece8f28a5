use tokio::task::JoinHandle;

use super::super::limits::Share;
use super::*;

const LIMITS: Limits = Limits {
    message_interval: Duration::from_millis(36),
    max_in_flight_per_chat: 2,
    max_per_group: 3,
    status_interval: Duration::from_millis(40),
    status_interval_per_chat: Duration::from_secs(1),
    status_interval_per_group: Duration::from_secs(5),
    broadcast_interval: Duration::from_millis(70),
};
const CHAT: ChatId = ChatId(1);
const GROUP: ChatId = ChatId(-1);

/// Calls that are made at once when their slot comes, in the order of their slots.
#[derive(Clone)]
struct Calls {
    outbox: Outbox,
    start: Instant,
    log: Arc<Mutex<Vec<(&'static str, u128)>>>,
}

impl Calls {
    fn new() -> Self {
        Self { outbox: Outbox::new(LIMITS), start: Instant::now(), log: Arc::default() }
    }

    /// Starts a call that takes `takes`.
    async fn start(&self, name: &'static str, chat: ChatId, priority: Priority, takes: Duration) {
        let own = self.clone();
        tokio::spawn(async move {
            let slot = own.outbox.acquire(chat, priority).await.unwrap();
            own.log.lock().unwrap().push((name, own.start.elapsed().as_millis()));
            tokio::time::sleep(takes).await;
            drop(slot);
        });
        tokio::task::yield_now().await;
    }

    fn names(&self) -> Vec<&'static str> {
        self.log.lock().unwrap().iter().map(|(name, _)| *name).collect()
    }

    fn times(&self) -> Vec<u128> {
        self.log.lock().unwrap().iter().map(|(_, at)| *at).collect()
    }

    /// Starts a call that waits in [`CHAT`], where two are under way.
    async fn wait_behind_two(&self) -> JoinHandle<Result<(), TelegramError>> {
        for name in ["one", "two"] {
            self.start(name, CHAT, Priority::Notice, Duration::from_secs(5)).await;
            pass(50).await;
        }
        let outbox = self.outbox.clone();
        let waiting = tokio::spawn(async move { outbox.acquire(CHAT, Priority::Answer).await.map(drop) });
        pass(50).await;
        waiting
    }
}

fn retry_after(seconds: u64) -> Result<(), TelegramError> {
    Err(TelegramError::RetryAfter(Duration::from_secs(seconds)))
}

async fn pass(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

#[tokio::test(start_paused = true)]
async fn waiting_calls_go_by_priority_and_keep_the_overall_pace() {
    let calls = Calls::new();
    // Takes the free slot, and the one that idle time leaves.
    calls.start("first", ChatId(90), Priority::Notice, Duration::ZERO).await;
    for (name, chat, priority) in [
        ("broadcast", 2, Priority::Broadcast),
        ("status", 3, Priority::Status),
        ("notice", 4, Priority::Notice),
        ("answer", 5, Priority::Answer),
        ("answer 2", 6, Priority::Answer),
    ] {
        calls.start(name, ChatId(chat), priority, Duration::ZERO).await;
    }
    pass(1000).await;
    assert_eq!(calls.names(), ["first", "answer", "answer 2", "notice", "status", "broadcast"]);
    assert_eq!(calls.times(), [0, 36, 72, 108, 144, 180]);
}

#[tokio::test(start_paused = true)]
async fn chats_of_one_priority_take_turns_and_keep_their_own_order() {
    let calls = Calls::new();
    calls.start("first", ChatId(90), Priority::Notice, Duration::ZERO).await;
    for (name, chat) in [("1a", 1), ("1b", 1), ("1c", 1), ("2a", 2), ("2b", 2), ("3a", 3)] {
        calls.start(name, ChatId(chat), Priority::Notice, Duration::ZERO).await;
    }
    pass(1000).await;
    assert_eq!(calls.names(), ["first", "1a", "2a", "3a", "1b", "2b", "1c"]);
}

#[tokio::test(start_paused = true)]
async fn calls_that_hang_in_a_chat_delay_no_other_and_the_next_gives_up_after_a_while() {
    let calls = Calls::new();
    for name in ["hangs", "hangs too"] {
        calls.start(name, CHAT, Priority::Answer, Duration::from_secs(100)).await;
        pass(50).await;
    }
    let third = calls.outbox.clone();
    let third = tokio::spawn(async move { third.acquire(CHAT, Priority::Answer).await.map(drop) });
    calls.start("elsewhere", ChatId(2), Priority::Broadcast, Duration::ZERO).await;
    pass(200).await;
    assert_eq!(calls.names(), ["hangs", "hangs too", "elsewhere"]);
    assert_eq!(third.await.unwrap(), retry_after(1), "after {MAX_WAIT:?}");
    assert!(calls.outbox.state().waiting.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_pause_ends_the_calls_that_wait_for_its_chat_at_once_and_only_those() {
    let calls = Calls::new();
    let waiting = calls.wait_behind_two().await;
    calls.outbox.record(Scope::Chat(CHAT), &retry_after(30));
    assert_eq!(waiting.await.unwrap(), retry_after(30));
    assert_eq!(calls.outbox.acquire(CHAT, Priority::Answer).await.map(drop), retry_after(30));
    assert!(calls.outbox.acquire(ChatId(2), Priority::Broadcast).await.is_ok());
    pass(30_000).await;
    assert!(calls.outbox.acquire(CHAT, Priority::Answer).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_wait_leaves_nothing_behind_and_delays_no_other() {
    let calls = Calls::new();
    calls.start("first", CHAT, Priority::Notice, Duration::from_secs(1)).await;
    calls.start("second", CHAT, Priority::Notice, Duration::from_secs(1)).await;
    pass(100).await;
    let given_up = tokio::time::timeout(Duration::from_millis(10), calls.outbox.acquire(CHAT, Priority::Answer));
    assert!(given_up.await.is_err());
    calls.start("third", CHAT, Priority::Notice, Duration::ZERO).await;
    pass(2000).await;
    assert_eq!(calls.names(), ["first", "second", "third"]);
    let state = calls.outbox.state();
    assert!(state.waiting.is_empty() && state.chats.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_group_at_its_limit_gets_answers_and_notices_but_no_status_edits() {
    let calls = Calls::new();
    for name in ["a", "b", "c"] {
        calls.start(name, GROUP, Priority::Notice, Duration::ZERO).await;
        pass(1000).await;
    }
    assert_eq!(
        calls.outbox.status_due(GROUP, Instant::now()) - calls.start,
        GROUP_WINDOW,
        "when the first of three is a minute old"
    );
    assert_eq!(calls.outbox.status_due(CHAT, Instant::now()), Instant::now());
    calls.start("status", GROUP, Priority::Status, Duration::ZERO).await;
    calls.start("answer", GROUP, Priority::Answer, Duration::ZERO).await;
    pass(10_000).await;
    assert_eq!(calls.names(), ["a", "b", "c", "answer"]);
}

#[tokio::test(start_paused = true)]
async fn messages_of_a_broadcast_keep_their_own_pace() {
    let calls = Calls::new();
    for (name, chat) in [("a", 1), ("b", 2), ("c", 3)] {
        calls.start(name, ChatId(chat), Priority::Broadcast, Duration::ZERO).await;
    }
    calls.start("notice", ChatId(4), Priority::Notice, Duration::ZERO).await;
    pass(1000).await;
    assert_eq!(calls.names(), ["a", "notice", "b", "c"]);
    assert_eq!(calls.times(), [0, 36, 72, 142]);
}

#[tokio::test(start_paused = true)]
async fn no_second_has_more_slots_than_telegram_takes() {
    let calls = Calls::new();
    pass(10_000).await;
    for chat in 0..100 {
        calls.start("call", ChatId(chat), Priority::Notice, Duration::ZERO).await;
    }
    pass(10_000).await;
    let times = calls.times();
    assert_eq!(times.len(), 100);
    assert!(times.windows(30).all(|window| window[29] - window[0] >= 1000), "{times:?}");
}

/// Of one of so many machines that are equally busy.
fn machines(count: usize) -> Share {
    Share::of(0, vec![0; count - 1])
}

#[tokio::test(start_paused = true)]
async fn machines_together_keep_the_pace_of_one_and_a_change_of_their_number_counts_at_once() {
    let calls = Calls::new();
    calls.outbox.set_share(machines(3));
    for chat in 0..4 {
        calls.start("call", ChatId(chat), Priority::Answer, Duration::ZERO).await;
    }
    pass(300).await;
    // The other two are gone; the slot at 324 ms has its time already.
    calls.outbox.set_share(machines(1));
    for chat in 4..7 {
        calls.start("call", ChatId(chat), Priority::Answer, Duration::ZERO).await;
    }
    pass(1000).await;
    assert_eq!(calls.times(), [0, 108, 216, 324, 360, 396, 432]);
}

#[test]
fn a_share_divides_what_is_over_all_chats_and_leaves_a_group_a_few_edits() {
    let all = Limits { max_per_group: 20, ..LIMITS };
    assert_eq!(all.shared(machines(1)), all);
    let two = all.shared(machines(2));
    assert_eq!((two.message_interval, two.status_interval), (2 * all.message_interval, 2 * all.status_interval));
    assert_eq!((two.max_per_group, two.status_interval_per_chat), (10, all.status_interval_per_chat));
    assert_eq!(all.shared(machines(100)).max_per_group, 3);
    assert_eq!(Limits { max_per_group: 1, ..all }.shared(machines(100)).max_per_group, 1);
}

#[test]
fn a_busy_machine_has_most_of_what_idle_ones_leave() {
    let all = Limits { message_interval: Duration::from_millis(36), ..LIMITS };
    let interval = |share| all.shared(share).message_interval;
    // 60 messages of 60 and three times 5 for the idle ones, each of which has 5 of these.
    assert_eq!(interval(Share::of(60, [0, 0, 0])), Duration::from_millis(36).mul_f64(80.0 / 65.0));
    assert_eq!(interval(Share::of(0, [60, 0, 0])), Duration::from_millis(36) * 16);
    assert_eq!(interval(Share::default()), Duration::from_millis(36));
}

#[tokio::test(start_paused = true)]
async fn the_demand_counts_what_came_and_what_still_waits() {
    let calls = Calls::new();
    assert_eq!(calls.outbox.take_demand(), 0);
    for chat in 0..3 {
        calls.start("call", ChatId(chat), Priority::Answer, Duration::ZERO).await;
    }
    assert_eq!(calls.outbox.take_demand(), 3);
    let waiting = calls.outbox.take_demand();
    pass(1000).await;
    assert!(waiting < 3, "{waiting} of 3 still wait");
    assert_eq!(calls.outbox.take_demand(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_imposed_pause_ends_the_calls_that_wait_for_its_chat_at_once() {
    let calls = Calls::new();
    let waiting = calls.wait_behind_two().await;
    calls.outbox.impose_pause(Some(CHAT), Duration::from_secs(30));
    assert_eq!(waiting.await.unwrap(), retry_after(30));
    assert!(calls.outbox.acquire(ChatId(2), Priority::Broadcast).await.is_ok());
    calls.outbox.impose_pause(None, Duration::from_secs(2));
    assert_eq!(calls.outbox.acquire(ChatId(2), Priority::Answer).await.map(drop), retry_after(2));
}
