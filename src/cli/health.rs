//! `stenobot health`: asks the running bot's health page, for health checks without curl.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use stenobot_network::failure_cause;

use crate::config::{Config, ConfigError};

const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Ask only whether the process lives, not whether it can work
    #[arg(long)]
    live: bool,
    /// Where the bot serves its pages, instead of metrics_addr; such as http://127.0.0.1:9464
    #[arg(long)]
    url: Option<reqwest::Url>,
}

impl Args {
    pub(super) async fn run(self, config: Result<Config, ConfigError>) -> anyhow::Result<ExitCode> {
        let mut url = match self.url {
            Some(url) => url,
            None => format!("http://{}", reachable(config?.telemetry.addr)).parse()?,
        };
        url.set_path(if self.live { "/healthz" } else { "/readyz" });
        // The bot is on this machine or beside it: a proxy of the environment is not for it.
        let client = reqwest::Client::builder().no_proxy().timeout(REQUEST_TIMEOUT).build()?;
        let asked = async {
            let response = client.get(url.clone()).send().await?;
            let healthy = response.status().is_success();
            Ok::<_, reqwest::Error>((healthy, response.text().await?))
        };
        let (healthy, answer) = asked.await.map_err(|error| {
            anyhow::anyhow!("no bot answers at {url} ({}): start it, or give --url", failure_cause(&error))
        })?;
        println!("{}", answer.trim_end());
        Ok(if healthy { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// The loopback address, for a socket that listens on all addresses.
fn reachable(addr: SocketAddr) -> SocketAddr {
    match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, addr.port()).into(),
        IpAddr::V6(ip) if ip.is_unspecified() => (Ipv6Addr::LOCALHOST, addr.port()).into(),
        IpAddr::V4(_) | IpAddr::V6(_) => addr,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_addresses_are_asked_on_loopback() {
        for (addr, wanted) in
            [("0.0.0.0:9464", "127.0.0.1:9464"), ("[::]:1", "[::1]:1"), ("10.0.0.1:9464", "10.0.0.1:9464")]
        {
            assert_eq!(reachable(addr.parse().unwrap()).to_string(), wanted);
        }
    }
}
