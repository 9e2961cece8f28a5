//! The queue and its limits.

use stenobot_simulator::harness::Simulation;

use crate::stories::run_stories;

run_stories!(
    Simulation,
    queue: a_full_queue_refuses_at_once_and_loses_no_request,
    three_concurrent_requests_move_up_and_are_answered_in_order,
    the_length_limit_holds_for_claimed_and_measured_length,
    a_repeated_update_creates_no_request,
);

run_stories!(
    Simulation,
    missing_audio: a_recording_that_is_gone_when_its_request_is_claimed_is_fetched_again,
    others_are_transcribed_while_a_recording_is_fetched_again,
    a_recording_that_telegram_refuses_to_give_again_ends_its_request,
    a_kept_recording_that_is_gone_is_fetched_to_be_transcribed_again,
);
