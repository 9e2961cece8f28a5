//! A store is moved to PostgreSQL while a request waits.

use std::path::Path;
use std::process::{Command, Output};

use stenobot_simulator::postgres::PrivatePostgres;
use stenobot_simulator::server::State;

use crate::recordings::scripted;
use crate::scene::Scene;
use crate::stories::scene::TestBot;

fn migrate(data: &Path, from: &str, to: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stenobot"));
    command.args(["migrate", from, to]).current_dir(data).env_clear().env("STENOBOT_DATA_DIR", data);
    command.output().unwrap()
}

#[tokio::test]
async fn a_request_that_waits_is_answered_in_the_same_message_by_a_bot_over_postgresql() {
    let Some(server) = PrivatePostgres::shared_or_skip("the move to PostgreSQL").await.unwrap() else { return };
    let url = server.new_database().await.unwrap();
    let mut scene = Scene::start(&[("admin_users", "600001")]).await;
    let admin = scene.new_user("Админ", "ru");
    let anna = scene.new_user("Анна", "ru");
    admin.send_text("/pause");
    scene.wait_for_text(admin.chat(), "Пауза").await;
    let sent = anna.send_voice(&scripted(3, "say дошло"));
    scene.wait_for_text(anna.chat(), "Бот на паузе").await;
    let status = scene.wait_for_status(&sent).await;

    let data = scene.bot.data();
    let from = format!("sqlite://{}", scene.bot.store().display());
    let (folder, file, target) = (data.clone(), from.clone(), url.clone());
    let refused = tokio::task::spawn_blocking(move || migrate(&folder, &file, &target)).await.unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && said.contains("stop it"), "{said}");

    scene.bot.shut_down().await;
    let target = url.clone();
    let moved = tokio::task::spawn_blocking(move || migrate(&data, &from, &target)).await.unwrap();
    let said = String::from_utf8(moved.stdout).unwrap();
    assert!(moved.status.success(), "{said}{}", String::from_utf8_lossy(&moved.stderr));
    assert!(said.starts_with("copied and verified: people: 1, requests: 1, under way: 1; "), "{said}");
    assert!(
        said.contains(&format!("set database_url to the second argument of this command ({url}) and start the bot")),
        "{said}"
    );

    scene.bot.set("database_url", url.as_str());
    scene.bot.restart().await.unwrap();
    admin.send_text("/resume");
    assert_eq!(scene.text(&sent).await, "дошло");
    let replies = |state: &State| state.replies(sent.chat(), sent.id()).map(|message| message.id).collect::<Vec<_>>();
    assert_eq!(scene.api().read(replies), [status], "the answer is an edit of the status message");
    scene.bot.shut_down().await;
    let stages = server.psql(&url, "SELECT stage, answered FROM usage").await.unwrap();
    assert_eq!(stages, "done|1");
}
