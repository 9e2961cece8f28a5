//! `/status reactions` and `/status messages`: how a group sees the state of requests. For group admins.

use stenobot_domain::StatusStyle;
use stenobot_telegram::CommandReply;

use super::group_setting::{self, GroupSetting};
use super::{Audience, Definition};

pub(super) const COMMAND: Definition = Definition {
    name: "status",
    audience: Audience::Groups,
    handler: |commands, invocation| {
        let style = StatusStyle::parse(&invocation.argument.to_ascii_lowercase());
        let setting = style.map(GroupSetting::Status);
        Box::pin(
            async move { Ok(group_setting::handle(commands, invocation, setting, &CommandReply::StatusHow).await) },
        )
    },
};
