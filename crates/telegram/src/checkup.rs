//! A diagnostic call of the doctor, which is not counted as a call.

use std::time::{Duration, UNIX_EPOCH};

use stenobot_domain::Timestamp;
use teloxide::payloads;
use teloxide::requests::Payload;
use tokio::time::Instant;

use super::client::{Client, Me, read};
use super::error::TelegramError;

/// A server that answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// The account, or the server's refusal.
    pub me: Result<Me, TelegramError>,
    /// Wall time of the call, connecting included.
    pub took: Duration,
    /// The time of the server's answer by the server's clock, whole seconds.
    pub date: Option<Timestamp>,
}

impl Client {
    /// Calls `getMe` once, outside all pauses, and reads the server's clock from the response headers.
    ///
    /// # Errors
    /// When no answer came.
    pub async fn reach(&self) -> Result<Reached, TelegramError> {
        let started = Instant::now();
        let response = self.post(payloads::GetMe::NAME, &payloads::GetMe::new()).await?;
        let date = response.headers().get("date").and_then(|date| date.to_str().ok());
        let date = date.and_then(|date| httpdate::parse_http_date(date).ok());
        let date = date.and_then(|date| date.duration_since(UNIX_EPOCH).ok());
        let date = date.map(|since| Timestamp(0).after(since));
        let status = response.status().as_u16();
        let body = read(response).await?;
        Ok(Reached { me: self.answer(status, &body), took: started.elapsed(), date })
    }
}
