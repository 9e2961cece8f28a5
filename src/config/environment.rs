//! Variables of the process and of `.env`.

use std::ffi::OsString;
use std::path::Path;

use stenobot_network::PROXY_VARIABLES;

use super::token::TokenFile;
use super::{ConfigError, ENV_PREFIX, TOKEN_FILE_VARIABLE, TOKEN_VARIABLES};

/// Shorter values of a token's variables are no tokens, and hiding them would garble most sentences.
const MIN_TOKEN: usize = 8;

/// The process's variables. Those whose name or value is no text are left out, unless they are for this program.
pub(super) fn of_process(
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> Result<Vec<(String, String)>, ConfigError> {
    let mut texts = Vec::new();
    for (name, value) in variables {
        let is_ours = name.as_encoded_bytes().starts_with(ENV_PREFIX.as_bytes())
            || TOKEN_VARIABLES.into_iter().chain([TOKEN_FILE_VARIABLE]).chain(PROXY_VARIABLES).any(|ours| name == ours);
        match (name.into_string(), value.into_string()) {
            (Ok(name), Ok(value)) => texts.push((name, value)),
            (Ok(variable), Err(_)) if is_ours => return Err(ConfigError::NotText { variable }),
            (Err(name), _) if is_ours => {
                return Err(ConfigError::NotText { variable: name.to_string_lossy().into_owned() });
            }
            (Ok(_), Err(_)) | (Err(_), _) => {}
        }
    }
    Ok(texts)
}

/// The variables of a file in the form `NAME=value`; none when there is no such file.
pub(super) fn of_file(path: &Path) -> Result<Vec<(String, String)>, ConfigError> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    // dotenvy's errors quote the line, which may hold the token: say only where to look.
    let unreadable = || ConfigError::Unreadable(".env cannot be read: each line must be NAME=value".into());
    let lines = dotenvy::from_path_iter(path).map_err(|_| unreadable())?;
    lines.collect::<Result<_, _>>().map_err(|_| unreadable())
}

/// Values of the variables for a token and the text of the file with it, in any form, and their secret halves; the longest
/// first.
pub(super) fn token_values<'a>(layers: [&'a [(String, String)]; 2], file: Option<&'a TokenFile>) -> Vec<&'a str> {
    let variables = layers.into_iter().flatten().filter(|(name, _)| TOKEN_VARIABLES.contains(&name.as_str()));
    let mut values: Vec<&str> = variables
        .map(|(_, value)| value.as_str())
        .chain(file.map(TokenFile::expose))
        .flat_map(|value| [Some(value), value.split_once(':').map(|(_, secret)| secret)])
        .flatten()
        .filter(|value| value.len() >= MIN_TOKEN)
        .collect();
    values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    values
}
