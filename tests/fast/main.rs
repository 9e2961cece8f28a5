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

mod business {
    use super::*;

    run_stories!(
        InProcessBot,
        business: a_recording_that_another_person_sends_to_the_owner_is_answered_in_the_chat_with_the_bot,
        a_server_that_knows_no_time_entity_is_sent_the_text_without_it,
        a_message_that_is_deleted_before_its_text_is_there_ends_without_a_trace,
        a_message_that_is_deleted_later_takes_recording_and_text_with_it,
        an_account_that_is_not_served_is_told_once_and_then_ignored,
        a_connection_that_ends_finishes_what_is_under_way_and_takes_nothing_new,
        a_connection_that_the_store_does_not_know_is_asked_for,
        limits_and_bans_hold_for_an_own_account,
    );
}

mod guests {
    use super::*;

    run_stories!(
        InProcessBot,
        guests: a_call_is_answered_where_it_was_made,
        what_does_not_fit_goes_to_the_private_chat_if_there_is_one,
        a_call_that_cannot_be_answered_any_more_is_answered_in_private,
        refusals_are_told_where_the_bot_was_called,
        only_the_caller_can_press_and_only_under_the_own_answer,
        the_text_so_far_is_shown_and_kept_where_the_bot_was_called,
        calls_are_neither_asked_for_nor_mentioned_unless_they_are_allowed,
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

mod display {
    use super::*;

    run_stories!(
        InProcessBot,
        display: a_reaction_shows_the_state_until_the_text_is_there,
        a_recording_without_speech_gets_a_reaction_and_no_message,
        where_reactions_are_not_allowed_messages_show_the_state,
        a_refused_last_reaction_is_said_in_a_message,
        group_admins_choose_between_reactions_and_messages,
        cancelling_removes_the_reaction,
        a_quiet_group_gets_texts_without_notifications_and_nothing_else,
    );
}

mod channels {
    use super::*;

    run_stories!(
        InProcessBot,
        channels: a_voice_post_gets_its_text_as_the_caption_when_its_administrators_want_that,
        what_no_caption_can_hold_is_a_comment_in_the_linked_group,
        a_channel_that_takes_the_right_to_edit_or_removes_the_bot_ends_requests,
    );
}

mod group_changes {
    use super::*;

    run_stories!(
        InProcessBot,
        group_changes: a_text_follows_its_group_into_the_supergroup,
        a_text_stays_in_its_topic,
        a_deleted_topic_ends_its_requests_and_no_others,
        a_bot_that_may_no_longer_write_ends_the_request_and_takes_its_reaction_back,
        a_bot_that_is_removed_ends_the_request,
        a_recording_of_a_hidden_user_is_transcribed_for_who_forwards_it,
        an_anonymous_administrator_sets_up_a_group_and_is_answered,
        an_answer_to_direct_messages_of_a_channel_goes_to_their_topic,
    );
}

mod invitations {
    use super::*;

    run_stories!(
        InProcessBot,
        invitations: the_first_user_who_opens_an_invitation_is_served,
        an_invitation_survives_a_restart_and_a_ban_outranks_it,
        a_bot_that_serves_everyone_makes_no_invitations,
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

mod live {
    use super::*;

    run_stories!(
        InProcessBot,
        live: the_text_so_far_is_shown_and_the_button_ends_the_request_with_it,
        joined_requests_get_the_whole_text_of_a_request_that_is_stopped,
        a_joined_request_that_goes_on_gets_no_text_that_depends_on_another_sender,
        a_joined_request_that_goes_on_can_be_stopped_too,
    );
}

mod texts {
    use super::*;

    run_stories!(
        InProcessBot,
        texts: a_long_recording_has_paragraphs_with_their_times_until_they_are_switched_off,
        a_short_text_has_a_button_that_copies_it_and_a_long_one_is_folded,
        every_text_is_folded_in_a_group_and_its_admins_switch_times_off,
        with_the_bare_style_the_text_is_the_whole_answer,
        words_that_the_model_doubts_are_underlined,
        a_server_that_knows_no_copying_button_is_sent_the_text_without_it,
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
