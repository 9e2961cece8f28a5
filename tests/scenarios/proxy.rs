//! The bot behind a proxy.

use std::net::SocketAddr;

use stenobot_simulator::harness::Simulation;

use crate::proxies::{BASIC, CREDENTIALS, PASSWORD, Proxy};
use crate::recordings::scripted;
use crate::scene::{Scene, bot_with_engine, stand_in};

/// A bot that reaches its server only through the proxy that its `.env` sets in `variable`.
async fn behind(proxy: impl AsyncFnOnce(SocketAddr) -> Proxy, variable: &str, scheme: &str) {
    let settings = [("telegram_api_url", "http://bot-api.test:8081/"), ("log_level", "trace,stenobot=trace")];
    let mut simulation = Simulation::prepare(bot_with_engine(&stand_in(), &settings)).await.unwrap();
    let proxy = proxy(*simulation.api().url().socket_addrs(|| None).unwrap().first().unwrap()).await;
    let folder = simulation.data().parent().unwrap().to_path_buf();
    std::fs::write(folder.join(".env"), format!("{variable}={}\n", proxy.url(scheme))).unwrap();
    simulation.restart().await.unwrap();
    let mut scene = Scene::of(simulation);

    let sent = scene.send_voice(&scripted(3, "say через прокси"));
    assert_eq!(scene.text(&sent).await, "через прокси");
    assert_eq!(proxy.asked(), ["bot-api.test:8081"]);
    let scene = scene.into_stopped().await;
    let log = std::fs::read_to_string(scene.bot.log()).unwrap();
    let shown = format!("{scheme}://{} ({variable}, with a password)", proxy.address());
    assert!(log.contains(&shown), "the log does not say which proxy is used");
    let encoded = CREDENTIALS.split_once(':').unwrap().1;
    for secret in [PASSWORD, encoded, BASIC, "wörd"] {
        assert!(!log.contains(secret), "the log holds {secret}");
    }
}

#[tokio::test]
async fn a_socks5_proxy_in_dotenv_carries_all_traffic_and_its_password_stays_secret() {
    behind(Proxy::socks5, "ALL_PROXY", "socks5h").await;
}

#[tokio::test]
async fn an_http_proxy_in_dotenv_carries_all_traffic_and_its_password_stays_secret() {
    behind(Proxy::http, "http_proxy", "http").await;
}

#[tokio::test]
async fn an_invalid_proxy_is_refused_in_one_sentence() {
    let mut simulation = Simulation::prepare(bot_with_engine(&stand_in(), &[])).await.unwrap();
    simulation.set_variable("ALL_PROXY", Some("socks4://stenobot:verborgen@127.0.0.1:1080"));
    let refused = simulation.restart().await.unwrap_err().to_string();
    let sentence = "stenobot: ALL_PROXY names a proxy of the kind socks4, which is not supported: give http://, \
                    https://, socks5:// or socks5h:// and [USER:PASSWORD@]HOST[:PORT]";
    assert!(refused.ends_with(sentence), "{refused}");
    assert!(!refused.contains("verborgen"));
}
