//! How groups and channels see requests: the stories, and kills in the middle.

use stenobot_simulator::harness::Simulation;

use crate::recordings::Gate;
use crate::scene::{Scene, eventually};
use crate::stories::display::{reacts, set};
use crate::stories::groups::{GROUP, answer, open_group, send_voice};
use crate::stories::run_stories;

#[tokio::test]
async fn a_kill_leaves_one_answer_and_no_reaction() {
    // While the state is shown, when the message for the text is recorded, and when the text is there.
    for moment in [None, Some("after status message"), Some("before done")] {
        let mut scene = Scene::start(&[]).await;
        scene.bot.set_variable("CRASH_AT", moment);
        scene.bot.restart().await.unwrap();
        let (anna, boris) = open_group(&scene);
        set(&scene, &anna, "/auto on", "👥").await;
        let gate = Gate::new().await;
        let recording = send_voice(&boris, &format!("{};say пережило", gate.instruction()));
        let held = gate.wait_reached().await;
        reacts(&scene, recording, "👀").await;
        if moment.is_some() {
            held.release();
            let bot = scene.bot.process().unwrap();
            eventually("the bot dies", bot.wait_for_exit()).await.unwrap();
        } else {
            scene.bot.kill().await.unwrap();
            held.release();
        }
        scene.bot.set_variable("CRASH_AT", None);
        scene.bot.restart().await.unwrap();
        gate.wait_reached().await.release();
        assert_eq!(answer(&scene, recording, "✅").await, "✅ Готово!\n\nпережило");
        reacts(&scene, recording, "").await;
        scene.wait_until_closed().await;
        assert_eq!(scene.api().read(|state| state.replies(GROUP, recording).count()), 1, "{moment:?}");
        scene.shut_down().await;
    }
}

run_stories!(
    Simulation,
    display: a_reaction_shows_the_state_until_the_text_is_there,
    a_recording_without_speech_gets_a_reaction_and_no_message,
    where_reactions_are_not_allowed_messages_show_the_state,
    a_refused_last_reaction_is_said_in_a_message,
    group_admins_choose_between_reactions_and_messages,
    cancelling_removes_the_reaction,
    a_quiet_group_gets_texts_without_notifications_and_nothing_else,
);

run_stories!(
    Simulation,
    channels: a_voice_post_gets_its_text_as_the_caption_when_its_administrators_want_that,
    what_no_caption_can_hold_is_a_comment_in_the_linked_group,
    a_channel_that_takes_the_right_to_edit_or_removes_the_bot_ends_requests,
);

run_stories!(
    Simulation,
    group_changes: a_text_follows_its_group_into_the_supergroup,
    a_text_stays_in_its_topic,
    a_deleted_topic_ends_its_requests_and_no_others,
    a_bot_that_may_no_longer_write_ends_the_request_and_takes_its_reaction_back,
    a_bot_that_is_removed_ends_the_request,
    a_recording_of_a_hidden_user_is_transcribed_for_who_forwards_it,
    an_anonymous_administrator_sets_up_a_group_and_is_answered,
    an_answer_to_direct_messages_of_a_channel_goes_to_their_topic,
);
