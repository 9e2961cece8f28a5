//! Users' own accounts.

use stenobot_simulator::harness::Simulation;

use crate::stories::run_stories;

run_stories!(
    Simulation,
    business: a_recording_that_another_person_sends_to_the_owner_is_answered_in_the_chat_with_the_bot,
    a_server_that_knows_no_time_entity_is_sent_the_text_without_it,
    a_message_that_is_deleted_before_its_text_is_there_ends_without_a_trace,
    a_message_that_is_deleted_later_takes_recording_and_text_with_it,
    an_account_that_is_not_served_is_told_once_and_then_ignored,
    a_connection_that_ends_finishes_what_is_under_way_and_takes_nothing_new,
    a_connection_that_the_store_does_not_know_is_asked_for,
    limits_and_bans_hold_for_an_own_account,
);
