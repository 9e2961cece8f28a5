//! The page as users see and use it.

use std::time::Duration;

use serde_json::{Value, json};
use stenobot_simulator::harness::{Setup, Simulation};
use stenobot_simulator::server::{Attachment, Content, Media};

use crate::recordings::{Gate, asset, scripted};
use crate::scene::{PageServer, eventually, scripted_engine};

/// User 1's id and the id of their chat.
pub(crate) const ANNA: i64 = 700_001;

#[tokio::test]
async fn two_users_queue_cancel_and_receive_their_texts() {
    let gate = Gate::new().await;
    let mut first = scripted(4, &format!("progress 40;{};say The first text.", gate.instruction()));
    let mut second = scripted(3, "say The second text.");
    (first.name, second.name) = ("first".into(), "second".into());
    let model = asset("data/models/ggml-base-q8_0.bin");
    let mut setup = Setup::of(env!("CARGO_BIN_EXE_stenobot").into()).with("progress_update_interval_seconds", "1");
    setup.models = model.parent().map(Into::into);
    setup.arguments.extend(["--engine-program".into(), scripted_engine().into()]);
    let mut simulation = Simulation::start(setup).await.unwrap();
    let server = PageServer::of(simulation.api().clone(), &[first, second]).await;
    let (browser, _turn) = server.browser().await;

    browser.go(&server.page(1)).await;
    browser.until("document.querySelector('#samples button')").await;
    browser.click("[data-name=first]").await;
    let at_gate = gate.wait_reached().await;
    browser.until_bot_says("🔄 Transcribing [").await;
    let anna = browser.window().await;

    browser.new_window().await;
    browser.go(&server.page(2)).await;
    browser.until("document.querySelector('#samples button')").await;
    assert_eq!(browser.script("return document.getElementById('you').textContent").await, "Boris, person 2");
    browser.click("[data-name=second]").await;
    browser.until_bot_says("In the queue: position 1").await;
    let shown = browser.script("return document.querySelectorAll('.message').length").await;
    assert_eq!(shown, 2, "a chat is private");
    browser.click(".buttons button").await;
    browser.until_bot_says("Cancelled.").await;
    browser.click("[data-name=second]").await;
    browser.until_bot_says("In the queue: position 1").await;

    at_gate.release();
    browser.until_bot_says("The second text.").await;
    browser.check(server.url()).await;
    browser.switch(&anna).await;
    browser.until_bot_says("The first text.").await;
    assert_eq!(
        browser.script("return document.querySelector('.message:not(.mine) .quote').innerText").await,
        "Anna\nVoice message, 0:04"
    );
    browser.check(server.url()).await;
    drop(browser);
    server.playground.stop().await;
    simulation.terminate(Duration::from_secs(30)).await.unwrap();
}

#[tokio::test]
async fn buttons_documents_and_commands_work() {
    let server = PageServer::without_bot().await;
    let (browser, _turn) = server.browser().await;
    browser.go(&server.page(1)).await;
    browser.types("#text", "hello\u{e007}").await;
    browser.until("document.querySelector('.message.mine')").await;

    let keyboard = json!({ "inline_keyboard": [[{ "text": "Cancel", "callback_data": "cancel:1" }]] });
    let sent = server
        .call("sendMessage", json!({ "chat_id": ANNA, "text": "📋 In the queue", "reply_markup": keyboard }))
        .await;
    browser.until("document.querySelector('.buttons button')").await;
    browser.click(".buttons button").await;
    let pressed = server.api.wait_for(|state| {
        state.pending.iter().map(|update| &update.content["callback_query"]).find(|query| !query.is_null()).cloned()
    });
    let pressed = eventually("the bot gets the press", pressed).await;
    assert_eq!(pressed["data"], "cancel:1");
    assert_eq!(pressed["from"]["id"], ANNA);
    assert_eq!(pressed["from"]["language_code"], "en");

    let toast = json!({ "callback_query_id": pressed["id"], "text": "Stopping it" });
    server.call("answerCallbackQuery", toast).await;
    browser.until("document.getElementById('toast').textContent === 'Stopping it'").await;
    let edit = json!({ "chat_id": ANNA, "message_id": sent["message_id"], "text": "🚫 Cancelled." });
    server.call("editMessageText", edit).await;
    browser.until_bot_says("Cancelled.").await;
    assert_eq!(browser.script("return document.querySelectorAll('.buttons').length").await, 0);

    server.send_document(ANNA, "text.srt", "1\nHello\n").await;
    browser.until("document.querySelector('a.file')").await;
    let (name, content) =
        ("return document.querySelector('a.file').download", "return document.querySelector('a.file').href");
    assert_eq!(browser.script(name).await, "text.srt");
    let href = browser.script(content).await;
    let file = reqwest::get(href.as_str().unwrap()).await.unwrap();
    assert_eq!(file.headers()["content-type"], "application/octet-stream");
    assert_eq!(file.text().await.unwrap(), "1\nHello\n");

    let commands = json!({ "commands": [{ "command": "help", "description": "What the bot can do" }] });
    server.call("setMyCommands", commands).await;
    // The menu is sent with the next change of the state, which the call itself is.
    browser.until("!document.getElementById('commands-button').hidden").await;
    browser.click("#commands-button").await;
    browser.click("#commands button").await;
    browser.until("[...document.querySelectorAll('.mine')].at(-1).innerText.includes('/help')").await;
    browser.check(server.url()).await;
}

#[tokio::test]
async fn markup_in_messages_is_shown_as_text() {
    let server = PageServer::without_bot().await;
    let (browser, _turn) = server.browser().await;
    browser.go(&server.page(1)).await;
    let hostile = "<img src=x onerror=\"document.title='taken'\"><b>bold</b>";
    browser.types("#text", hostile).await;
    browser.click("#send").await;
    browser.until("document.querySelector('.message.mine')").await;
    server
        .call("sendMessage", json!({ "chat_id": ANNA, "text": hostile, "reply_parameters": { "message_id": 1 } }))
        .await;
    browser.until("document.querySelector('.message:not(.mine)')").await;
    let texts =
        browser.script("return [...document.querySelectorAll('.text')].slice(-2).map((p) => p.textContent)").await;
    assert_eq!(texts, json!([hostile, hostile]));
    assert_eq!(browser.script("return document.querySelectorAll('#messages img, #messages b').length").await, 0);
    assert_ne!(browser.script("return document.title").await, "taken");
    browser.check(server.url()).await;
}

#[tokio::test]
async fn files_and_speech_are_sent() {
    let server = PageServer::without_bot().await;
    let (browser, _turn) = server.browser().await;
    browser.go(&server.page(1)).await;
    browser.until("document.getElementById('link').textContent === 'bot'").await;

    let folder = tempfile::tempdir().unwrap();
    let small = folder.path().join("small тест.wav");
    std::fs::write(&small, &scripted(2, "say nothing").bytes).unwrap();
    browser.types("#file", small.to_str().unwrap()).await;
    browser.until("document.querySelectorAll('.mine').length === 1").await;
    let sent = attachments(&server);
    assert_eq!((sent[0].media, sent[0].file_name.as_deref()), (Media::Audio, Some("small тест.wav")));
    assert_eq!(sent[0].duration, Duration::from_secs(2));

    let large = folder.path().join("large.wav");
    std::fs::write(&large, vec![0; 64 * 1024 + 1]).unwrap();
    browser.types("#file", large.to_str().unwrap()).await;
    browser.until("document.getElementById('toast').textContent.includes('too large')").await;

    browser.click("#record").await;
    browser.until("document.getElementById('clock').textContent === '0:01'").await;
    browser.click("#finish").await;
    browser.until("document.querySelectorAll('.mine').length === 2").await;
    let sent = attachments(&server);
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[1].media, Media::Voice);
    assert!(["audio/webm", "audio/ogg"].contains(&sent[1].mime_type.as_str()), "{}", sent[1].mime_type);
    let bytes = server.api.read(|state| state.bytes(&sent[1])).unwrap();
    assert!(bytes.len() > 1000, "{} bytes were recorded", bytes.len());
    browser.check(server.url()).await;
}

/// Anna's messages, oldest first.
fn attachments(server: &PageServer) -> Vec<Attachment> {
    server.api.read(|state| {
        let messages = state.chats.values().flat_map(|chat| chat.messages.values());
        let attachments = messages.filter_map(|message| match &message.content {
            Content::Attachment(attachment) => Some(attachment.clone()),
            Content::Text(_) | Content::Document { .. } | Content::Other(_) => None,
        });
        attachments.collect()
    })
}

#[tokio::test]
async fn a_reconnected_page_shows_missed_messages() {
    let server = PageServer::without_bot().await;
    let (browser, _turn) = server.browser().await;
    browser.go(&server.page(1)).await;
    browser.types("#text", "hello\u{e007}").await;
    browser.until("document.querySelector('.message.mine')").await;
    browser.go("about:blank").await;
    let sent = server.call("sendMessage", json!({ "chat_id": ANNA, "text": "🔄 40%" })).await;
    browser.go(&server.page(1)).await;
    browser.until_bot_says("40%").await;
    server.call("deleteMessage", json!({ "chat_id": ANNA, "message_id": sent["message_id"] })).await;
    browser.until("document.querySelectorAll('.message').length === 1").await;
    // A screen reader announces the newest message, but not every percentage.
    let one = server.call("sendMessage", json!({ "chat_id": ANNA, "text": "🔄 50%" })).await;
    browser.until("document.getElementById('announcer').textContent === '🔄 50%'").await;
    for text in ["🔄 60%", "✅ Done"] {
        server.call("editMessageText", json!({ "chat_id": ANNA, "message_id": one["message_id"], "text": text })).await;
        browser.until_bot_says(text).await;
        let said = browser.script("return document.getElementById('announcer').textContent").await;
        assert_eq!(said, if text.contains('%') { Value::from("🔄 50%") } else { Value::from(text) });
    }
    browser.check(server.url()).await;
}

#[tokio::test]
async fn a_long_answer_is_shown_from_its_top() {
    let server = PageServer::without_bot().await;
    let (browser, _turn) = server.browser().await;
    browser.go(&server.page(1)).await;
    browser.types("#text", "hello\u{e007}").await;
    browser.until("document.querySelector('.message.mine')").await;
    let sent = server.call("sendMessage", json!({ "chat_id": ANNA, "text": "🔄 40%" })).await;
    browser.until_bot_says("40%").await;
    let long = format!("✅ Done!\n\n{}", "A sentence that is said. ".repeat(160).trim());
    let edit = json!({ "chat_id": ANNA, "message_id": sent["message_id"], "text": long });
    server.call("editMessageText", edit).await;
    browser.until_bot_says("Done!").await;
    let top = "const chat = document.getElementById('chat').getBoundingClientRect(); \
               const answer = [...document.querySelectorAll('.message')].at(-1).getBoundingClientRect(); \
               return [answer.top - chat.top, answer.height > chat.height]";
    let top = browser.script(top).await;
    assert!((0.0..20.0).contains(&top[0].as_f64().unwrap()) && top[1] == true, "{top}");
    browser.until("!document.getElementById('to-end').hidden").await;
    browser.check(server.url()).await;
}

#[tokio::test]
async fn the_text_so_far_is_shown_below_the_progress_and_not_read_aloud() {
    let server = PageServer::without_bot().await;
    let (browser, _turn) = server.browser().await;
    browser.go(&server.page(1)).await;
    browser.types("#text", "hello\u{e007}").await;
    browser.until("document.querySelector('.message.mine')").await;
    let stop = json!({ "inline_keyboard": [[{ "text": "⏹️ Stop and keep", "callback_data": "1:k:1" }]] });
    let bar = |percent| format!("🔄 Transcribing [██░░] {percent}%\n⏱️ Elapsed: {percent}s");
    let sent = server.call("sendMessage", json!({ "chat_id": ANNA, "text": bar(10) })).await;
    browser.until_bot_says("10%").await;
    for (percent, spoken) in [(20, "0:00 Guten Tag."), (30, "0:00 Guten Tag.\n\n0:32 Auf Wiedersehen.")] {
        let text = format!("{}\n\n{spoken}", bar(percent));
        let mut edit = json!({ "chat_id": ANNA, "message_id": sent["message_id"], "text": text });
        edit["reply_markup"] = stop.clone();
        server.call("editMessageText", edit).await;
        browser.until_bot_says(spoken.lines().last().unwrap()).await;
        let shown = browser.script("return [...document.querySelectorAll('.text')].at(-1).textContent").await;
        assert_eq!(shown, text);
        // The bot's own words are in the language of the user, the text in one that is not known.
        let own = browser.script("return [...document.querySelectorAll('.text')].at(-1).firstChild.textContent").await;
        assert_eq!(own, bar(percent));
        let aloud = browser.script("return document.getElementById('announcer').textContent").await;
        assert_eq!(aloud, bar(10));
    }
    assert_eq!(
        browser.script("return document.querySelector('.buttons button').textContent").await,
        "⏹️ Stop and keep"
    );
    browser.check(server.url()).await;
}

#[tokio::test]
async fn a_folded_text_is_opened_and_a_short_one_copied() {
    let server = PageServer::without_bot().await;
    let (browser, _turn) = server.browser().await;
    browser.go(&server.page(1)).await;
    browser.types("#text", "hello\u{e007}").await;
    browser.until("document.querySelector('.message.mine')").await;
    // The sign is of one unit, the headphones of two.
    let paragraphs = format!("0:00 {}\n\n0:32 🎧 The end.", "A sentence that is said. ".repeat(30).trim());
    let text = format!("✅ Done!\n\n{paragraphs}");
    let fold = json!([{ "type": "expandable_blockquote", "offset": 9, "length": paragraphs.encode_utf16().count() }]);
    server.call("sendMessage", json!({ "chat_id": ANNA, "text": text, "entities": fold })).await;
    browser.until("document.querySelector('.fold .words')").await;
    let words = browser.script("return document.querySelector('.fold .words').textContent").await;
    assert_eq!(words, paragraphs);
    let heights = "const words = document.querySelector('.fold .words'); \
                   return [words.clientHeight, words.scrollHeight, document.querySelector('.fold-toggle').textContent]";
    let closed = browser.script(heights).await;
    assert!(closed[0].as_f64() < closed[1].as_f64() && closed[2] == "Show all", "{closed}");
    browser.click(".fold-toggle").await;
    let open = browser.script(heights).await;
    assert!(open[0] == open[1] && open[2] == "Show less", "{open}");
    // It stays open when the message changes.
    let keyboard = json!({ "inline_keyboard": [[{ "text": "📋 Copy", "copy_text": { "text": "The end." } }]] });
    let mut edit = json!({ "chat_id": ANNA, "message_id": 2, "text": text, "entities": fold });
    edit["reply_markup"] = keyboard;
    server.call("editMessageText", edit).await;
    browser.until("document.querySelector('.buttons button')").await;
    assert_eq!(browser.script("return document.querySelector('.fold-toggle').textContent").await, "Show less");
    let taken = "navigator.clipboard.writeText = async (text) => { window.taken = text; }";
    browser.script(taken).await;
    browser.click(".buttons button").await;
    browser.until("window.taken === 'The end.'").await;
    browser.until("document.getElementById('toast').textContent === 'Copied'").await;
    assert!(server.api.read(|state| state.pending.iter().all(|update| update.content["callback_query"].is_null())));
    browser.check(server.url()).await;
}

#[tokio::test]
async fn underlined_words_are_shown_in_a_text_and_in_a_folded_one() {
    let server = PageServer::without_bot().await;
    let (browser, _turn) = server.browser().await;
    browser.go(&server.page(1)).await;
    browser.types("#text", "hello\u{e007}").await;
    browser.until("document.querySelector('.message.mine')").await;
    let text = "✅ Done!\n\nOne doubted 🙂 word, and another";
    let part = |kind: &str, part: &str| {
        let units = |text: &str| text.encode_utf16().count();
        let at = text.find(part).unwrap();
        json!({ "type": kind, "offset": units(&text[..at]), "length": units(part) })
    };
    let words = [part("underline", "doubted"), part("underline", "another")];
    for folded in [None, Some(part("expandable_blockquote", "One doubted 🙂 word, and another"))] {
        let entities: Vec<_> = folded.into_iter().chain(words.clone()).collect();
        server.call("sendMessage", json!({ "chat_id": ANNA, "text": text, "entities": entities })).await;
    }
    browser.until("document.querySelectorAll('u').length === 4").await;
    let underlined = "return [...document.querySelectorAll('u')].map((word) => word.textContent)";
    assert_eq!(browser.script(underlined).await, json!(["doubted", "another", "doubted", "another"]));
    let shown = "return [...document.querySelectorAll('.message:not(.mine) .text')].map((text) => text.innerText.includes('One doubted 🙂 word, and another'))";
    assert_eq!(browser.script(shown).await, json!([true, true]), "nothing else of the text is changed");
    browser.check(server.url()).await;
}

#[tokio::test]
async fn a_time_is_shown_in_the_zone_of_the_browser() {
    let server = PageServer::without_bot().await;
    let (browser, _turn) = server.browser().await;
    browser.go(&server.page(1)).await;
    browser.types("#text", "hello\u{e007}").await;
    browser.until("document.querySelector('.message.mine')").await;
    let text = "👤 Bea · 2026-11-24 05:42 UTC\n✅ Done!\n\nA sentence.";
    let entities = json!([
        { "type": "date_time", "offset": 9, "length": 20, "unix_time": 1_795_498_920, "date_time_format": "dt" },
        { "type": "expandable_blockquote", "offset": 39, "length": 11 },
    ]);
    server.call("sendMessage", json!({ "chat_id": ANNA, "text": text, "entities": entities })).await;
    browser.until("document.querySelector('.message time')").await;
    let shown = "const time = document.querySelector('.message time'); \
                 const here = new Date(time.dateTime).toLocaleString(document.getElementById('language').value, \
                 { dateStyle: 'short', timeStyle: 'short' }); \
                 return [time.dateTime, time.textContent === here, \
                 time.closest('.bubble').innerText.replace(here, 'HERE').replace(/\\n+/g, ' ')]";
    let shown = browser.script(shown).await;
    assert_eq!(shown[0], "2026-11-24T05:42:00.000Z");
    assert_eq!(shown[1], true, "{shown}");
    assert!(shown[2].as_str().unwrap().starts_with("👤 Bea · HERE ✅ Done! A sentence."), "{shown}");
    browser.check(server.url()).await;
}

#[tokio::test]
async fn a_time_in_a_text_plays_the_recording_from_there() {
    let mut voice = scripted(8, "say nothing");
    voice.name = "first".into();
    let server = PageServer::of(PageServer::without_bot().await.api, &[voice]).await;
    let (browser, _turn) = server.browser().await;
    browser.go(&server.page(1)).await;
    browser.until("document.querySelector('#samples button')").await;
    browser.click("[data-name=first]").await;
    browser.until("document.querySelector('.message.mine')").await;
    // A time within a paragraph is a word.
    let paragraphs = "0:00 Be there at 0:04 sharp.\n\n0:05 And 1:00:00 later.";
    let unfolded = json!({ "chat_id": ANNA, "text": format!("✅ Done!\n\n{paragraphs}") });
    server.call("sendMessage", unfolded.clone()).await;
    browser.until_bot_says("later").await;
    let times = "return [...document.querySelectorAll('.time')].map((time) => time.textContent)";
    assert_eq!(browser.script(times).await, json!([]), "a text that replies to nothing has nothing to play");
    let mut reply = unfolded;
    reply["reply_parameters"] = json!({ "message_id": 1 });
    server.call("sendMessage", reply).await;
    browser.until("document.querySelector('.time')").await;
    assert_eq!(browser.script(times).await, json!(["0:00", "0:05"]));
    browser.click(".time + .time").await;
    browser.until("document.querySelector('.mine .round use[href=\"#i-pause\"]')").await;
    let at = browser.script("return audio.currentTime").await;
    assert!((5.0..8.0).contains(&at.as_f64().unwrap()), "{at}");
    browser.check(server.url()).await;
}

#[tokio::test]
async fn a_headed_text_has_its_own_language_and_its_stages_are_read_aloud() {
    let server = PageServer::without_bot().await;
    let (browser, _turn) = server.browser().await;
    browser.go(&server.page(1)).await;
    browser.types("#text", "hello\u{e007}").await;
    browser.until("document.querySelector('.message.mine')").await;
    let heading = "👤 Bea · 2026-11-29 14:02 UTC";
    let text = |rest: &str| format!("{heading}\n{rest}");
    let sent = server.call("sendMessage", json!({ "chat_id": ANNA, "text": text("🔄 Transcribing [██░░] 40%") })).await;
    browser.until_bot_says("40%").await;
    for (rest, is_aloud) in [("🔄 Transcribing [███░] 70%", false), ("✅ Done!\n\nSee /help tomorrow", true)]
    {
        let edit = json!({ "chat_id": ANNA, "message_id": sent["message_id"], "text": text(rest) });
        server.call("editMessageText", edit).await;
        browser.until_bot_says(rest.lines().last().unwrap()).await;
        let aloud = browser.script("return document.getElementById('announcer').textContent").await;
        assert_eq!(aloud == text(rest), is_aloud, "{aloud}");
    }
    let own = browser.script("return document.querySelector('.message:not(.mine) .text [lang]').textContent").await;
    assert_eq!(own, text("✅ Done!"));
    // Speech is no command.
    assert_eq!(browser.script("return document.querySelectorAll('.command').length").await, 0);
    browser.check(server.url()).await;
}

#[tokio::test]
async fn a_page_whose_playground_has_ended_says_what_to_do() {
    let server = PageServer::without_bot().await;
    let (browser, _turn) = server.browser().await;
    browser.go(&server.page(1)).await;
    browser.until("document.getElementById('link').textContent === 'bot'").await;
    assert_eq!(browser.script("return document.getElementById('ended').hidden").await, true);
    server.playground.stop().await;
    browser.until("!document.getElementById('ended').hidden").await;
    let banner = browser.script("return document.getElementById('ended').innerText").await;
    assert!(banner.as_str().unwrap().contains("./dev playground"), "{banner}");
    let disabled =
        "return [...document.querySelectorAll('#composer button, #composer textarea')].every((one) => one.disabled)";
    assert_eq!(browser.script(disabled).await, true);
    assert_eq!(browser.script("return document.getElementById('link').textContent").await, "ended");
}

#[tokio::test]
async fn commands_in_messages_are_sent_by_a_click() {
    let server = PageServer::without_bot().await;
    let (browser, _turn) = server.browser().await;
    browser.go(&server.page(1)).await;
    browser.types("#text", "hello\u{e007}").await;
    browser.until("document.querySelector('.message.mine')").await;
    let text = "More: /help, as (/queue) or and/or https://example.org/path @bot/x";
    server.call("sendMessage", json!({ "chat_id": ANNA, "text": text })).await;
    browser.until_bot_says("More").await;
    let commands = "return [...document.querySelectorAll('.message:not(.mine) .command')].map((one) => one.innerText)";
    assert_eq!(browser.script(commands).await, json!(["/help", "/queue"]));
    browser.click(".command").await;
    browser.until("[...document.querySelectorAll('.mine')].at(-1).innerText.includes('/help')").await;
    browser.check(server.url()).await;
}

#[tokio::test]
async fn the_waveform_shows_the_loudness_of_the_recording() {
    let mut voice = scripted(4, "say nothing");
    voice.bytes = half_silent().into();
    voice.name = "half".into();
    let server = PageServer::of(PageServer::without_bot().await.api, &[voice]).await;
    let (browser, _turn) = server.browser().await;
    browser.go(&server.page(1)).await;
    browser.until("document.querySelector('#samples button')").await;
    browser.click("[data-name=half]").await;
    browser.until("document.querySelector('.wave i')?.style.height").await;
    let heights = "return [...document.querySelectorAll('.wave i')].map((bar) => parseFloat(bar.style.height))";
    let heights: Vec<f64> = serde_json::from_value(browser.script(heights).await).unwrap();
    let (quiet, loud) = heights.split_at(heights.len() / 2);
    assert!(quiet.iter().all(|height| *height < 4.0) && loud.iter().all(|height| *height > 20.0), "{heights:?}");
    browser.check(server.url()).await;
}

/// Two seconds of silence, then two of a square wave, as a WAV file with 8000 samples of one byte a second.
fn half_silent() -> Vec<u8> {
    let samples = (0..32_000_u32).map(|at| if at < 16_000 { 128 } else { 64 + 128 * u8::from(at % 16 < 8) });
    let mut wav =
        b"RIFF\x24\x7d\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x40\x1f\0\0\x01\0\x08\0data\0\x7d\0\0".to_vec();
    wav.extend(samples);
    wav
}
