//! The simulator reads every text that the bot can write as what it is.

use std::time::Duration;

use stenobot_domain::{RequestId, Spoken};
use stenobot_simulator::answers::{Said, Verdict, read, request_number};
use stenobot_telegram::{Locale, Percent, Text, Texts};

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
        (Text::Downloading, "received"),
        (Text::Queued { position: 3, wait: Some(wait) }, "queued third"),
        (Text::Queued { position: 3, wait: None }, "queued third"),
        (Text::Starting, "started"),
        (Text::Progress { percent: Percent::running(0.405), elapsed: wait, remaining: Some(wait) }, "at 40 %"),
        (Text::Done { text: Spoken("One. Two.\n\nThree.".into()) }, "answered"),
        (Text::TooLong { limit: wait, actual: Some(wait) }, "rejected"),
        (Text::TooLong { limit: wait, actual: None }, "rejected"),
        (Text::TooBig { limit: 20 << 20 }, "rejected"),
        (Text::QueueFull, "rejected"),
        (Text::Delayed, "delayed"),
        (Text::UserLimit { retry: wait }, "rejected"),
        (Text::Unsupported, "rejected"),
        (Text::Failed, "failed"),
        (Text::NoAudio, "failed"),
        (Text::Damaged, "failed"),
        (Text::DownloadFailed, "failed"),
        (Text::TimedOut, "failed"),
        (Text::NoSpeech, "no speech"),
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
