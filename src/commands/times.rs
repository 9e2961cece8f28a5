//! `/times on` and `/times off`: whether the paragraphs of a chat's long texts begin with their times. In groups for their admins.

use stenobot_telegram::CommandReply;

use super::group_setting::{self, GroupSetting, switch};
use super::{Audience, Definition};

pub(super) const COMMAND: Definition = Definition {
    name: "times",
    audience: Audience::Everywhere,
    handler: |commands, invocation| {
        let setting = switch(invocation.argument).map(GroupSetting::Times);
        Box::pin(async move {
            Ok(group_setting::handle_anywhere(commands, invocation, setting, &CommandReply::TimesHow).await)
        })
    },
};
