//! Lists of numbers of people and groups.

use serde::{Deserialize, Serialize};

/// Numbers of people and groups, as Telegram has them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Ids", into = "String")]
pub struct IdList(Vec<i64>);

/// As a file or the environment gives them: one number, a text with commas, or a list.
#[derive(Deserialize)]
#[serde(untagged)]
enum Ids {
    One(i64),
    Many(Vec<i64>),
    Text(String),
}

impl IdList {
    pub fn contains(&self, id: &i64) -> bool {
        self.0.contains(id)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = i64> {
        self.0.iter().copied()
    }
}

impl std::str::FromStr for IdList {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|part| !part.is_empty());
        parts.map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl TryFrom<Ids> for IdList {
    type Error = std::num::ParseIntError;

    fn try_from(ids: Ids) -> Result<Self, Self::Error> {
        match ids {
            Ids::One(id) => Ok(Self(vec![id])),
            Ids::Many(ids) => Ok(Self(ids)),
            Ids::Text(text) => text.parse(),
        }
    }
}

impl From<IdList> for String {
    fn from(list: IdList) -> Self {
        list.0.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    }
}
