//! Links that put the first user who opens them on the list of those who are served.

use stenobot_simulator::answers::RequestOutcome;
use stenobot_simulator::users::User;

use super::recordings::scripted;
use super::scene::{Scene, TestBot};

/// Who is created first has this id.
const SETTINGS: [(&str, &str); 2] = [("allowed_users", "600001"), ("admin_users", "600001")];

/// Sends a command to the bot; gives the newest text with this beginning.
async fn asks<B: TestBot>(scene: &Scene<B>, user: &User, text: &str, beginning: &str) -> String {
    user.send_text(text);
    scene.wait_for_text_beginning(user.chat(), beginning).await.1
}

/// The argument of the link in a new invitation.
async fn invitation<B: TestBot>(scene: &Scene<B>, operator: &User) -> String {
    let text = asks(scene, operator, "/invite", "✉️ Отправьте эту ссылку").await;
    text.split_once("https://t.me/stenobot_simulated_bot?start=").unwrap().1.to_owned()
}

async fn is_served<B: TestBot>(scene: &Scene<B>, user: &User) -> bool {
    match scene.answer(&user.send_voice(&scripted(3, "say слово"))).await {
        RequestOutcome::Answered(_) => true,
        RequestOutcome::Rejected(_) | RequestOutcome::Failed(_) => false,
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn the_first_user_who_opens_an_invitation_is_served<B: TestBot>() {
    let scene = Scene::<B>::start(&SETTINGS).await;
    let operator = scene.new_user("Админ", "ru");
    let (anna, boris) = (scene.new_user("Анна", "ru"), scene.new_user("Борис", "ru"));
    assert!(!is_served(&scene, &anna).await);
    let secret = invitation(&scene, &operator).await;
    // The operator tries the link, which leaves it as it is.
    asks(&scene, &operator, &format!("/start {secret}"), "👋").await;
    asks(&scene, &anna, &format!("/start {secret}"), "✅ Вас пригласили").await;
    assert!(is_served(&scene, &anna).await);
    asks(&scene, &boris, &format!("/start {secret}"), "✉️ Это приглашение уже использовано").await;
    assert!(!is_served(&scene, &boris).await);
    // Opened once more, it greets.
    asks(&scene, &anna, &format!("/start {secret}"), "👋").await;
    // For others, as for any text that is no secret, it is no command of theirs.
    asks(&scene, &boris, "/invite", "🎙️").await;
    assert!(asks(&scene, &anna, "/mydata", "🔒 Что хранится").await.contains("По приглашению с "));

    let listed = asks(&scene, &operator, "/uninvite", "✉️ Пришли по приглашению: 1").await;
    assert!(listed.contains(&anna.chat().0.to_string()), "{listed}");
    asks(&scene, &operator, &format!("/uninvite {}", anna.chat().0), "🚪").await;
    assert!(!is_served(&scene, &anna).await);
    asks(&scene, &operator, "/uninvite", "✉️ По приглашению еще никто").await;
    let log = scene.bot.log();
    assert!(!log.contains(&secret), "the secret is in the log");
    scene.shut_down().await;
}

pub(crate) async fn an_invitation_survives_a_restart_and_a_ban_outranks_it<B: TestBot>() {
    let mut scene = Scene::<B>::start(&SETTINGS).await;
    let operator = scene.new_user("Админ", "ru");
    let anna = scene.new_user("Анна", "ru");
    let secret = invitation(&scene, &operator).await;
    scene.bot.restart_with("user_requests_per_minute", "100").await;
    asks(&scene, &anna, &format!("/start {secret}"), "✅ Вас пригласили").await;
    scene.bot.restart_with("user_requests_per_minute", "200").await;
    assert!(is_served(&scene, &anna).await);
    asks(&scene, &operator, &format!("/ban {}", anna.chat().0), "🚫").await;
    let ignored = anna.send_voice(&scripted(3, "say никому"));
    asks(&scene, &operator, "/stats", "📊").await;
    assert_eq!(scene.api().read(|state| state.replies(ignored.chat(), ignored.id()).count()), 0);
    scene.shut_down().await;
}

pub(crate) async fn a_bot_that_serves_everyone_makes_no_invitations<B: TestBot>() {
    let scene = Scene::<B>::start(&[("admin_users", "600001")]).await;
    let operator = scene.new_user("Админ", "ru");
    asks(&scene, &operator, "/invite", "✉️ Бот обслуживает всех").await;
    scene.shut_down().await;
}
