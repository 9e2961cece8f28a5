//! How texts are shown.

use stenobot_simulator::harness::Simulation;

use crate::recordings::sample;
use crate::scene::real;
use crate::stories::run_stories;

#[tokio::test]
async fn a_few_words_of_a_real_recording_are_underlined() {
    let (_lock, mut scene) = real(&[]).await;
    let voice = sample("ru-60s-1");
    let sent = scene.send_voice(&voice);
    let text = scene.text(&sent).await;
    let underlined = scene.api().read(|state| {
        let reply = state.replies(sent.chat(), sent.id()).next().unwrap();
        let shown = reply.content.text().unwrap();
        reply.decoration.underlined.iter().map(|at| shown[at.clone()].to_owned()).collect::<Vec<_>>()
    });
    // The model writes several words of this recording that there are not.
    let most = text.split_whitespace().count() / 10;
    assert!((1..=most).contains(&underlined.len()), "{underlined:?}");
    for word in &underlined {
        assert!(text.contains(word.as_str()) && !word.contains(char::is_whitespace), "{word}");
    }
    scene.wait_until_closed().await;
    scene.shut_down().await;
}

run_stories!(
    Simulation,
    texts: a_long_recording_has_paragraphs_with_their_times_until_they_are_switched_off,
    a_short_text_has_a_button_that_copies_it_and_a_long_one_is_folded,
    every_text_is_folded_in_a_group_and_its_admins_switch_times_off,
    with_the_bare_style_the_text_is_the_whole_answer,
    words_that_the_model_doubts_are_underlined,
    a_server_that_knows_no_copying_button_is_sent_the_text_without_it,
);

run_stories!(
    Simulation,
    live: the_text_so_far_is_shown_and_the_button_ends_the_request_with_it,
    joined_requests_get_the_whole_text_of_a_request_that_is_stopped,
    a_joined_request_that_goes_on_gets_no_text_that_depends_on_another_sender,
    a_joined_request_that_goes_on_can_be_stopped_too,
    a_restart_loses_the_text_so_far_and_nothing_else,
);
