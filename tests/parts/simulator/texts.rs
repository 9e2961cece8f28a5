//! The simulator reads every text that the bot can write as what it is.

use std::time::Duration;

use stenobot_domain::{RequestId, Spoken};
use stenobot_simulator::answers::{Said, Verdict, read, request_number};
use stenobot_telegram::{Locale, Percent, StatusText, Texts};

fn kind(said: &Said) -> &'static str {
    match said {
        Said::Received => "received",
        Said::Delayed => "delayed",
        Said::Queued { position: Some(3) } => "queued third",
        Said::Queued { .. } => "queued somewhere",
        Said::Started => "started",
        Said::Progress { percent: Some(40) } => "at 40 %",
        Said::Progress { .. } => "at some percent",
        Said::Final(Verdict::Answered(text)) if text == "One. Two.\n\nThree." => "answered",
        Said::Final(Verdict::Answered(_)) => "answered with another text",
        Said::Final(Verdict::NoSpeech) => "no speech",
        Said::Final(Verdict::Rejected(_)) => "rejected",
        Said::Final(Verdict::Failed(_)) => "failed",
        Said::Final(Verdict::Cancelled) => "cancelled",
        Said::Part(_) => "part",
    }
}

#[test]
fn every_text_is_known() {
    let wait = Duration::from_secs(70);
    for (text, wanted) in [
        (StatusText::Downloading, "received"),
        (StatusText::Queued { position: 3, wait: Some(wait) }, "queued third"),
        (StatusText::Queued { position: 3, wait: None }, "queued third"),
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
