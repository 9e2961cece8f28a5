//! A Bot API server with malformed responses: the bot logs them once, keeps within its memory, and continues.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use stenobot_simulator::server::{Call, Effect, FaultAction, Method, Refusal, ScriptedFault};

use crate::recordings::scripted;
use crate::scene::Scene;

/// Peak memory of a process, in bytes.
fn peak(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// A body of so many bytes, most of them objects in the middle.
fn body(bytes: usize, head: &str, tail: &str) -> String {
    format!("{head}{{}}{}{tail}", ",{}".repeat(bytes / 3))
}

#[tokio::test]
async fn unreadable_updates_are_logged_once_and_take_no_memory() {
    const HUGE: usize = 16 << 20;
    const FITS: usize = 3 << 20;
    let mut scene = Scene::start(&[]).await;
    let first = scene.send_voice(&scripted(3, "say сначала"));
    assert_eq!(scene.text(&first).await, "сначала");
    let message = r#"{"ok":true,"result":[{"update_id":ID,"message":{"message_id":1,"from":{"id":5,"first_name":"A"},
        "chat":{"id":5,"type":"private"},"#;
    let query = r#"{"ok":true,"result":[{"update_id":ID,"callback_query":{"id":"1","from":{"id":5,"first_name":"A"},
        "message":{"message_id":1,"chat":{"id":5,"type":"private"},"reply_markup":{"inline_keyboard":[["#;
    let bodies = [
        body(HUGE, r#"{"ok":true,"result":["#, "]}"),
        body(HUGE, r#"{"ok":true,"x":["#, r#"],"result":[]}"#),
        body(HUGE, r#"{"ok":false,"error_code":500,"x":["#, "]}"),
        body(HUGE, &message.replace("ID", "50").replace("\"chat\"", "\"photo\":[{}],\"entities\":["), "]}}]}"),
        body(FITS, &(message.replace("ID", "51") + "\"entities\":["), "]}}]}"),
        body(
            FITS,
            &(message.replace("ID", "52") + "\"pinned_message\":{},\"caption\":\"\u{0}\",\"entities\":["),
            "]}}]}",
        ),
        body(FITS, &(query.replace("ID", "53")), "]]}}}}]}"),
        r#"{"ok":true,"result":[{"update_id":54,"message":{"text":"\ud800","chat":1e999}}]}"#.to_owned(),
    ];
    let pid = scene.bot.process().unwrap().pid();
    let (before, next) = (peak(pid), AtomicUsize::new(0));
    let count = bodies.len();
    // The body of an injected response is `'static`.
    let bodies: Vec<&'static str> = bodies.into_iter().map(|body| &*body.leak()).collect();
    let fault = move |call: &Call| -> FaultAction {
        match call.method {
            Method::GetUpdates => match bodies.get(next.fetch_add(1, Ordering::SeqCst)) {
                Some(body) => Effect::Answer(200, body).into(),
                None => Effect::Pass.into(),
            },
            _ => Effect::Pass.into(),
        }
    };
    let polls = scene.calls(Method::GetUpdates);
    scene.api().set_fault(Some(Arc::new(fault)));
    // Ends the poll that was under way.
    let second = scene.send_voice(&scripted(3, "say потом"));
    scene.wait_for_calls(Method::GetUpdates, polls + 1 + count).await;
    assert_eq!(scene.text(&second).await, "потом");
    let third = scene.send_voice(&scripted(3, "say дальше"));
    assert_eq!(scene.text(&third).await, "дальше");
    let grown = peak(pid).saturating_sub(before);
    eprintln!("the bot's memory has grown by {} MiB", grown >> 20);
    assert!(grown < 48 << 20, "{grown} bytes");
    let page = scene.bot.metrics().await.unwrap();
    assert_eq!(page.value("stenobot_updates_total{kind=\"unreadable\"}"), Some(2.0));
    let log = std::fs::read_to_string(scene.bot.log()).unwrap();
    for id in [50, 54] {
        let lines = log.lines().filter(|line| line.contains("passed over") && line.contains(&format!("update={id}")));
        assert_eq!(lines.count(), 1, "update {id}");
    }
    scene.shut_down().await;
}

#[tokio::test]
async fn a_retry_after_of_years_is_logged_and_affects_one_chat_only() {
    let mut scene = Scene::start(&[]).await;
    let years = Duration::from_secs(1_000_000_000);
    let fault = ScriptedFault::new(Method::SendMessage, 1, Effect::Refuse(Refusal::TooMany(years)));
    scene.api().set_fault(Some(Arc::new(fault)));
    scene.new_user("Борис", "ru").send_text("/start");
    scene.wait_for_call("a message is refused", |call| call.method == Method::SendMessage).await;
    let sent = scene.send_voice(&scripted(3, "say дальше"));
    assert_eq!(scene.text(&sent).await, "дальше");
    let page = scene.bot.metrics().await.unwrap();
    assert_eq!(page.value("stenobot_telegram_long_pauses_total"), Some(1.0));
    let log = std::fs::read_to_string(scene.bot.log()).unwrap();
    let errors: Vec<&str> = log.lines().filter(|line| line.contains("ERROR")).collect();
    assert!(matches!(errors.as_slice(), [line] if line.contains("too long to be meant")), "{errors:#?}");
    scene.shut_down().await;
}
