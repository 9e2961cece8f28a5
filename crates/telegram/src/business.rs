//! Connections to users' own accounts, asked for by their id.

use serde::Serialize;

use super::call::Method;
use super::client::{CALL, Client};
use super::error::TelegramError;
use super::update::{BusinessConnection, ConnectionJson};

/// <https://core.telegram.org/bots/api#getbusinessconnection>
#[derive(Serialize)]
struct GetBusinessConnection<'a> {
    business_connection_id: &'a str,
}

impl Client {
    /// The connection with this id, as it stands now.
    ///
    /// # Errors
    /// Any [`TelegramError`]; `Refused` of an unknown connection.
    pub async fn business_connection(&self, id: &str) -> Result<BusinessConnection, TelegramError> {
        let question = GetBusinessConnection { business_connection_id: id };
        let connection: ConnectionJson = self.call_method(Method::GetBusinessConnection, &question, CALL).await?;
        Ok(connection.into())
    }
}
