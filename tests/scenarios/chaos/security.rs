//! Impersonation; foreign files in the data folder; permissions of all files.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use stenobot_domain::{AnswerForm, ChatId, RequestId};
use stenobot_simulator::group::Group;
use stenobot_simulator::server::{Channel, MemberStatus, Origin, UserInfo};
use stenobot_simulator::users::User;
use stenobot_telegram::{Action, RerunChoice};

use super::{Row, measured, rounds};
use crate::recordings::{Gate, scripted};
use crate::scene::{Scene, eventually};

const OPERATOR: i64 = 600_001;

/// All commands by which an operator can change something.
fn commands(victim: ChatId) -> [String; 6] {
    ["/pause", "/drain", "/resume", "/stats", "/broadcast Купите слона"]
        .map(str::to_owned)
        .into_iter()
        .chain([format!("/ban {victim}")])
        .collect::<Vec<_>>()
        .try_into()
        .unwrap()
}

#[tokio::test]
async fn impostors() {
    const ROW: Row = Row {
        number: 80,
        test: "operators' commands and other users' buttons, from impostors",
        figure: "none is obeyed",
        name: "security::impostors",
    };
    let rounds = rounds(1);
    let mut scene = Scene::start(&[("admin_users", &OPERATOR.to_string()), ("audio_retention_seconds", "600")]).await;
    let api = scene.api().clone();
    let admin = scene.new_user("Админ", "ru");
    assert_eq!(admin.chat().0, OPERATOR);
    let (mut tried, mut last) = (0, None);
    for round in 0..rounds {
        let victim = scene.new_user("Анна", "ru");
        let owner = victim.chat();
        let gate = Gate::new().await;
        let running = victim.send_voice(&scripted(3, &format!("{};say моё {round}", gate.instruction())));
        let held = gate.wait_reached().await;
        let waiting = victim.send_voice(&scripted(3, &format!("say тоже моё {round}")));
        scene.wait_for_positions(std::slice::from_ref(&waiting), &[1]).await;

        // A user with the operator's name, forwarded commands of the operator, the operator in a group, and others who write
        // there in the name of the group or of a channel.
        let namesake = scene.new_user("Админ", "ru");
        let origin = Origin::User(UserInfo { id: stenobot_domain::UserId(OPERATOR), ..namesake.info().clone() });
        let group = Group::new(&api, ChatId(-100_200_300 - round as i64), "Мы");
        group.set_bot_status(MemberStatus::Administrator);
        let channel = Channel { id: ChatId(-100_000_600_001), title: "Админ".into() };
        let impostors = [
            namesake.clone(),
            namesake.forwarding(origin),
            group.add_member_as(&admin, MemberStatus::Owner),
            group.add_member_as(&namesake, MemberStatus::Owner).anonymously(),
            group.add_member(&namesake).as_channel(channel),
        ];
        for impostor in &impostors {
            for command in commands(owner) {
                impostor.send_text(&command);
                tried += 1;
            }
        }
        // Buttons of another user's requests, in a private chat and in a group.
        let ids = [RequestId(scene.row(&running).await.id), RequestId(scene.row(&waiting).await.id)];
        let own = namesake.send_text("/start");
        let own =
            eventually("an answer", api.wait_for(|state| Some(state.replies(own.chat(), own.id()).next()?.id))).await;
        for of in ids {
            for action in [
                Action::Cancel(of),
                Action::Languages { of, page: 0 },
                Action::Back(of),
                Action::Rerun { of, choice: RerunChoice::File(AnswerForm::Txt) },
                Action::Rerun { of, choice: RerunChoice::Language("de".parse().unwrap()) },
            ] {
                tried += press_and_wait(&namesake, own, &action.encode()).await;
            }
        }
        for rubbish in ["", "c", "c:", "c:-1", "c:99999999999999999999", "a:1:zz", "\u{0}", &"x".repeat(64), "f:1"] {
            tried += press_and_wait(&namesake, own, rubbish).await;
        }
        held.release();
        for sent in [running, waiting] {
            scene.text(&sent).await;
            let trail = sent.trail();
            assert!(trail.answers.len() == 1 && !trail.overwritten, "{}", sent.history());
        }
        last = Some(victim);
    }
    // The bot still serves every user, and no broadcast was sent.
    let sent = last.unwrap().send_voice(&scripted(3, "say по-прежнему"));
    assert_eq!(scene.text(&sent).await, "по-прежнему");
    scene.wait_until_closed().await;
    let requests = scene.rows().await.len();
    assert_eq!(requests, 2 * rounds + 1, "no request was repeated");
    let broadcast_sent = api.read(|state| {
        let messages = state.chats.values().flat_map(|chat| chat.messages.values());
        messages
            .filter(|message| message.author == stenobot_simulator::server::Author::Bot)
            .filter_map(|message| message.content.text())
            .any(|text| text.contains("слона") || text.contains("За сутки"))
    });
    assert!(!broadcast_sent, "a foreign command was executed");
    scene.into_stopped_with_audio().await;
    measured(&ROW, rounds, &format!("{tried} tries, 0 obeyed"));
}

/// Presses a button and waits until the bot has processed it.
async fn press_and_wait(who: &User, message: stenobot_domain::MessageId, data: &str) -> usize {
    eventually("the press is answered", who.send_callback(message, data).wait_for_answer()).await;
    1
}

#[tokio::test]
async fn files_left_on_disk() {
    const ROW: Row = Row {
        number: 81,
        test: "recordings left by a crash; a foreign file, folder or link among them; permissions of all files",
        figure: "recordings are deleted at the start; with anything else the bot does not start; other users can read nothing",
        name: "security::files_left_on_disk",
    };
    let rounds = rounds(1);
    let mut scene = Scene::start(&[]).await;
    let mut swept = 0;
    for _ in 0..rounds {
        scene.bot.kill().await.unwrap();
        let audio = scene.bot.data().join("audio");
        let outside = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(outside.path(), "of another program").unwrap();
        let (song, folder, link) = (audio.join("song.mp3"), audio.join("folder"), audio.join("1.audio"));
        std::fs::write(&song, "of another program").unwrap();
        std::fs::create_dir(&folder).unwrap();
        std::os::unix::fs::symlink(outside.path(), &link).unwrap();
        std::fs::write(audio.join("999999.audio"), "left behind").unwrap();
        let refused = scene.bot.restart().await.unwrap_err().to_string();
        assert!(refused.contains("is not the bot's, and the bot removes recordings there"), "{refused}");
        assert!(song.exists() && folder.exists() && link.is_symlink() && audio.join("999999.audio").exists());
        std::fs::remove_file(song).unwrap();
        std::fs::remove_dir(folder).unwrap();
        std::fs::remove_file(link).unwrap();
        scene.bot.restart().await.unwrap();
        assert_eq!(std::fs::read_dir(&audio).unwrap().count(), 0);
        assert_eq!(std::fs::read_to_string(outside.path()).unwrap(), "of another program");
        swept += 1;
    }
    let gate = Gate::new().await;
    let sent = scene.send_voice(&scripted(3, &format!("{};say потом", gate.instruction())));
    let held = gate.wait_reached().await;
    let files = assert_private(&scene.bot.data());
    assert!(files > 3, "the store, its log, a recording");
    held.release();
    scene.text(&sent).await;
    scene.wait_until_closed().await;
    scene.shut_down().await;
    measured(&ROW, rounds, &format!("{swept} of {swept} swept; {files} files of this user's alone"));
}

/// Asserts that everything below `folder` is accessible to this user only; gives the number of files.
fn assert_private(folder: &Path) -> usize {
    let mode = folder.metadata().unwrap().permissions().mode();
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_symlink() {
            // Models are no secret.
        } else if path.is_dir() {
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o077, 0, "{}", path.display());
            files += assert_private(&path);
        } else {
            let metadata = path.metadata().unwrap();
            assert_eq!(metadata.mode() & 0o077, 0, "{} has {:o} in {mode:o}", path.display(), metadata.mode());
            files += 1;
        }
    }
    files
}
