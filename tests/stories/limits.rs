//! Limits per user, and `/forget`, which resets none of them.

use serde_json::Value;
use stenobot_domain::MessageId;
use stenobot_simulator::answers::RequestOutcome;
use stenobot_simulator::users::User;
use stenobot_telegram::Action;

use super::eventually;
use super::recordings::{Gate, scripted};
use super::scene::{Scene, TestBot, answered, rejected};

/// Confirms `/forget`; gives the message that reports the erasure.
pub(crate) async fn forget<B: TestBot>(scene: &Scene<B>, user: &User) -> MessageId {
    let asked = user.send_text("/forget");
    let question = scene.api().wait_for(|state| {
        let has_button = |markup: &Value| markup.to_string().contains(&Action::Forget.encode());
        state
            .replies(asked.chat(), asked.id())
            .find(|reply| reply.markup.as_ref().is_some_and(has_button))
            .map(|r| r.id)
    });
    let message = eventually("the question with its button", question).await;
    let pressed = user.send_callback(message, &Action::Forget.encode());
    eventually("the press is answered", pressed.wait_for_answer()).await;
    let done = scene.api().wait_for(|state| {
        let text = state.message(user.chat(), message)?.content.text()?;
        (!text.contains('?')).then_some(())
    });
    eventually("the question becomes the answer", done).await;
    message
}

/// The sentence of a refusal or an apology.
fn rejected_or_failed(outcome: RequestOutcome) -> String {
    match outcome {
        RequestOutcome::Rejected(why) | RequestOutcome::Failed(why) => why,
        other => panic!("a refusal was expected, not {other:?}"),
    }
}

pub(crate) async fn allowed_users_and_the_daily_limit_are_enforced<B: TestBot>() {
    let mut scene = Scene::<B>::start(&[("allowed_users", "600001"), ("daily_audio_minutes_per_user", "1")]).await;
    let anna = scene.new_user("Анна", "ru");
    let boris = scene.new_user("Борис", "de");
    let refused = boris.send_voice(&scripted(3, "say чужое"));
    assert!(rejected_or_failed(scene.answer(&refused).await).contains("nur für bestimmte Personen"));
    let first = anna.send_voice(&scripted(40, "say сорок"));
    assert_eq!(scene.text(&first).await, "сорок");
    let second = anna.send_voice(&scripted(55, "say ещё"));
    assert!(rejected(scene.answer(&second).await).starts_with("Дневной лимит исчерпан: 1 минута"));
    scene.shut_down().await;
}

pub(crate) async fn forget_resets_neither_the_waiting_limit_nor_the_daily_limit<B: TestBot>() {
    let mut scene = Scene::<B>::start(&[("max_waiting_per_user", "2"), ("daily_audio_minutes_per_user", "1")]).await;
    let gate = Gate::new().await;
    let first = scene.send_voice(&scripted(3, &format!("{};say первая", gate.instruction())));
    let held = gate.wait_reached().await;
    let anna = scene.new_user("Анна", "ru");
    let waiting: Vec<_> = ["раз", "два"].map(|word| anna.send_voice(&scripted(3, &format!("say {word}")))).into();
    scene.wait_for_positions(&waiting, &[1, 2]).await;
    forget(&scene, &anna).await;
    let more = anna.send_voice(&scripted(3, "say три"));
    assert!(rejected(scene.answer(&more).await).starts_with("Уже 2 ваших сообщения ждут"));

    let boris = scene.new_user("Борис", "ru");
    let sent = boris.send_voice(&scripted(40, "say сорок"));
    scene.wait_for_positions(std::slice::from_ref(&sent), &[1]).await;
    forget(&scene, &boris).await;
    let again = boris.send_voice(&scripted(40, "say ещё сорок"));
    assert!(rejected(scene.answer(&again).await).starts_with("Дневной лимит исчерпан: 1 минута"));
    boris.send_text("/privacy");
    let (_, privacy) = scene.wait_for_text_beginning(boris.chat(), "🔒 Тексты не хранятся").await;
    assert!(privacy.contains("После /forget израсходованное вами из лимитов учитывается до полуночи"), "{privacy}");
    held.release();
    assert_eq!(scene.text(&first).await, "первая");
}

pub(crate) async fn forget_does_not_reset_the_rate_limit<B: TestBot>() {
    let scene = Scene::<B>::start(&[("user_requests_per_minute", "5"), ("max_waiting_per_user", "50")]).await;
    let anna = scene.new_user("Анна", "ru");
    let sends = || anna.send_voice(&scripted(3, "say слово"));
    for _ in 0..3 {
        answered(scene.answer(&sends()).await);
    }
    forget(&scene, &anna).await;
    // As many as a new minute would allow.
    for _ in 0..5 {
        sends();
    }
    scene.wait_for_text_beginning(anna.chat(), "⚠️ Слишком много сообщений подряд").await;
}
