//! What users experience, independent of how the bot runs. A story is a function that is generic over [`scene::TestBot`].
//!
//! A test target includes this module by its path, implements `TestBot` for its kind of bot, and declares the tests with
//! [`run_stories`]; the stories of [`everyday`] take the scene and the recordings as parameters. `scenarios` runs them with the
//! program as a child process.

pub(crate) mod business;
pub(crate) mod cancel;
pub(crate) mod channels;
pub(crate) mod commands;
pub(crate) mod display;
pub(crate) mod everyday;
pub(crate) mod group_changes;
pub(crate) mod groups;
pub(crate) mod guests;
pub(crate) mod invitations;
pub(crate) mod limits;
pub(crate) mod live;
pub(crate) mod missing_audio;
pub(crate) mod queue;
pub(crate) mod recordings;
pub(crate) mod scene;
#[allow(dead_code, reason = "tests write scripts, scripted recognisers read them")]
pub(crate) mod script;
pub(crate) mod secrets;
pub(crate) mod texts;
pub(crate) mod webhook;

use std::time::Duration;

/// Far longer than anything here takes, even on a loaded machine.
pub(crate) const SCENARIO_TIMEOUT: Duration = Duration::from_secs(150);

/// Waits for `future`; panics with `what` after [`SCENARIO_TIMEOUT`].
pub(crate) async fn eventually<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(SCENARIO_TIMEOUT, future).await {
        Ok(output) => output,
        Err(_) => panic!("this did not happen in time: {what}"),
    }
}

/// Declares one test for each named story of a module, for one kind of bot.
macro_rules! run_stories {
    ($bot:ty, $module:ident: $($story:ident),+ $(,)?) => {
        $(
            #[tokio::test]
            async fn $story() {
                $crate::stories::$module::$story::<$bot>().await;
            }
        )+
    };
}
pub(crate) use run_stories;
