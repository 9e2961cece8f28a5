//! Invitations: links that can be used once, and the users who came by one.

use std::fmt::{self, Write};
use std::time::Duration;

use sha2::{Digest, Sha256};
use stenobot_domain::{Timestamp, UserId};

use super::{Ban, Users};
use crate::StoreError;

/// Bytes of a secret that come from the database's source of random numbers.
const SECRET_BYTES: usize = 16;

/// The secret of an invitation: 32 hexadecimal digits. Its `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct InvitationSecret(String);

impl InvitationSecret {
    /// A text that may be a secret.
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (text.len() == 2 * SECRET_BYTES && text.bytes().all(is_hex)).then(|| Self(text.to_owned()))
    }

    /// The text of the secret, for a link.
    pub fn expose(&self) -> &str {
        &self.0
    }

    fn of_random(bytes: &[u8]) -> Self {
        Self(bytes.iter().take(SECRET_BYTES).fold(String::new(), |mut text, byte| {
            // Writing to a string does not fail.
            let _ = write!(text, "{byte:02x}");
            text
        }))
    }

    fn hash(&self) -> [u8; 32] {
        Sha256::digest(&self.0).into()
    }
}

impl fmt::Debug for InvitationSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InvitationSecret")
    }
}

impl Users {
    /// Makes an invitation that holds for `lifetime`. Only a hash of its secret is stored.
    pub async fn invite(&self, lifetime: Duration) -> Result<InvitationSecret, StoreError> {
        self.0.noting(self.invite_once(lifetime)).await
    }

    async fn invite_once(&self, lifetime: Duration) -> Result<InvitationSecret, StoreError> {
        let (mut tx, now) = self.0.begin().await?;
        let secret = InvitationSecret::of_random(&tx.sql().invitation_key().await?);
        tx.sql().add_invitation(&secret.hash(), now.after(lifetime)).await?;
        tx.commit().await?;
        Ok(secret)
    }

    /// Uses an invitation up. False when it was used before, has expired, or never was.
    pub async fn accept_invitation(&self, user: UserId, secret: &InvitationSecret) -> Result<bool, StoreError> {
        self.0.noting(self.accept_once(user, secret)).await
    }

    async fn accept_once(&self, user: UserId, secret: &InvitationSecret) -> Result<bool, StoreError> {
        let (mut tx, now) = self.0.begin().await?;
        tx.sql().drop_expired_invitations(now).await?;
        let is_valid = tx.sql().take_invitation(&secret.hash()).await?;
        if is_valid {
            tx.sql().add_invited(user, now).await?;
        }
        tx.commit().await?;
        Ok(is_valid)
    }

    /// Since when a user is among the invited.
    pub async fn invited_since(&self, user: UserId) -> Result<Option<Timestamp>, StoreError> {
        self.0.connections.read().await?.sql().invited_since(user).await
    }

    /// The users who came last by an invitation, at most `limit`, and the number of all.
    pub async fn invited(&self, limit: u32) -> Result<(Vec<Ban>, u32), StoreError> {
        let mut connection = self.0.connections.read().await?;
        Ok((connection.sql().newest_invited(limit).await?, connection.sql().count_invited().await?))
    }

    /// Takes a user out of the invited. False when they were none.
    pub async fn uninvite(&self, user: UserId) -> Result<bool, StoreError> {
        self.0.noting(async { self.0.connections.write().await?.sql().remove_invited(user).await }).await
    }
}
