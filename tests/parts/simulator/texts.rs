//! The simulator recognises every text that the bot can write.

use std::time::Duration;

use stenobot_domain::{RequestId, Spoken};
use stenobot_simulator::answers::{BotText, RequestOutcome, read, request_number};
use stenobot_telegram::{Locale, Percent, QueuePosition, StatusText, Texts};

fn kind(said: &BotText) -> &'static str {
    match said {
        BotText::Received => "received",
        BotText::Delayed => "delayed",
        BotText::Queued { position: Some(3) } => "queued third",
        BotText::Queued { .. } => "queued somewhere",
        BotText::Started => "started",
        BotText::Progress { percent: Some(40) } => "at 40 %",
        BotText::Progress { .. } => "at some percent",
        BotText::Final(RequestOutcome::Answered(text)) if text == "One. Two.\n\nThree." => "answered",
        BotText::Final(RequestOutcome::Answered(_)) => "answered with another text",
        BotText::Final(RequestOutcome::NoSpeech) => "no speech",
        BotText::Final(RequestOutcome::Rejected(_)) => "rejected",
        BotText::Final(RequestOutcome::Failed(_)) => "failed",
        BotText::Final(RequestOutcome::Cancelled) => "cancelled",
        BotText::Part(_) => "part",
    }
}

#[test]
fn every_text_is_recognised() {
    let wait = Duration::from_secs(70);
    for (text, wanted) in [
        (StatusText::Downloading, "received"),
        (StatusText::Queued { position: QueuePosition::Exact(3), wait: Some(wait) }, "queued third"),
        (StatusText::Queued { position: QueuePosition::Exact(3), wait: None }, "queued third"),
        (StatusText::Queued { position: QueuePosition::About(3), wait: None }, "queued third"),
        (StatusText::Starting, "started"),
        (StatusText::Progress { percent: Percent::running(0.405), elapsed: wait, remaining: Some(wait) }, "at 40 %"),
        (StatusText::Done { text: Spoken("One. Two.\n\nThree.".into()) }, "answered"),
        (StatusText::TooLong { limit: wait, actual: Some(wait) }, "rejected"),
        (StatusText::TooLong { limit: wait, actual: None }, "rejected"),
        (StatusText::TooBig { limit: 20 << 20 }, "rejected"),
        (StatusText::QueueFull, "rejected"),
        (StatusText::Delayed, "delayed"),
        (StatusText::UserLimit { retry: wait }, "rejected"),
        (StatusText::Unsupported, "rejected"),
        (StatusText::Failed, "failed"),
        (StatusText::NoAudio, "failed"),
        (StatusText::Damaged, "failed"),
        (StatusText::DownloadFailed, "failed"),
        (StatusText::TimedOut, "failed"),
        (StatusText::NoSpeech, "no speech"),
    ] {
        for locale in Locale::ALL {
            let shown = Texts::default().render(*locale, &text);
            assert_eq!(kind(&read(&shown)), wanted, "{shown}");
            if matches!(wanted, "rejected" | "failed") {
                let numbered = Texts::default().numbered(*locale, &text, RequestId(1234));
                assert_eq!((read(&numbered), request_number(&numbered)), (read(&shown), Some(1234)), "{numbered}");
                assert_eq!(request_number(&shown), None, "{shown}");
            }
        }
    }
}
