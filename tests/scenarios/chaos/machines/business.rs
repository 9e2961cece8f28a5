//! Users' own accounts, served by several machines.

use std::time::Duration;

use stenobot_domain::{ChatId, MessageId, UserId};
use stenobot_simulator::postgres::PrivatePostgres;
use stenobot_simulator::server::{Attachment, Author};
use stenobot_simulator::users::User;

use super::cluster::Cluster;
use crate::recordings::scripted;
use crate::scene::eventually;

const OWNER: i64 = 690_000;

/// The bot's texts in the owner's chat that are not deleted.
async fn wait_for_texts(cluster: &Cluster, what: &str, is_wanted: impl Fn(&[&str]) -> bool) {
    let found = cluster.api().wait_for(|state| {
        let messages = state.chats.get(&ChatId(OWNER)).into_iter().flat_map(|chat| chat.messages.values());
        let own = messages.filter(|message| message.author == Author::Bot && message.deleted.is_none());
        let texts: Vec<&str> = own.filter_map(|message| message.content.text()).collect();
        is_wanted(&texts).then_some(())
    });
    eventually(what, found).await;
}

/// Waits until the only worker has so many recordings.
async fn wait_for_recordings(cluster: &Cluster, count: usize) {
    // The log is in the machine's folder.
    let audio = cluster.machines.log(cluster.workers().start).with_file_name("data").join("audio");
    let found = async {
        while std::fs::read_dir(&audio).unwrap().count() != count {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    eventually(&format!("{count} recordings"), found).await;
}

/// The leader learns of the deletion: of one whose recording is kept, and one that is transcribed, both on another machine.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_reaches_the_worker_after_the_leader_has_changed() {
    let name = "machines::business::a_deletion_reaches_the_worker_after_the_leader_has_changed";
    let Some(server) = PrivatePostgres::shared_or_skip(name).await.unwrap() else { return };
    let owner = OWNER.to_string();
    let settings = [("owner_accounts", owner.as_str()), ("audio_retention_seconds", "600")];
    let mut cluster = Cluster::start(server.clone(), 2, 1, &settings).await;
    let anna = User::new(cluster.api(), UserId(OWNER), "Anna", "en");
    let bea = User::new(cluster.api(), UserId(OWNER + 1), "Bea", "de");
    anna.send_command("start");
    wait_for_texts(&cluster, "the greeting", |texts| texts.iter().any(|text| text.starts_with("👋"))).await;
    let connection = cluster.api().connect_account(anna.info());
    wait_for_texts(&cluster, "the confirmation", |texts| texts.iter().any(|text| text.starts_with("🔗"))).await;
    let send = |cluster: &Cluster, script: &str| -> MessageId {
        let voice = scripted(3, script);
        let content = cluster.api().upload(Attachment::voice(voice.duration), voice.bytes, None);
        cluster.api().receive_on_account(&connection, bea.info(), bea.info(), content)
    };
    let answered = send(&cluster, "say good morning");
    wait_for_texts(&cluster, "the text", |texts| texts.iter().any(|text| text.ends_with("good morning"))).await;
    cluster.wait_until_closed().await;
    wait_for_recordings(&cluster, 1).await;

    let (leader, polls) = (cluster.leader().await, cluster.polls());
    cluster.machines.kill(leader).await.unwrap();
    cluster.wait_for_poll(polls, cluster.now()).await;
    let under_way = send(&cluster, "progress 10;wait 120000;say never");
    wait_for_recordings(&cluster, 2).await;
    let started = async {
        while cluster.psql("SELECT count(*) FROM usage WHERE stage = 'transcribing'").await != "1" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    eventually("it is transcribed", started).await;
    let chat = ChatId(bea.info().id.0);
    cluster.api().delete_on_account(&connection, chat, &[answered, under_way]);
    wait_for_texts(&cluster, "no text is left", |texts| texts.iter().all(|text| !text.starts_with("👤 Bea"))).await;
    wait_for_recordings(&cluster, 0).await;
    // The only worker is free.
    send(&cluster, "say next");
    wait_for_texts(&cluster, "the next text", |texts| texts.iter().any(|text| text.ends_with("next"))).await;
    cluster.machines.start_again(leader).unwrap();
    cluster.machines.wait_until_ready(leader).await;
    cluster.stop_all().await;
}
