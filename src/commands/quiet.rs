//! `/quiet on` and `/quiet off`: whether nothing but texts is sent to a group. For group admins.

use stenobot_telegram::CommandReply;

use super::group_setting::{self, GroupSetting, switch};
use super::{Audience, Definition};

pub(super) const COMMAND: Definition = Definition {
    name: "quiet",
    audience: Audience::Groups,
    handler: |commands, invocation| {
        let setting = switch(invocation.argument).map(GroupSetting::Quiet);
        Box::pin(async move { Ok(group_setting::handle(commands, invocation, setting, &CommandReply::QuietHow).await) })
    },
};
