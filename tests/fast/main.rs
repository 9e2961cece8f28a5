//! The everyday stories with a bot in the test's own process: no model, no engine process, no other program.
#![cfg(feature = "simulator")]
#![allow(clippy::unwrap_used, reason = "clippy.toml allows it in tests, but does not know their helpers")]

mod bot;
mod recognizer;
#[path = "../stories/mod.rs"]
#[allow(dead_code, reason = "some stories need a bot as a process")]
mod stories;

use bot::InProcessBot;
use stories::run_stories;

mod queue {
    use super::*;

    run_stories!(
        InProcessBot,
        queue: a_full_queue_refuses_at_once_and_loses_no_request,
        three_concurrent_requests_move_up_and_are_answered_in_order,
        the_length_limit_holds_for_claimed_and_measured_length,
        a_repeated_update_creates_no_request,
        positions_far_behind_are_rounded_and_seldom_edited,
    );
}

mod cancel {
    use super::*;

    run_stories!(
        InProcessBot,
        cancel: a_queued_request_can_be_cancelled_and_the_others_move_up, a_running_request_can_be_cancelled,
    );
}

mod commands {
    use super::*;

    run_stories!(
        InProcessBot,
        commands: commands_are_answered_and_forget_erases_the_user,
        the_engine_is_given_the_likely_languages_of_the_sender,
        several_languages_are_chosen_by_a_command,
        a_text_that_depends_on_the_sender_s_languages_is_not_shared,
    );
}

mod groups {
    use super::*;

    run_stories!(
        InProcessBot,
        groups: a_recording_is_transcribed_on_request_by_reply,
        group_admins_turn_automatic_transcription_on_and_off,
        only_group_admins_choose_the_language_of_a_group,
    );
}

mod webhook {
    use super::*;

    run_stories!(
        InProcessBot,
        webhook: an_update_by_webhook_is_answered_and_the_webhook_stays,
        requests_other_than_telegram_s_are_refused,
        an_update_that_cannot_be_recorded_is_sent_again_and_answered_once,
        without_the_setting_the_bot_polls_again,
        the_webhook_of_another_program_stays,
    );
}

mod limits {
    use super::*;

    run_stories!(
        InProcessBot,
        limits: forget_resets_neither_the_waiting_limit_nor_the_daily_limit,
        forget_does_not_reset_the_rate_limit,
        allowed_users_and_the_daily_limit_are_enforced,
    );
}

mod missing_audio {
    use super::*;

    run_stories!(
        InProcessBot,
        missing_audio: a_recording_that_is_gone_when_its_request_is_claimed_is_fetched_again,
        others_are_transcribed_while_a_recording_is_fetched_again,
        a_recording_that_telegram_refuses_to_give_again_ends_its_request,
        a_kept_recording_that_is_gone_is_fetched_to_be_transcribed_again,
    );
}

mod everyday {
    use super::*;
    use crate::stories::everyday as story;
    use crate::stories::recordings::scripted;
    use crate::stories::scene::Scene;

    #[tokio::test]
    async fn three_concurrent_users_see_their_positions_and_are_answered_in_order() {
        let voices = [1, 2, 3].map(|number| scripted(30, &format!("wait 1500;say запись {number}")));
        let scene = Scene::<InProcessBot>::start(&[]).await;
        let check = |text: &str, voice: &stenobot_simulator::voices::Voice| assert_eq!(text, voice.text);
        story::three_concurrent_users_see_their_positions_and_are_answered_in_order(scene, voices, check).await;
    }

    #[tokio::test]
    async fn five_recordings_of_one_user_are_processed_one_at_a_time() {
        let voices = [1, 2, 3, 4, 5].map(|number| scripted(30, &format!("wait 20;say запись {number}")));
        let scene = Scene::<InProcessBot>::start(&[]).await;
        let check = |text: &str, voice: &stenobot_simulator::voices::Voice| assert_eq!(text, voice.text);
        story::five_recordings_of_one_user_are_processed_one_at_a_time(scene, voices, check).await;
    }
}
