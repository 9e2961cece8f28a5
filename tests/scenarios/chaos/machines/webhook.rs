//! Several bots behind a balancer serve one webhook.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use stenobot_domain::Role;
use stenobot_simulator::postgres::PrivatePostgres;
use stenobot_simulator::server::{BotApi, Method, State, UpdateRecord, Webhook, WebhookDelivery};

use super::balancer::Balancer;
use super::cluster::{Cluster, SHUTDOWN_TIMEOUT};
use super::random_moment;
use crate::chaos::figures::{Dice, spread};
use crate::chaos::{Row, measured, rounds};
use crate::scene::eventually;

const BOTS: usize = 2;
/// Until a bot that is cut off from the database leaves updates to the other; its own limit is 5 s.
const HANDOVER_TIMEOUT: Duration = Duration::from_secs(8);
/// Recordings that arrive at once.
const BURST: usize = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_bots_behind_a_balancer_ends() {
    const ROW: Row = Row {
        number: 114,
        test: "two bots behind a balancer serve one webhook, 4 recordings a second and 6 at once, responses get lost: kill -9 of \
               one bot, of the other, SIGTERM to one in turn",
        figure: "0 lost, 0 taken twice, the webhook is set at each start of a bot and never removed",
        name: "machines::webhook::one_of_two_bots_behind_a_balancer_ends",
    };
    let rounds = rounds(3);
    let Some(server) = PrivatePostgres::shared_or_skip(ROW.name).await.unwrap() else { return };
    let (mut cluster, balancer) = start_behind_balancer(server.clone()).await;
    let api = cluster.api().clone();
    let set = webhook(&api);
    cluster.start_load(Duration::from_millis(250));
    let mut dice = Dice::new(rounds as u64);
    let (mut starts, mut outages) = (BOTS, Vec::new());
    for round in 0..rounds {
        // The update is recorded, and comes again to the other bot.
        balancer.lose_responses(2);
        random_moment(&mut dice, 1000, 2000).await;
        let bot = round % BOTS;
        for _ in 0..BURST {
            cluster.send("wait 50");
        }
        let since = cluster.now();
        if round % 3 == 2 {
            let ended = cluster.machines.terminate_one(bot, SHUTDOWN_TIMEOUT).await.unwrap();
            assert!(ended.success(), "{ended}");
        } else {
            random_moment(&mut dice, 0, 60).await;
            cluster.machines.kill(bot).await.unwrap();
        }
        assert_eq!(webhook(&api), set, "the other bot needs it");
        outages.push(next_update_is_taken(&cluster).await - since);
        random_moment(&mut dice, 500, 1500).await;
        cluster.machines.start_again(bot).unwrap();
        starts += 1;
        let has_started = api.wait_for(|state| (calls(state, Method::SetWebhook) == starts).then_some(()));
        eventually("the bot has set the webhook again", has_started).await;
        eventually("the bot is ready", cluster.machines.wait_until_ready(bot)).await;
        assert_eq!(webhook(&api), set);
    }
    assert!(balancer.has_lost_all());
    let found = cluster.finish().await;
    assert_eq!(webhook(&api), set, "Telegram keeps updates until the next start");
    let [sets, removals, polls] = [Method::SetWebhook, Method::DeleteWebhook, Method::GetUpdates]
        .map(|method| api.read(|state| calls(state, method)));
    assert_eq!((sets, removals, polls), (starts, 0, 0));
    let connections = balancer.connections();
    assert!(connections.iter().all(|count| *count > 0), "{connections:?}");
    let repeated = api.read(|state| state.deliveries.iter().filter(|delivery| !is_acknowledged(delivery)).count());
    assert!(repeated >= 2 * rounds, "lost responses are repeated");
    let (connections, outages) =
        (connections.iter().map(usize::to_string).collect::<Vec<_>>().join(" and "), spread(&outages));
    let found = format!(
        "{found}; deliveries by bot {connections}, {repeated} of them repeated; setWebhook once a start, deleteWebhook never; \
         the next update was taken after {outages}"
    );
    measured(&ROW, rounds, &found);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_bots_behind_a_balancer_is_cut_off() {
    const ROW: Row = Row {
        number: 115,
        test: "the same balancer and load: one bot, which still accepts connections, is cut off from PostgreSQL for 10 to 12 s",
        figure: "0 lost, 0 taken twice; the other bot takes what the first had, within 8 s, and goes on; the webhook is not set again",
        name: "machines::webhook::one_of_two_bots_behind_a_balancer_is_cut_off",
    };
    let rounds = rounds(1);
    let Some(server) = PrivatePostgres::shared_or_skip(ROW.name).await.unwrap() else { return };
    let (mut cluster, _balancer) = start_behind_balancer(server.clone()).await;
    let api = cluster.api().clone();
    let set = webhook(&api);
    cluster.start_load(Duration::from_millis(250));
    let mut dice = Dice::new(rounds as u64);
    let (mut first, mut later, mut after) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        random_moment(&mut dice, 1000, 2000).await;
        for _ in 0..BURST {
            cluster.send("wait 50");
        }
        let since = cluster.now();
        cluster.links[round % BOTS].cut();
        first.push(next_update_is_taken(&cluster).await - since);
        while cluster.now() - since < Duration::from_secs(10) {
            let sent = cluster.now();
            later.push(next_update_is_taken(&cluster).await - sent);
            random_moment(&mut dice, 100, 300).await;
        }
        random_moment(&mut dice, 0, 2000).await;
        let healed = cluster.now();
        cluster.links[round % BOTS].heal();
        after.push(next_update_is_taken(&cluster).await - healed);
    }
    let found = cluster.finish().await;
    assert!(first.iter().all(|time| *time < HANDOVER_TIMEOUT), "{}", spread(&first));
    assert_eq!(webhook(&api), set);
    assert_eq!(api.read(|state| calls(state, Method::SetWebhook)), BOTS);
    let [first, later, after] = [first, later, after].map(|times| spread(&times));
    let found = format!(
        "{found}; an update sent at the cut was taken after {first}, later ones after {later}, one sent at the end of the \
         cut after {after}"
    );
    measured(&ROW, rounds, &found);
}

/// A new user sends a recording; gives when a bot has taken it.
async fn next_update_is_taken(cluster: &Cluster) -> Duration {
    let sent = cluster.send("wait 50");
    let taken = cluster.api().wait_for(|state| {
        let is_it = |update: &&UpdateRecord| update.content["message"]["chat"]["id"] == sent.chat().0;
        state.confirmed.iter().rev().find(is_it)?.confirmed
    });
    eventually("a bot takes the update", taken).await
}

/// Two bots and two workers, and the balancer to which Telegram sends updates.
async fn start_behind_balancer(server: PrivatePostgres) -> (Cluster, Balancer) {
    let addresses = [(); BOTS].map(|()| free_address());
    let balancer = Balancer::of(&addresses).await;
    let url = format!("http://{}/hook", balancer.address());
    let roles = [Role::Bot, Role::Bot, Role::Worker, Role::Worker];
    let mut cluster = Cluster::prepare(server, &roles, &[("webhook_url", &url)]).await;
    for (bot, address) in addresses.iter().enumerate() {
        cluster.machines.set(bot, "webhook_addr", address.to_string());
    }
    cluster.machines.start_all().await.unwrap();
    let api = cluster.api().clone();
    let are_set = api.wait_for(|state| (calls(state, Method::SetWebhook) == BOTS).then_some(()));
    eventually("both bots have set the webhook", are_set).await;
    (cluster, balancer)
}

fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

/// What counts of the webhook: where updates go, and the secret that proves them Telegram's.
fn webhook(api: &BotApi) -> (String, Option<String>) {
    let Webhook { url, secret_token, .. } = api.read(|state| state.webhook.clone()).expect("a webhook is set");
    (url, secret_token)
}

fn calls(state: &State, method: Method) -> usize {
    state.calls.iter().filter(|call| call.method == method).count()
}

fn is_acknowledged(delivery: &WebhookDelivery) -> bool {
    delivery.status == Some(200)
}
