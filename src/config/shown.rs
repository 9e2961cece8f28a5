//! The configuration as `stenobot config show` prints it: every value with its origin, secrets masked.

use serde::Serialize;
use serde_json::Value;
use stenobot_domain::secrets;

use super::layers::{Layers, Origin};
use super::{Config, ConfigError, SETTINGS, Sources};

/// In place of a secret.
const MASK: &str = "***";

/// A setting.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Shown {
    pub(crate) key: &'static str,
    /// Without secrets.
    pub(crate) value: Value,
    pub(crate) origin: Origin,
}

/// The token, of which nothing is shown but its origin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ShownToken {
    pub(crate) is_set: bool,
    pub(crate) origin: Option<Origin>,
}

impl Config {
    /// Every setting and the token as they are in effect, with their origins.
    pub(crate) fn show(sources: &Sources) -> Result<(Vec<Shown>, ShownToken), ConfigError> {
        let layers = Layers::read(sources)?;
        let origins = layers.origins();
        let origin = layers.origin_of_token();
        let config = layers.into_config()?;
        let values = serde_json::to_value(&config.raw).unwrap_or_default();
        let shown = SETTINGS.iter().map(|setting| Shown {
            key: setting.key,
            value: masked(setting.key, &values[setting.key]),
            origin: origins[setting.key].clone(),
        });
        Ok((shown.collect(), ShownToken { is_set: origin.is_some(), origin }))
    }
}

fn masked(key: &str, value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(secrets::hide(&without_password(text, key == "proxy_url"))),
        other => other.clone(),
    }
}

/// The URL with [`MASK`] for its password; for user and password if the user is a secret too.
fn without_password(url: &str, is_user_secret: bool) -> String {
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None if is_user_secret => (String::new(), url),
        None => return url.to_owned(),
    };
    let Some((user, host)) = rest.rsplit_once('@') else { return without_parameter(url) };
    let user = match user.split_once(':') {
        _ if is_user_secret => MASK.to_owned(),
        Some((name, _)) => format!("{name}:{MASK}"),
        None => user.to_owned(),
    };
    without_parameter(&format!("{scheme}{user}@{host}"))
}

/// PostgreSQL takes the password as a parameter, too.
fn without_parameter(url: &str) -> String {
    const PARAMETER: &str = "password=";
    let Some(at) = url.find(PARAMETER) else { return url.to_owned() };
    let (head, tail) = url.split_at(at + PARAMETER.len());
    let rest = tail.find('&').map_or("", |end| &tail[end..]);
    format!("{head}{MASK}{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_masked() {
        for (url, wanted) in [
            ("postgres://bot:se@cret@db/x", "postgres://bot:***@db/x"),
            ("postgres://bot@db/x?password=secret&a=1", "postgres://bot@db/x?password=***&a=1"),
            ("postgres://bot@db/x", "postgres://bot@db/x"),
            ("data/stenobot.db", "data/stenobot.db"),
            ("", ""),
        ] {
            assert_eq!(without_password(url, false), wanted);
        }
        for (url, wanted) in [("socks5h://me:secret@p:1", "socks5h://***@p:1"), ("secret@p", "***@p"), ("p:1", "p:1")] {
            assert_eq!(without_password(url, true), wanted);
        }
    }
}
