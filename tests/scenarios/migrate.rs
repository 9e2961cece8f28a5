//! A store is moved to PostgreSQL while a request waits.

use std::path::PathBuf;
use std::process::Command;

use stenobot_simulator::postgres::PrivatePostgres;
use stenobot_simulator::server::State;

use crate::recordings::scripted;
use crate::scene::Scene;
use crate::stories::scene::TestBot;

/// Runs the command with the bot's data folder; gives what it prints, or its failure.
async fn migrate(data: PathBuf, from: &str, to: &str) -> Result<String, String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stenobot"));
    command.args(["migrate", from, to]).env_clear().env("STENOBOT_DATA_DIR", data);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

#[tokio::test]
async fn a_request_that_waits_is_answered_in_the_same_message_after_a_move_to_postgresql() {
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
    let file = format!("sqlite://{}", scene.bot.store().display());
    let refused = migrate(data.clone(), &file, &url).await.unwrap_err();
    assert!(refused.contains("another stenobot uses this data folder: stop it"), "{refused}");

    scene.bot.shut_down().await;
    let said = migrate(data.clone(), &file, &url).await.unwrap();
    assert!(said.starts_with("copied and verified: people: 2, requests: 1, under way: 1; "), "{said}");
    assert!(said.contains(&format!("set database_url to the second argument of this command ({url})")), "{said}");

    scene.bot.set("database_url", url.as_str());
    scene.bot.restart().await.unwrap();
    admin.send_text("/resume");
    assert_eq!(scene.text(&sent).await, "дошло");
    let replies = |state: &State| state.replies(sent.chat(), sent.id()).map(|message| message.id).collect::<Vec<_>>();
    assert_eq!(scene.api().read(replies), [status], "the answer is an edit of the status message");
    scene.bot.shut_down().await;
    let back = format!("sqlite://{}", data.join("back.db").display());
    let said = migrate(data, &url, &back).await.unwrap();
    assert!(said.starts_with("copied and verified: people: 2, requests: 1, under way: 0; "), "{said}");
    let stages = server.psql(&url, "SELECT stage, answered FROM usage").await.unwrap();
    assert_eq!(stages, "done|1");
}
