//! Answers, lost requests and duplicates, and their report.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use stenobot_domain::{MessageId, UserId};
use stenobot_simulator::answers::{Answer, BotText, RequestOutcome, Trail};
use stenobot_simulator::report::{BotExit, Calls, Case, SimulationReport, Spread};
use stenobot_simulator::server::{Attachment, BotApi, Settings};
use stenobot_simulator::users::{SentMessage, User};
use teloxide::prelude::*;
use teloxide::types::ReplyParameters;

const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

async fn someone() -> (BotApi, Bot, User) {
    let api = BotApi::start(Settings::default()).await.expect("a free port");
    let bot = Bot::new(api.token()).set_api_url(api.url().clone());
    let anna = User::new(&api, UserId(501), "Анна", "ru");
    (api, bot, anna)
}

fn speaks(user: &User) -> SentMessage {
    user.send_file(Attachment::voice(Duration::from_secs(3)), &b"OggS"[..])
}

/// Replies to `sent` as the bot.
async fn replies(bot: &Bot, sent: &SentMessage, text: &str) -> teloxide::types::MessageId {
    let reply = ReplyParameters::new(teloxide::types::MessageId(sent.id().0));
    bot.send_message(teloxide::types::ChatId(sent.chat().0), text).reply_parameters(reply).await.expect("a message").id
}

async fn edits(bot: &Bot, sent: &SentMessage, status: teloxide::types::MessageId, text: &str) {
    bot.edit_message_text(teloxide::types::ChatId(sent.chat().0), status, text).await.expect("an edit");
}

#[tokio::test]
async fn a_status_message_becomes_the_answer() {
    let (_api, bot, anna) = someone().await;
    let sent = speaks(&anna);
    assert!(sent.trail().is_lost());
    let waiting = tokio::spawn({
        let sent = sent.clone();
        async move { sent.final_answer(ANSWER_TIMEOUT).await }
    });
    let status = replies(&bot, &sent, "📥 Загружаю файл...").await;
    edits(&bot, &sent, status, "📋 В очереди: позиция 2").await;
    assert_eq!(sent.trail().latest, Some(BotText::Queued { position: Some(2) }));
    edits(&bot, &sent, status, "⚙️ Начинаю обработку...").await;
    assert!(sent.trail().started.is_some() && sent.trail().is_lost());
    edits(&bot, &sent, status, "✅ Готово!\n\nПривет. Как дела?").await;

    let answer = waiting.await.unwrap().unwrap();
    assert_eq!(answer.outcome, RequestOutcome::Answered("Привет. Как дела?".into()));
    assert_eq!(answer.message, MessageId(status.0));
    let trail = sent.trail();
    assert!(!trail.is_lost() && !trail.is_duplicated());
    assert!(trail.sent <= trail.started.unwrap() && trail.started.unwrap() <= answer.at);
    assert_eq!(sent.texts().len(), 4);
}

#[tokio::test]
async fn a_text_without_a_heading_is_an_answer_with_its_further_parts() {
    let (api, bot, anna) = someone().await;
    let sent = speaks(&anna);
    let status = replies(&bot, &sent, "🔄 Обработка [██░░] 40%").await;
    let placeholder = speaks(&anna);
    replies(&bot, &placeholder, "…").await;
    // No reply to the recording: a message to everyone.
    bot.send_message(teloxide::types::ChatId(sent.chat().0), "The bot is off tomorrow").await.unwrap();
    assert!(sent.trail().is_lost() && placeholder.trail().is_lost());
    edits(&bot, &sent, status, "Привет.").await;
    replies(&bot, &sent, "Как дела?").await;
    let trail = sent.trail();
    assert_eq!(trail.answer().unwrap().outcome, RequestOutcome::Answered("Привет. Как дела?".into()));
    assert!(!trail.is_lost() && !trail.is_duplicated());

    // Another chat, since one takes a few messages at once only.
    let doubtful = speaks(&User::new(&api, UserId(502), "Борис", "ru"));
    replies(&bot, &doubtful, "⚠️ Hard to hear.\n\nHello.").await;
    assert_eq!(doubtful.trail().answer().unwrap().outcome, RequestOutcome::Answered("Hello.".into()));
}

#[tokio::test]
async fn further_parts_belong_to_one_answer() {
    let (_api, bot, anna) = someone().await;
    let sent = speaks(&anna);
    replies(&bot, &sent, "✅ Done!\n\nFirst part").await;
    bot.send_message(teloxide::types::ChatId(sent.chat().0), "and the second").await.unwrap();
    replies(&bot, &sent, "and the third.").await;
    let trail = sent.trail();
    assert_eq!(
        trail.answer().unwrap().outcome,
        RequestOutcome::Answered("First part and the second and the third.".into())
    );
    assert!(!trail.is_duplicated());
}

#[tokio::test]
async fn two_final_answers_are_a_duplicate() {
    let (api, bot, anna) = someone().await;

    let in_two_messages = speaks(&anna);
    let first = replies(&bot, &in_two_messages, "✅ Done!\n\nText").await;
    assert!(!in_two_messages.trail().is_duplicated());
    replies(&bot, &in_two_messages, "✅ Done!\n\nText").await;
    assert!(in_two_messages.trail().is_duplicated());
    // A deleted message is no answer.
    bot.delete_message(teloxide::types::ChatId(in_two_messages.chat().0), first).await.unwrap();
    assert!(!in_two_messages.trail().is_duplicated());

    let boris = User::new(&api, UserId(502), "Борис", "ru");
    let text_and_apology = speaks(&boris);
    let status = replies(&bot, &text_and_apology, "❌ Произошла ошибка.").await;
    edits(&bot, &text_and_apology, status, "✅ Готово!\n\nТекст").await;
    assert!(text_and_apology.trail().is_duplicated());

    let vera = User::new(&api, UserId(503), "Вера", "ru");
    let not_as_a_reply = speaks(&vera);
    replies(&bot, &not_as_a_reply, "✅ Готово!\n\nТекст").await;
    bot.send_message(teloxide::types::ChatId(503), "✅ Готово!\n\nТекст").await.unwrap();
    assert!(not_as_a_reply.trail().is_duplicated());
}

#[tokio::test]
async fn an_overwritten_answer_counts_as_lost() {
    let (_api, bot, anna) = someone().await;
    let sent = speaks(&anna);
    let status = replies(&bot, &sent, "✅ Done!\n\nText").await;
    assert!(!sent.trail().is_lost());
    edits(&bot, &sent, status, "🔄 Working [██] 40%").await;
    assert!(sent.trail().is_lost());
}

#[tokio::test]
async fn a_timeout_shows_the_chat_history() {
    let (_api, bot, anna) = someone().await;
    let sent = speaks(&anna);
    replies(&bot, &sent, "📥 Loading...").await;
    let error = sent.final_answer(Duration::from_millis(20)).await.unwrap_err().to_string();
    assert!(error.starts_with("a final answer did not happen within 0.02 s"), "{error}");
    assert!(error.contains("Анна: (a file)") && error.contains("bot: \"📥 Loading...\""), "{error}");
}

// === The report ===

fn seconds(value: f64) -> Duration {
    Duration::from_secs_f64(value)
}

fn case(language: &str, reference: &str, sent: f64, started: Option<f64>, answers: &[(f64, RequestOutcome)]) -> Case {
    let answers: Vec<Answer> = answers
        .iter()
        .map(|(at, outcome)| Answer {
            outcome: outcome.clone(),
            documents: Vec::new(),
            at: seconds(*at),
            message: MessageId(2),
        })
        .collect();
    Case {
        language: language.into(),
        reference: reference.into(),
        audio: seconds(30.0),
        trail: Trail {
            sent: seconds(sent),
            delivered: Some(seconds(sent + 0.5)),
            started: started.map(seconds),
            latest: None,
            answers,
            asked: 1,
            overwritten: false,
        },
    }
}

fn answered(text: &str) -> RequestOutcome {
    RequestOutcome::Answered(text.into())
}

fn synthetic() -> SimulationReport {
    SimulationReport::of(
        &[
            case("ru", "раз два три", 1.0, Some(3.0), &[(11.5, answered("Раз, два, три."))]),
            case("en", "one two three four", 1.0, Some(11.0), &[(21.5, answered("One too three four"))]),
            case("en", "one", 2.0, None, &[(2.5, RequestOutcome::Rejected("full".into()))]),
            case("en", "one", 2.0, Some(5.0), &[(31.0, RequestOutcome::Failed("sorry".into()))]),
            case("ru", "раз", 2.0, None, &[]),
            case("ru", "раз", 2.0, Some(6.0), &[(7.0, answered("раз")), (8.0, answered("раз"))]),
            case("ru", "", 2.0, Some(7.0), &[(9.0, RequestOutcome::NoSpeech)]),
        ],
        Calls { taken: 40, too_many: 2, impatient: 1, refused: 0 },
    )
}

#[test]
fn a_report_counts_every_request_once() {
    let report = synthetic();
    let counts = [report.answered, report.no_speech, report.rejected, report.failed, report.cancelled, report.lost];
    assert_eq!(counts, [3, 1, 1, 1, 0, 1]);
    assert_eq!(report.sent, counts.iter().sum::<usize>());
    assert_eq!(report.duplicated, 1);
    assert!(!report.is_exactly_once());

    assert_eq!(report.wait_seconds, Some(Spread { mean: 4.8, p50: 4.0, p95: 10.0, max: 10.0 }));
    assert_eq!(report.end_to_end_seconds, Some(Spread { mean: 35.5 / 3.0, p50: 10.0, p95: 20.0, max: 20.0 }));
    assert_eq!(report.wall_seconds, 30.0);
    assert_eq!(report.audio_seconds, 90.0);
    assert_eq!((report.words.counts.errors, report.words.counts.words), (1, 8));
    let rates: BTreeMap<_, _> =
        report.words_by_language.iter().map(|(code, words)| (code.as_str(), words.error_rate)).collect();
    assert_eq!(rates, BTreeMap::from([("en", Some(0.25)), ("ru", Some(0.0))]));
}

#[test]
fn quantiles_are_observed_values() {
    let values = (1..=100).rev().map(Duration::from_secs);
    assert_eq!(Spread::of(values), Some(Spread { mean: 50.5, p50: 50.0, p95: 95.0, max: 100.0 }));
    assert_eq!(Spread::of([]), None);
}

#[test]
fn a_report_has_a_table_and_a_stable_json_form() {
    let report = SimulationReport { real_time_factor: Some(0.2), bot_exit: BotExit::Status(0), ..synthetic() };
    let table = report.to_string();
    for line in [
        "  sent                  7\n",
        "  lost                  1\n",
        "  duplicated            1\n",
        "  wait                  mean 4.8 s   p50 4.0 s   p95 10.0 s   max 10.0 s\n",
        "  audio                 90 s in 30.0 s: 3.0 s per second\n",
        "  real-time factor      0.200\n",
        "  word error rate       12.5 % (1 of 8 words)\n",
        "  Bot API calls         40 taken, 2 too fast (1 while told to wait), 0 refused\n",
        "  bot's exit            in order\n",
    ] {
        assert!(table.contains(line), "{line}is not in\n{table}");
    }
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");

    let value = serde_json::to_value(&report).unwrap();
    assert_eq!(value["lost"], 1);
    assert_eq!(value["wait_seconds"], json!({ "mean": 4.8, "p50": 4.0, "p95": 10.0, "max": 10.0 }));
    assert_eq!(value["words"], json!({ "errors": 1, "words": 8, "error_rate": 0.125 }));
    assert_eq!(value["bot_exit"], json!({ "status": 0 }));
}
