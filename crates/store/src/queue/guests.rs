//! Calls of the bot as a guest. Telegram names the bot's answer in that chat in reply to the call that posts it, and with each press
//! of a button under it. So an answer that was posted by a process which died before it was recorded is found by a press.

use stenobot_domain::{GuestCall, InlineMessageId, RequestId, UserId};

use super::Queue;
use crate::StoreError;
use crate::crash::{self, Side};

/// Whose a press under a message is that the bot has posted as a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum GuestPress {
    /// The caller's, and their request is not closed.
    Open {
        /// With the message.
        call: GuestCall,
        /// Whether the message was not known before.
        is_found: bool,
    },
    /// The caller's, and their request is closed.
    Closed {
        /// Whether the message was not known before: the answer is not in it.
        is_found: bool,
    },
    /// Another user's.
    NotYours,
    /// The message is not that of the request which the button names, or there is no such request.
    Elsewhere,
}

/// Of a request by which the bot was called.
pub(crate) struct GuestRequest {
    pub(crate) owner: UserId,
    pub(crate) call: GuestCall,
    pub(crate) is_closed: bool,
}

impl Queue {
    /// The message that shows state and answer of a call, once it is known.
    pub async fn guest_message(&self, of: RequestId) -> Result<Option<InlineMessageId>, StoreError> {
        let request = self.0.connections.read().await?.sql().guest_request(of).await?;
        Ok(request.and_then(|request| request.call.message))
    }

    /// Records that message, whether or not a worker holds the request: there is only one for each call. False when another one is
    /// recorded, or the message is another request's. Retried.
    pub async fn record_guest_message(&self, of: RequestId, message: &InlineMessageId) -> Result<bool, StoreError> {
        let record = || async { self.0.connections.write().await?.sql().record_guest_message(of, message).await };
        crash::point(Side::Before, "guest message");
        let is_recorded = self.0.retrying("remember a message", record).await?;
        crash::point(Side::After, "guest message");
        if is_recorded {
            self.0.changed();
        }
        Ok(is_recorded)
    }

    /// Checks a press of a button that names this request: callback data is chosen by the sender's program. The message is recorded
    /// as the request's if none is.
    pub async fn guest_press(
        &self,
        of: RequestId,
        by: UserId,
        message: &InlineMessageId,
    ) -> Result<GuestPress, StoreError> {
        let Some(request) = self.0.connections.read().await?.sql().guest_request(of).await? else {
            return Ok(GuestPress::Elsewhere);
        };
        let GuestRequest { owner, call: GuestCall { query, message: known }, is_closed } = request;
        if owner != by {
            return Ok(GuestPress::NotYours);
        }
        let is_found = known.is_none() && self.record_guest_message(of, message).await?;
        if !is_found && known.as_ref() != Some(message) {
            return Ok(GuestPress::Elsewhere);
        }
        Ok(match is_closed {
            true => GuestPress::Closed { is_found },
            false => GuestPress::Open { call: GuestCall { query, message: Some(message.clone()) }, is_found },
        })
    }
}
