//! Pauses that Telegram demands of one machine hold on all that share its store.

use std::sync::Arc;
use std::time::Duration;

use stenobot::app::SharedPauses;
use stenobot::lifecycle::Shutdown;
use stenobot_domain::{ChatId, Clock};
use stenobot_simulator::postgres::PrivatePostgres;
use stenobot_simulator::server::{BotApi, ChatKind, Effect, Method, Refusal, ScriptedFault, Settings};
use stenobot_store::Store;
use stenobot_telegram::{Client, TelegramError};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

const PAUSED: ChatId = ChatId(501);
const OTHER: ChatId = ChatId(502);
const PAUSE: Duration = Duration::from_secs(3);
/// Time for a notification, or for the read that makes up for it.
const SHARED_WITHIN: Duration = Duration::from_secs(2);

struct Machine {
    client: Client,
    store: Store,
    _pauses: AbortOnDropHandle<()>,
}

impl Machine {
    async fn start(api: &BotApi, database: &str) -> Self {
        let store = Store::open(&database.parse().unwrap(), Clock::System).await.unwrap();
        let client = Client::new(api.url().clone(), api.token(), Arc::new(|_| {})).unwrap();
        let _pauses = SharedPauses::new(store.clone(), client.clone(), Shutdown::default()).start().await;
        Self { client, store, _pauses }
    }

    async fn send(&self, chat: ChatId) -> Result<(), TelegramError> {
        self.client.send(chat, None, None, &"text".to_owned().into()).await.map(drop)
    }
}

fn left(result: Result<(), TelegramError>) -> Duration {
    match result {
        Err(TelegramError::RetryAfter(left)) => left,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_pause_that_one_machine_was_told_keeps_the_others_silent_until_it_is_over() {
    let Some(server) = PrivatePostgres::shared_or_skip("pauses of several machines").await.unwrap() else { return };
    let database = server.new_database().await.unwrap();
    let api = BotApi::start(Settings::default()).await.unwrap();
    for chat in [PAUSED, OTHER] {
        api.open_chat(chat, ChatKind::Private, "Анна");
    }
    let (first, second) = (Machine::start(&api, &database).await, Machine::start(&api, &database).await);
    api.set_fault(Some(Arc::new(ScriptedFault::new(Method::SendMessage, 1, Effect::Refuse(Refusal::TooMany(PAUSE))))));
    assert_eq!(left(first.send(PAUSED).await), PAUSE);
    let end = Instant::now() + PAUSE;

    let learned = async {
        while second.client.paused_chats(1).is_empty() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SHARED_WITHIN, learned).await.expect("the other machine learns of it");
    let now = Instant::now();
    assert!(left(second.send(PAUSED).await) + (now - (end - PAUSE)) <= PAUSE + Duration::from_millis(500));
    second.send(OTHER).await.unwrap();
    let third = Machine::start(&api, &database).await;
    assert_eq!(
        third.client.paused_chats(9),
        [PAUSED],
        "one that starts within the pause keeps it from its first message on"
    );
    left(third.send(PAUSED).await);

    tokio::time::sleep_until(end + Duration::from_millis(500)).await;
    for machine in [&first, &second, &third] {
        machine.send(PAUSED).await.unwrap();
    }
    let sent = api.read(|state| state.chats[&PAUSED].messages.len());
    assert_eq!(sent, 3, "none was sent within the pause");
    third.store.service.drop_past_pauses().await.unwrap();
    assert!(third.store.service.pauses().await.unwrap().is_empty());
}
