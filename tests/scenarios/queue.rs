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
