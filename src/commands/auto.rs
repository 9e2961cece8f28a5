//! `/auto on` and `/auto off`: whether a group's voice messages are all transcribed. For group admins.

use stenobot_telegram::CommandReply;

use super::group_setting::{self, GroupSetting, switch};
use super::{Audience, Definition};

pub(super) const COMMAND: Definition = Definition {
    name: "auto",
    audience: Audience::Groups,
    handler: |commands, invocation| {
        let setting = switch(invocation.argument).map(GroupSetting::Auto);
        Box::pin(async move { Ok(group_setting::handle(commands, invocation, setting, &CommandReply::AutoHow).await) })
    },
};
