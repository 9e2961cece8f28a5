//! The way to servers: directly, or through a proxy.
//!
//! A proxy comes from the setting `proxy_url`, or from the variables that curl and most programs read. This machine's
//! own addresses are always reached directly.

use std::fmt;
use std::sync::Arc;

use hyper_util::client::proxy::matcher::Matcher;
use percent_encoding::percent_decode_str;
use reqwest::{ClientBuilder, NoProxy, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

/// Name of the setting, as errors and the doctor show it.
const SETTING: &str = "proxy_url";
/// Variables with the proxy for https servers, the first that is set wins.
const HTTPS: [&str; 2] = ["HTTPS_PROXY", "https_proxy"];
/// Variables with the proxy for http servers.
const HTTP: [&str; 2] = ["HTTP_PROXY", "http_proxy"];
/// Variables with the proxy for servers that the others leave out.
const ALL: [&str; 2] = ["ALL_PROXY", "all_proxy"];
/// Variables with the hosts that are reached directly.
const NO: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// All variables that say how servers are reached.
pub const PROXY_VARIABLES: [&str; 8] = [HTTPS[0], HTTPS[1], HTTP[0], HTTP[1], ALL[0], ALL[1], NO[0], NO[1]];

/// This machine, which is reached directly.
const LOOPBACK: &str = "localhost,127.0.0.0/8,::1/128";
/// Bytes of a user name and of a password in SOCKS5 (RFC 1929).
const MAX_SOCKS_CREDENTIAL: usize = 255;

/// Why a proxy cannot be used. The value is not repeated: it may hold a password.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ProxyError {
    /// A protocol that is not supported.
    #[error("{origin} names a proxy of the kind {scheme}, which is not supported: give {FORM}")]
    Kind {
        /// The setting or variable.
        origin: &'static str,
        /// The scheme of its URL.
        scheme: String,
    },
    /// No URL of a proxy.
    #[error(
        "{origin} is no address of a proxy: give {FORM}; in user name and password, percent-encode all but letters, \
         digits, - . _ ~"
    )]
    Unreadable {
        /// The setting or variable.
        origin: &'static str,
    },
    /// User name or password too long for the protocol.
    #[error("user name and password in {origin} may have {MAX_SOCKS_CREDENTIAL} bytes each: SOCKS5 takes no more")]
    Credentials {
        /// The setting or variable.
        origin: &'static str,
    },
}

/// Why an HTTP request got no answer, in a few words and without an address.
pub fn failure_cause(error: &reqwest::Error) -> String {
    use std::error::Error;
    use std::io::ErrorKind;
    type Cause = dyn Error + 'static;
    let causes: Vec<&Cause> = std::iter::successors(error.source(), |&error| error.source()).collect();
    let is_refused = |cause: &&Cause| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == ErrorKind::ConnectionRefused)
    };
    let deepest = causes.last().map_or_else(String::new, ToString::to_string);
    match () {
        () if causes.iter().any(|cause| cause.to_string() == "dns error") => {
            format!("its name is not found: {deepest}")
        }
        () if causes.iter().any(is_refused) => "connection refused".to_owned(),
        () if error.is_timeout() => "no answer in time".to_owned(),
        () if deepest.contains("certificate") => format!("TLS: {deepest}"),
        () if deepest.is_empty() => "the connection failed".to_owned(),
        () => deepest,
    }
}

/// The form of a proxy's URL.
const FORM: &str = "http://, https://, socks5:// or socks5h:// and [USER:PASSWORD@]HOST[:PORT]";

/// The value of the setting `proxy_url`; empty for none. It may hold a password, so its `Debug` shows nothing.
#[derive(Clone)]
pub struct ProxyUrl(SecretString);

impl ProxyUrl {
    fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl Default for ProxyUrl {
    fn default() -> Self {
        Self(String::new().into())
    }
}

impl PartialEq for ProxyUrl {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl std::str::FromStr for ProxyUrl {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned().into()))
    }
}

impl<'de> Deserialize<'de> for ProxyUrl {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|url| Self(url.into()))
    }
}

impl Serialize for ProxyUrl {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.expose())
    }
}

impl fmt::Debug for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProxyUrl(hidden)")
    }
}

/// A proxy and where it was named. `Display` and `Debug` show neither user name nor password.
#[derive(Clone)]
pub struct Proxy {
    origin: &'static str,
    /// Scheme, host and port.
    address: String,
    /// The address with user name and password.
    url: SecretString,
    /// The password decoded and as it stands in the URL.
    passwords: Vec<SecretString>,
}

impl Proxy {
    fn parse(origin: &'static str, value: &str) -> Result<Self, ProxyError> {
        let unreadable = || ProxyError::Unreadable { origin };
        // Without a scheme it is an HTTP proxy, as for curl.
        let (scheme, rest) = value.trim().split_once("://").unwrap_or(("http", value.trim()));
        let scheme = scheme.to_ascii_lowercase();
        let default_port = match scheme.as_str() {
            "http" => 80,
            "https" => 443,
            "socks5" | "socks5h" => 1080,
            _ if scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) && !scheme.is_empty() => {
                return Err(ProxyError::Kind { origin, scheme });
            }
            _ => return Err(unreadable()),
        };
        // Read as http, so that the host is checked and normalised, and as https, since http's own port gets lost.
        let read = |scheme: &str| Url::parse(&format!("{scheme}://{rest}")).map_err(|_| unreadable());
        let (url, other) = (read("http")?, read("https")?);
        // What follows the port may be the rest of a password with a `/`, `?` or `#` in it.
        let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        let (true, Some(host)) = (bare, url.host_str().filter(|host| !host.is_empty())) else {
            return Err(unreadable());
        };
        let port = url.port().or(other.port()).unwrap_or(default_port);
        if port == 0 {
            return Err(unreadable());
        }
        let (user, password) = (url.username(), url.password());
        let decoded = |text: &str| percent_decode_str(text).collect::<Vec<u8>>();
        let is_too_long = |text: &str| decoded(text).len() > MAX_SOCKS_CREDENTIAL;
        if scheme.starts_with("socks") && (is_too_long(user) || password.is_some_and(is_too_long)) {
            return Err(ProxyError::Credentials { origin });
        }
        let credentials = match (user, password) {
            ("", None) => String::new(),
            (user, None) => format!("{user}@"),
            (user, Some(password)) => format!("{user}:{password}@"),
        };
        let passwords = password.map(|password| {
            let mut forms = vec![String::from_utf8_lossy(&decoded(password)).into_owned(), password.to_owned()];
            forms.dedup();
            forms.into_iter().map(SecretString::from).collect()
        });
        Ok(Self {
            origin,
            address: format!("{scheme}://{host}:{port}"),
            url: format!("{scheme}://{credentials}{host}:{port}").into(),
            passwords: passwords.unwrap_or_default(),
        })
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let with = if self.passwords.is_empty() { "" } else { ", with a password" };
        write!(f, "{} ({}{with})", self.address, self.origin)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

/// Which servers are reached through which proxy. The default reaches all directly.
#[derive(Clone, Default)]
pub struct Proxies(Option<Arc<Rules>>);

struct Rules {
    https: Option<Proxy>,
    http: Option<Proxy>,
    /// A copy of reqwest's rules, which cannot be queried.
    matcher: Matcher,
    of_client: Vec<reqwest::Proxy>,
}

impl Proxies {
    /// The proxies of the setting, or else of the variables. `variable` gives the value of one that is set.
    ///
    /// # Errors
    /// [`ProxyError`] when one that would be used cannot be.
    pub fn resolve<'a>(setting: &'a ProxyUrl, variable: impl Fn(&str) -> Option<&'a str>) -> Result<Self, ProxyError> {
        let first = |names: [&'static str; 2]| names.into_iter().find_map(|name| Some((name, variable(name)?)));
        let (https, http) = match setting.expose() {
            "" => {
                let parse = |names| first(names).or_else(|| first(ALL)).map(|(name, value)| Proxy::parse(name, value));
                (parse(HTTPS).transpose()?, parse(HTTP).transpose()?)
            }
            url => {
                let proxy = Proxy::parse(SETTING, url)?;
                (Some(proxy.clone()), Some(proxy))
            }
        };
        if https.is_none() && http.is_none() {
            return Ok(Self::default());
        }
        let direct = format!("{LOOPBACK},{}", first(NO).map_or("", |(_, hosts)| hosts));
        let url = |proxy: &Option<Proxy>| proxy.as_ref().map_or("", |proxy| proxy.url.expose_secret()).to_owned();
        let matcher = Matcher::builder().https(url(&https)).http(url(&http)).no(direct.clone()).build();
        let mut of_client = Vec::new();
        for (proxy, of_scheme) in
            [(&https, reqwest::Proxy::https::<&str> as fn(_) -> _), (&http, reqwest::Proxy::http::<&str>)]
        {
            let Some(proxy) = proxy else { continue };
            let rule: reqwest::Result<reqwest::Proxy> = of_scheme(proxy.url.expose_secret());
            let rule = rule.map_err(|_| ProxyError::Unreadable { origin: proxy.origin })?;
            of_client.push(rule.no_proxy(NoProxy::from_string(&direct)));
        }
        Ok(Self(Some(Arc::new(Rules { https, http, matcher, of_client }))))
    }

    /// Configures a client with these rules only.
    pub fn apply(&self, client: ClientBuilder) -> ClientBuilder {
        let rules = self.0.iter().flat_map(|rules| rules.of_client.iter().cloned());
        rules.fold(client.no_proxy(), ClientBuilder::proxy)
    }

    /// The proxy that a server is reached through; `None` when it is reached directly.
    pub fn route(&self, server: &Url) -> Option<&Proxy> {
        let rules = self.0.as_ref()?;
        rules.matcher.intercept(&server.as_str().parse().ok()?)?;
        if server.scheme() == "https" { rules.https.as_ref() } else { rules.http.as_ref() }
    }

    /// Each proxy once.
    pub fn all(&self) -> impl Iterator<Item = &Proxy> {
        let both = self.0.iter().flat_map(|rules| [rules.https.as_ref(), rules.http.as_ref()]);
        let mut seen: Vec<&Proxy> = both.flatten().collect();
        seen.dedup_by(|one, other| one.origin == other.origin);
        seen.into_iter()
    }

    /// The passwords, in every form in which they are held.
    pub fn passwords(&self) -> impl Iterator<Item = &str> {
        self.all().flat_map(|proxy| &proxy.passwords).map(|password| password.expose_secret())
    }
}

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.all()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn resolve(setting: &str, variables: &[(&str, &str)]) -> Result<Proxies, ProxyError> {
        let variables: BTreeMap<String, String> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let setting = setting.parse().unwrap();
        Proxies::resolve(&setting, |name| variables.get(name).map(String::as_str))
    }

    fn route(proxies: &Proxies, server: &str) -> String {
        proxies.route(&server.parse().unwrap()).map_or("direct".to_owned(), ToString::to_string)
    }

    #[test]
    fn the_setting_outranks_the_variables_and_the_special_ones_the_general_one() {
        let api = "https://api.telegram.org/";
        let local = "http://bot-api.lan:8081/";
        for (setting, variables, of_api, of_local) in [
            ("", &[][..], "direct", "direct"),
            ("", &[("ALL_PROXY", "socks5h://p")], "socks5h://p:1080 (ALL_PROXY)", "socks5h://p:1080 (ALL_PROXY)"),
            ("", &[("https_proxy", "p:3128")], "http://p:3128 (https_proxy)", "direct"),
            ("", &[("HTTP_PROXY", "http://p")], "direct", "http://p:80 (HTTP_PROXY)"),
            (
                "",
                &[("ALL_PROXY", "socks5://a"), ("HTTPS_PROXY", "https://b"), ("https_proxy", "https://c")],
                "https://b:443 (HTTPS_PROXY)",
                "socks5://a:1080 (ALL_PROXY)",
            ),
            (
                "SOCKS5H://me:pw@[::1]:80/",
                &[("HTTPS_PROXY", "socks4://b")],
                "socks5h://[::1]:80 (proxy_url, with a password)",
                "socks5h://[::1]:80 (proxy_url, with a password)",
            ),
            ("http://p", &[("NO_PROXY", "lan, .example.org")], "http://p:80 (proxy_url)", "direct"),
            ("http://p", &[("no_proxy", "*")], "direct", "direct"),
            ("http://p:1", &[("no_proxy", "telegram.org")], "direct", "http://p:1 (proxy_url)"),
        ] {
            let proxies = resolve(setting, variables).unwrap();
            assert_eq!(route(&proxies, api), of_api, "{setting} {variables:?}");
            assert_eq!(route(&proxies, local), of_local, "{setting} {variables:?}");
            for this_machine in
                ["http://127.0.0.1:8081", "http://localhost:8081", "http://[::1]:1", "https://127.9.9.9"]
            {
                assert_eq!(route(&proxies, this_machine), "direct", "{this_machine}");
            }
        }
    }

    #[test]
    fn an_invalid_proxy_is_refused_without_quoting_it() {
        let origin = "ALL_PROXY";
        for (value, wanted) in [
            ("socks4://127.0.0.1:1080", ProxyError::Kind { origin, scheme: "socks4".into() }),
            ("socks4a://h", ProxyError::Kind { origin, scheme: "socks4a".into() }),
            ("ftp://h", ProxyError::Kind { origin, scheme: "ftp".into() }),
            ("Socks://h", ProxyError::Kind { origin, scheme: "socks".into() }),
            ("://h", ProxyError::Unreadable { origin }),
            ("http://", ProxyError::Unreadable { origin }),
            ("hello world", ProxyError::Unreadable { origin }),
            ("h:99999", ProxyError::Unreadable { origin }),
            ("socks5h://h:0", ProxyError::Unreadable { origin }),
            ("socks5:h:1080", ProxyError::Unreadable { origin }),
            ("me:hidden@", ProxyError::Unreadable { origin }),
            ("me:hidden://x@h", ProxyError::Unreadable { origin }),
            ("http://me:12#hidden@h:3128", ProxyError::Unreadable { origin }),
            ("http://me:12/hidden@h:3128", ProxyError::Unreadable { origin }),
            ("http://me:12?hidden@h:3128", ProxyError::Unreadable { origin }),
            ("socks5h://h:1080/hidden", ProxyError::Unreadable { origin }),
            (&format!("socks5://me:{}@h", "x".repeat(256)), ProxyError::Credentials { origin }),
            (&format!("socks5://{}:x@h", "%41".repeat(256)), ProxyError::Credentials { origin }),
        ] {
            let error = resolve("", &[("ALL_PROXY", value)]).unwrap_err();
            assert_eq!(error, wanted, "{value}");
            let said = format!("{error} {error:?}");
            assert!(!said.contains("hidden") && !said.contains("12"), "{said}");
        }
        // Variables that the setting outranks are not parsed.
        assert!(resolve("http://p", &[("ALL_PROXY", "socks4://h")]).is_ok());
    }

    #[test]
    fn a_password_is_known_in_both_forms_and_shown_in_none() {
        let value = "socks5h://me:p%40ss-w%C3%B6rd@h";
        let proxies = resolve(value, &[]).unwrap();
        assert_eq!(proxies.passwords().collect::<Vec<_>>(), ["p@ss-wörd", "p%40ss-w%C3%B6rd"]);
        let setting: ProxyUrl = value.parse().unwrap();
        let said = format!("{proxies:?} {setting:?} {}", route(&proxies, "https://x.org"));
        assert!(!said.contains("ss-w") && !said.contains("me:"), "{said}");
    }
}
