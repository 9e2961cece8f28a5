//! The clients for Telegram and for models, through proxies on loopback.

use std::sync::Arc;
use std::time::Duration;

use stenobot_models::{ModelStore, ModelStoreError};
use stenobot_network::{Proxies, ProxyUrl};
use stenobot_simulator::server::{BotApi, Settings};
use stenobot_telegram::{Client, TelegramError};

use crate::proxies::Proxy;

/// A server whose name only the proxy resolves.
const SERVER: &str = "http://bot-api.test:8081/";

fn through(url: &str) -> Proxies {
    let url: ProxyUrl = url.parse().unwrap();
    Proxies::resolve(&url, |_| None).unwrap()
}

fn client(proxies: &Proxies, server: &str, token: &str) -> Client {
    Client::through(proxies, server.parse().unwrap(), token, Arc::new(|_| {})).unwrap()
}

#[tokio::test]
async fn calls_and_polls_use_the_proxy_which_resolves_names() {
    let api = BotApi::start(Settings::default()).await.unwrap();
    let to = *api.url().socket_addrs(|| None).unwrap().first().unwrap();
    for (proxy, scheme) in [(Proxy::http(to).await, "http"), (Proxy::socks5(to).await, "socks5h")] {
        let client = client(&through(&proxy.url(scheme)), SERVER, api.token());
        client.me().await.unwrap();
        assert_eq!(client.updates(None, Duration::ZERO).await.unwrap().len(), 0);
        assert_eq!(proxy.asked(), ["bot-api.test:8081"], "{scheme}");
    }
    // Without `h` the name is looked up here: an address comes to the proxy.
    let proxy = Proxy::socks5(to).await;
    client(&through(&proxy.url("socks5")), "http://192.0.2.7:8081/", api.token()).me().await.unwrap();
    assert_eq!(proxy.asked(), ["192.0.2.7:8081"]);
}

#[tokio::test]
async fn an_https_server_is_reached_through_a_tunnel() {
    let api = BotApi::start(Settings::default()).await.unwrap();
    let to = *api.url().socket_addrs(|| None).unwrap().first().unwrap();
    for (proxy, scheme) in [(Proxy::http(to).await, "http"), (Proxy::socks5(to).await, "socks5h")] {
        // The server speaks no TLS, but the tunnel is established.
        let client = client(&through(&proxy.url(scheme)), "https://api.telegram.test", api.token());
        assert_eq!(client.me().await, Err(TelegramError::NoConnection), "{scheme}");
        assert_eq!(proxy.asked(), ["api.telegram.test:443"], "{scheme}");
    }
}

#[tokio::test]
async fn a_proxy_that_demands_other_credentials_is_no_connection() {
    let api = BotApi::start(Settings::default()).await.unwrap();
    let to = *api.url().socket_addrs(|| None).unwrap().first().unwrap();
    for (proxy, scheme) in [(Proxy::http(to).await, "http"), (Proxy::socks5(to).await, "socks5h")] {
        let address = proxy.address();
        for (url, socks) in
            [(format!("{scheme}://stenobot:no@{address}"), "wrong"), (format!("{scheme}://{address}"), "no")]
        {
            for server in [SERVER, "https://api.telegram.test"] {
                let refused = client(&through(&url), server, api.token()).me().await;
                assert_eq!(refused, Err(TelegramError::NoConnection), "{url} {server}");
            }
            let socks = if scheme == "http" { "no" } else { socks };
            assert!(proxy.asked().contains(&format!("{socks} password")), "{url}: {:?}", proxy.asked());
        }
    }
    assert_eq!(api.read(|state| state.calls.len()), 0);
}

#[tokio::test]
async fn loopback_bypasses_the_proxy() {
    let api = BotApi::start(Settings::default()).await.unwrap();
    let proxy = Proxy::socks5("127.0.0.1:9".parse().unwrap()).await;
    client(&through(&proxy.url("socks5h")), api.url().as_str(), api.token()).me().await.unwrap();
    assert_eq!(proxy.asked(), [""; 0]);
}

#[tokio::test]
async fn models_are_downloaded_through_the_proxy() {
    let server = axum::Router::new().fallback(async || axum::http::StatusCode::NOT_FOUND);
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let to = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, server).await });
    for (proxy, scheme) in [(Proxy::http(to).await, "http"), (Proxy::socks5(to).await, "socks5h")] {
        let folder = tempfile::tempdir().unwrap();
        let store = ModelStore::new(folder.path().into(), "http://models.test/all".parse().unwrap());
        let store = store.with_proxies(through(&proxy.url(scheme)));
        // The server was reached, and has none.
        let refused = store.ensure("base-q8_0", |_| {}).await;
        assert!(matches!(&refused, Err(ModelStoreError::Pull { .. })), "{refused:?}");
        assert!(refused.unwrap_err().to_string().contains("404"));
        let offered = store.offers(&"base-q8_0".parse().unwrap()).await;
        assert_eq!(offered, Err("the server refuses it (404 Not Found)".to_owned()));
        let asked = proxy.asked();
        assert!(asked == ["models.test:80"] || asked == ["models.test"], "{asked:?}");
    }
}
