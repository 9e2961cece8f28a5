//! The bot's token: in a variable, in a file that a variable names, or in a credential of systemd (`LoadCredential=`).

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use stenobot_domain::{UserId, secrets};

use super::layers::Origin;
use super::{ConfigError, TOKEN_FILE_VARIABLE, TOKEN_VARIABLES};

/// Set by systemd for a service with credentials.
const CREDENTIALS_VARIABLE: &str = "CREDENTIALS_DIRECTORY";
/// Name of the credential, a file in that folder.
const CREDENTIAL: &str = "telegram_bot_token";
/// Longest file that is read, in bytes: a token has about 50.
const MAX_FILE: u64 = 4096;

/// The bot's token. Cannot be printed.
#[derive(Clone)]
pub struct BotToken {
    bot: UserId,
    token: SecretString,
    /// The file that `TELEGRAM_BOT_TOKEN_FILE` names, where the token comes from it.
    file: Option<PathBuf>,
}

impl BotToken {
    /// Reads `<bot id>:<secret>`; `None` when it is no token.
    fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.split_once(':')?;
        let well_formed = id.bytes().all(|b| b.is_ascii_digit())
            && secret.len() >= 20
            && secret.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        let bot = id.parse().map(UserId).ok().filter(|_| well_formed)?;
        Some(Self { bot, token: SecretString::from(text.to_owned()), file: None })
    }

    /// The account that the token belongs to, which outlives the token: @BotFather can give it another.
    pub fn bot(&self) -> UserId {
        self.bot
    }

    /// The operator's file that holds it; `None` of a variable or of a credential of systemd.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The token in clear, for the one client that sends it.
    pub fn expose(&self) -> &str {
        self.token.expose_secret()
    }
}

impl fmt::Debug for BotToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BotToken(hidden)")
    }
}

/// A file with the token, as it was read.
pub(super) struct TokenFile {
    source: &'static str,
    /// `None` for a credential, whose permissions are systemd's.
    path: Option<PathBuf>,
    text: SecretString,
}

impl TokenFile {
    /// Reads the file that the variables name; `None` where they name none.
    pub(super) fn read(
        environment: &[(String, String)],
        dotenv: &[(String, String)],
    ) -> Result<Option<Self>, ConfigError> {
        let named = value(environment, TOKEN_FILE_VARIABLE).or_else(|| value(dotenv, TOKEN_FILE_VARIABLE));
        let credential = value(environment, CREDENTIALS_VARIABLE)
            .map(|folder| Path::new(folder).join(CREDENTIAL))
            .filter(|path| path.exists());
        match (named, credential) {
            (None, None) => Ok(None),
            (Some(path), None) => {
                let text = read(Path::new(path))?;
                Ok(Some(Self { source: TOKEN_FILE_VARIABLE, path: Some(path.into()), text }))
            }
            (None, Some(path)) => Ok(Some(Self { source: CREDENTIAL, path: None, text: read(&path)? })),
            (Some(_), Some(_)) => Err(ConfigError::TwoTokens { first: TOKEN_FILE_VARIABLE, second: CREDENTIAL }),
        }
    }

    /// Where it was read, for `stenobot config show`.
    pub(super) fn origin(&self) -> Origin {
        match &self.path {
            Some(path) => Origin::File { file: path.clone(), line: None },
            None => Origin::Credential { credential: CREDENTIAL },
        }
    }

    pub(super) fn expose(&self) -> &str {
        self.text.expose_secret()
    }
}

/// The token, from one place only. Of the variables the environment's outrank those of `.env`.
pub(super) fn find(
    environment: &[(String, String)],
    dotenv: &[(String, String)],
    file: Option<&TokenFile>,
) -> Result<Option<BotToken>, ConfigError> {
    let layers = [environment, dotenv].into_iter();
    let mut variables = layers.flat_map(|layer| TOKEN_VARIABLES.map(|variable| (variable, value(layer, variable))));
    let variable = variables.find_map(|(variable, value)| Some((variable, value?)));
    match (variable, file) {
        (None, None) => Ok(None),
        (Some((variable, text)), None) => BotToken::parse(text).map(Some).ok_or(ConfigError::Token { variable }),
        (None, Some(TokenFile { source, path, text })) => {
            let token = BotToken::parse(text.expose_secret()).ok_or(ConfigError::Token { variable: source })?;
            Ok(Some(BotToken { file: path.clone(), ..token }))
        }
        (Some((variable, _)), Some(file)) => Err(ConfigError::TwoTokens { first: variable, second: file.source }),
    }
}

/// The value of a variable that is set and not empty.
fn value<'a>(variables: &'a [(String, String)], name: &str) -> Option<&'a str> {
    variables.iter().find(|(variable, value)| variable == name && !value.is_empty()).map(|(_, value)| value.as_str())
}

/// The text of a file without the space around it.
fn read(path: &Path) -> Result<SecretString, ConfigError> {
    let text = || -> io::Result<String> {
        // A pipe, as of a shell's `<(...)`, is read too; an endless one is not.
        let mut text = String::new();
        let mut file = File::open(path)?.take(MAX_FILE + 1);
        file.read_to_string(&mut text)?;
        match text.len() as u64 > MAX_FILE {
            true => Err(io::Error::new(io::ErrorKind::FileTooLarge, "the file is too long to be a token")),
            false => Ok(text),
        }
    };
    // A token in place of a path is not repeated.
    let path = || secrets::hide(&path.display().to_string());
    text()
        .map(|text| SecretString::from(text.trim().to_owned()))
        .map_err(|error| ConfigError::TokenFile { path: path(), error })
}

#[cfg(test)]
mod tests {
    use super::super::tests::pairs;
    use super::*;

    const TOKEN: &str = "123456789:AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc";

    fn found(environment: &[(&str, &str)], dotenv: &[(&str, &str)]) -> Result<Option<BotToken>, String> {
        let (environment, dotenv) = (pairs(environment), pairs(dotenv));
        let file = TokenFile::read(&environment, &dotenv).map_err(|error| error.to_string())?;
        find(&environment, &dotenv, file.as_ref()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_token_is_read_from_a_file_or_a_credential_without_the_space_around_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(CREDENTIAL);
        std::fs::write(&file, format!("  {TOKEN}\n")).unwrap();
        let (file, folder) = (file.to_str().unwrap(), folder.path().to_str().unwrap());
        let token = |token: Option<BotToken>| token.map(|token| (token.expose().to_owned(), token.file().is_some()));
        let named = [(TOKEN_FILE_VARIABLE, file)];
        assert_eq!(token(found(&named, &[]).unwrap()), Some((TOKEN.to_owned(), true)));
        assert_eq!(token(found(&[], &named).unwrap()), Some((TOKEN.to_owned(), true)));
        let credential = [(CREDENTIALS_VARIABLE, folder)];
        assert_eq!(token(found(&credential, &[]).unwrap()), Some((TOKEN.to_owned(), false)));
        // Only systemd says where its credentials are, and a service may have others.
        assert_eq!(token(found(&[], &credential).unwrap()), None);
        assert_eq!(token(found(&[(CREDENTIALS_VARIABLE, "/proc")], &[]).unwrap()), None);
        assert_eq!(token(found(&[(TOKEN_FILE_VARIABLE, "")], &[]).unwrap()), None);
    }

    #[test]
    fn a_token_from_two_places_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(CREDENTIAL);
        std::fs::write(&file, TOKEN).unwrap();
        let variable = ("TELEGRAM_BOT_TOKEN", TOKEN);
        let named = (TOKEN_FILE_VARIABLE, file.to_str().unwrap());
        let credential = (CREDENTIALS_VARIABLE, folder.path().to_str().unwrap());
        for (environment, dotenv, first, second) in [
            (&[variable, named][..], &[][..], "TELEGRAM_BOT_TOKEN", TOKEN_FILE_VARIABLE),
            (&[named], &[("TELOXIDE_TOKEN", TOKEN)], "TELOXIDE_TOKEN", TOKEN_FILE_VARIABLE),
            (&[variable, credential], &[], "TELEGRAM_BOT_TOKEN", CREDENTIAL),
            (&[named, credential], &[], TOKEN_FILE_VARIABLE, CREDENTIAL),
        ] {
            let wanted = format!("the bot's token is given twice, by {first} and by {second}: take one of them out");
            assert_eq!(found(environment, dotenv).unwrap_err(), wanted);
        }
    }

    #[test]
    fn a_file_that_holds_no_token_is_refused_without_its_content() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        let named = [(TOKEN_FILE_VARIABLE, file.to_str().unwrap())];
        let missing = found(&named, &[]).unwrap_err();
        assert!(missing.starts_with(&format!("the bot's token cannot be read from {}: ", file.display())), "{missing}");
        for content in [&b""[..], b"my secret word", b"\xff\xfe", &[b'a'; 5000]] {
            std::fs::write(&file, content).unwrap();
            let message = found(&named, &[]).unwrap_err();
            assert!(!message.contains("secret word") && !message.contains("aaa"), "{message}");
        }
        let endless = found(&[(TOKEN_FILE_VARIABLE, "/dev/zero")], &[]).unwrap_err();
        assert!(endless.ends_with("the file is too long to be a token"), "{endless}");
        let mistaken = found(&[(TOKEN_FILE_VARIABLE, TOKEN)], &[]).unwrap_err();
        assert!(!mistaken.contains(TOKEN), "{mistaken}");
    }
}
