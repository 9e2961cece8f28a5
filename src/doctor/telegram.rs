//! Telegram: token, server, updates with the webhook's address, and the clock compared with the server's.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use stenobot_domain::secrets;
use stenobot_domain::{Clock, Timestamp};
use stenobot_network::Proxies;
use stenobot_telegram::{Client, Reached, TelegramError, WebhookInfo};

use super::machine::Listener;
use super::{Finding, Refusal, Verdict};
use crate::config::{self, Role, UpdateSource};
use crate::lifecycle::WebhookRecord;

/// Used if no token is set: the server's refusal still shows that it answers, and its time.
const PLACEHOLDER_TOKEN: &str = "0:nobody";
/// Longer calls give a warning.
const SLOW: Duration = Duration::from_secs(2);
/// Allowed difference from the server's clock.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(60);

/// Findings on token, api, updates and clock, and on users' own accounts where some are served.
pub(super) async fn check(
    telegram: config::Telegram,
    people: config::People,
    proxies: Proxies,
    record: PathBuf,
    role: Role,
    running: bool,
) -> Vec<Finding> {
    let token = telegram.token.as_ref();
    let exposed = token.map_or(PLACEHOLDER_TOKEN, |token| token.expose());
    let way = match proxies.route(&telegram.api_url) {
        Some(proxy) => format!("check the network, telegram_api_url and the proxy {proxy}"),
        None => "check the network and telegram_api_url".to_owned(),
    };
    let unreachable = |error: &TelegramError| unreachable(token.is_some(), error, &way, &people);
    let client = match Client::through(&proxies, telegram.api_url.clone(), exposed, Arc::new(|_| {})) {
        Ok(client) => client,
        Err(error) => return unreachable(&error),
    };
    let reached = match tokio::time::timeout(super::TIMEOUT / 2, client.reach()).await {
        Ok(Ok(reached)) => reached,
        Ok(Err(error)) => return unreachable(&error),
        Err(_) => return unreachable(&TelegramError::Timeout),
    };
    let updates = async || match role.has_bot() {
        true => updates(&client, &telegram.updates, &WebhookRecord::at(record.clone()), running).await,
        false => Finding::ok("a worker takes none in"),
    };
    let host = telegram.api_url.host_str().unwrap_or("the server").to_owned();
    let (account, updates) = match (&reached.me, token) {
        (_, None) => (Finding::failed(Refusal::NoToken), Finding::skipped("not asked without a token")),
        (Ok(me), Some(_)) => (Finding::ok(format!("accepted: @{}", me.username)), updates().await),
        (Err(error @ TelegramError::Unauthorized), Some(_)) => {
            (Finding::failed(error), Finding::skipped("not asked: the token is not accepted"))
        }
        (Err(error), Some(_)) => (Finding::skipped(format!("not checked: {error}")), updates().await),
    };
    let api = match (&reached.me, reached.took) {
        (
            Err(
                error @ (TelegramError::Server
                | TelegramError::Timeout
                | TelegramError::NoConnection
                | TelegramError::Network(_)),
            ),
            _,
        ) => Finding::failed(format!(
            "{error}; the bot waits for it, check telegram_api_url = {}",
            secrets::hide(telegram.api_url.as_str())
        )),
        (_, took) if took > SLOW => Finding::warning(format!(
            "{host} took {:.1} s to answer; look at the way there, a server of your own may help",
            took.as_secs_f64()
        )),
        (_, took) => Finding::ok(format!("{host} answers in {} ms", took.as_millis().max(1))),
    };
    let mut findings = vec![account, api, updates, clock(&reached, Clock::System.now())];
    findings.extend(Mode::used(&people).map(|mode| mode.finding(&reached, token.is_some())));
    findings
}

/// The route to each server: directly or through a proxy.
pub(super) fn proxy(config: &config::Config) -> Finding {
    let servers = [&config.telegram.api_url, &config.engine.model_base_url];
    let way = |server: &reqwest::Url| match config.proxies.route(server) {
        Some(proxy) => format!("through {proxy}"),
        None => "directly".to_owned(),
    };
    let [api, models] = servers.map(way);
    let [api_host, models_host] = servers.map(|server| server.host_str().unwrap_or("the server"));
    Finding::ok(match config.proxies.all().next() {
        None => "none is set: servers are reached directly".to_owned(),
        Some(_) if api_host == models_host && api == models => format!("{api_host} is reached {api}"),
        Some(_) if api == models => format!("{api_host} and {models_host} are reached {api}"),
        Some(_) => format!("{api_host} is reached {api}, {models_host} {models}"),
    })
}

/// What the bot's owner has to allow at @BotFather.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// To be connected to users' own accounts.
    OwnAccounts,
    /// To be called in chats that it is not in.
    Guests,
}

impl Mode {
    /// Those that the settings use.
    pub(super) fn used(people: &config::People) -> impl Iterator<Item = Self> + use<> {
        let own_accounts = (!people.owners.is_empty()).then_some(Self::OwnAccounts);
        own_accounts.into_iter().chain(people.has_guests.then_some(Self::Guests))
    }

    /// Name of its line.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::OwnAccounts => "own accounts",
            Self::Guests => "guest mode",
        }
    }

    fn finding(self, reached: &Reached, has_token: bool) -> Finding {
        let Some(me) = reached.me.as_ref().ok().filter(|_| has_token) else { return Finding::skipped("not asked") };
        match self {
            Self::OwnAccounts if me.can_connect_to_business => {
                Finding::ok("those in owner_accounts can connect the bot in Telegram's settings")
            }
            Self::OwnAccounts => Finding::warning(
                "owner_accounts is set, but this bot cannot be connected to an account; allow it at @BotFather, in the \
                 bot's settings under business mode",
            ),
            Self::Guests if me.supports_guest_queries => {
                Finding::ok(format!("@{} can be called in chats that it is not in", me.username))
            }
            Self::Guests => Finding::warning(
                "guest_mode is on, but this bot cannot be called in chats that it is not in; allow it at @BotFather, in \
                 the bot's settings under guest mode",
            ),
        }
    }
}

fn unreachable(token: bool, error: &TelegramError, way: &str, people: &config::People) -> Vec<Finding> {
    let token = match token {
        true => Finding::skipped("set, but Telegram cannot be asked about it"),
        false => Finding::failed(Refusal::NoToken),
    };
    let api = Finding::failed(format!("{error}; {way}"));
    let mut findings =
        vec![token, api, Finding::skipped("not asked"), Finding::skipped("not compared with the server's")];
    findings.extend(Mode::used(people).map(|_| Finding::skipped("not asked")));
    findings
}

async fn updates(client: &Client, source: &UpdateSource, record: &WebhookRecord, running: bool) -> Finding {
    let info = match client.webhook().await {
        Ok(info) => info,
        Err(error) => return Finding::skipped(format!("not checked: {error}")),
    };
    match source {
        UpdateSource::Polling if info.url.is_empty() => Finding::ok("no webhook is set: they can be polled"),
        UpdateSource::Polling => match record.url() {
            Ok(Some(own)) if own == info.url => {
                Finding::ok("the bot's own webhook is set, which its next start removes")
            }
            // The poll will fail with this error.
            Ok(_) => Finding::failed(TelegramError::Conflict),
            Err(error) => Finding::warning(format!("a webhook is set, and whose cannot be read: {error}")),
        },
        UpdateSource::Webhook(webhook) => {
            let address = Listener::Webhook.check(webhook.addr, running).await;
            match address.verdict {
                Verdict::Ok => deliveries(&info, webhook, running, &address.text),
                Verdict::Skipped | Verdict::Warning | Verdict::Failed => address,
            }
        }
    }
}

/// How deliveries to the webhook go, with the state of its address.
fn deliveries(info: &WebhookInfo, webhook: &config::Webhook, running: bool, address: &str) -> Finding {
    let is_set = reqwest::Url::parse(&info.url).is_ok_and(|url| url == webhook.url);
    let host = webhook.url.host_str().unwrap_or("the host of webhook_url");
    match info.trouble(Clock::System.now()) {
        // While the bot does not run, its proxy has no one to send updates to.
        Some(error) if is_set && running => Finding::warning(format!(
            "Telegram cannot deliver {} updates: {}; check the way from {host} to {}",
            info.pending, error.message, webhook.addr
        )),
        _ if is_set => Finding::ok(format!("Telegram sends them to {host}, {} wait; {address}", info.pending)),
        _ if running => Finding::warning(
            "the webhook is not set although the bot is running: the bot's log says why, or another program removed it",
        ),
        _ if info.url.is_empty() => Finding::ok(format!("no webhook is set: the bot sets it; {address}")),
        _ => Finding::ok(format!("another webhook is set, which the bot replaces; {address}")),
    }
}

fn clock(reached: &Reached, now: Timestamp) -> Finding {
    let Some(date) = reached.date else { return Finding::warning("the server does not tell its time") };
    let off = now.since(date).max(date.since(now));
    match off > CLOCK_TOLERANCE {
        true => Finding::warning(format!(
            "off by {} s from the server's: set the time, best by NTP (`timedatectl set-ntp true`)",
            off.as_secs()
        )),
        false => Finding::ok(format!("within {} s of the server's", off.as_secs() + 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_may_be_a_minute_off_in_either_direction() {
        let at = |seconds: i64| Timestamp(seconds * 1000);
        let verdict = |date: Option<Timestamp>| {
            let reached = Reached { me: Err(TelegramError::Unauthorized), took: Duration::ZERO, date };
            clock(&reached, at(1_000_000)).verdict
        };
        for (server, wanted) in [
            (1_000_000, Verdict::Ok),
            (1_000_060, Verdict::Ok),
            (999_940, Verdict::Ok),
            (1_000_061, Verdict::Warning),
            (999_939, Verdict::Warning),
        ] {
            assert_eq!(verdict(Some(at(server))), wanted, "{server}");
        }
        assert_eq!(verdict(None), Verdict::Warning);
    }
}
