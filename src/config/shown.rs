//! The configuration as `stenobot config show` prints it: every value with its origin, secrets masked.

use serde::Serialize;
use serde_json::Value;
use stenobot_domain::secrets;

use super::layers::{Layers, Origin};
use super::{Config, ConfigError, SETTINGS, Sources};

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
    let Value::String(text) = value else { return value.clone() };
    // Without a scheme, a proxy's address is not recognised as one.
    let text = match text.rsplit_once('@') {
        Some((_, host)) if key == "proxy_url" && !text.contains("://") => format!("{}@{host}", secrets::HIDDEN_MARK),
        Some(_) | None => text.clone(),
    };
    Value::String(secrets::hide(&without_parameter(&text)))
}

/// PostgreSQL takes the password as a parameter, too.
fn without_parameter(url: &str) -> String {
    const PARAMETER: &str = "password=";
    let Some(at) = url.find(PARAMETER) else { return url.to_owned() };
    let (head, tail) = url.split_at(at + PARAMETER.len());
    let rest = tail.find('&').map_or("", |end| &tail[end..]);
    format!("{head}{}{rest}", secrets::HIDDEN_MARK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_masked() {
        for (key, value, wanted) in [
            ("database_url", "postgres://bot:se@cret@db/x", "postgres://<hidden>@db/x"),
            ("database_url", "postgres://db/x?password=secret&a=1", "postgres://db/x?password=<hidden>&a=1"),
            ("data_dir", "data@home", "data@home"),
            ("proxy_url", "socks5h://me:secret@p:1", "socks5h://<hidden>@p:1"),
            ("proxy_url", "me:secret@p", "<hidden>@p"),
            ("proxy_url", "p:1", "p:1"),
        ] {
            assert_eq!(masked(key, &value.into()), Value::from(wanted));
        }
    }
}
