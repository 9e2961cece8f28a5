//! Accessibility: axe-core's rules, the keyboard, and what the page says to a screen reader.

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::page::ANNA;
use crate::recordings::{asset, scripted};
use crate::scene::PageServer;

/// Width and height in CSS pixels.
const SIZES: [(u32, u32); 2] = [(1280, 800), (390, 844)];

/// Runs all of axe's rules; panics with the violations.
async fn assert_no_violations(browser: &Browser, state: &str) {
    let axe = std::fs::read_to_string(asset("data/packages/axe/axe_playwright_python/axe.min.js")).unwrap();
    browser.script(&format!("if (!window.axe) {{ {axe}\n }}")).await;
    let report = browser
        .script_async(
            "const done = arguments[arguments.length - 1];
             const facts = ({ id, help, nodes }) => ({ id, help, nodes: nodes.map((node) => [node.html, node.failureSummary]) });
             axe.run().then(({ passes, violations }) => done({ passes: passes.length, violations: violations.map(facts) }))",
        )
        .await;
    assert!(report["passes"].as_u64().unwrap() > 20, "{report:#}");
    assert_eq!(report["violations"], json!([]), "{state}: {:#}", report["violations"]);
}

/// A chat with all that the page can show.
async fn full_page() -> PageServer {
    let (mut first, mut second) = (scripted(4, "say nothing"), scripted(3, "say nothing"));
    (first.name, second.name) = ("first".into(), "second".into());
    PageServer::of(PageServer::without_bot().await.api, &[first, second]).await
}

async fn fill(server: &PageServer, browser: &Browser) {
    browser.until("document.querySelector('#samples button')").await;
    browser.click("#composer").await;
    browser.script("document.querySelector('[data-name=first]').click()").await;
    browser.until("document.querySelector('.message.mine')").await;
    let keyboard = json!({ "inline_keyboard": [[{ "text": "✖️ Cancel", "callback_data": "cancel:1" }]] });
    for (text, keyboard) in
        [("📋 In the queue: position 1", Some(keyboard)), ("✅ Done!\n\nAll is well. See /help", None)]
    {
        let mut message = json!({ "chat_id": ANNA, "text": text, "reply_parameters": { "message_id": 1 } });
        if let Some(keyboard) = keyboard {
            message["reply_markup"] = keyboard;
        }
        server.call("sendMessage", message).await;
        browser.until_bot_says(text.lines().next().unwrap()).await;
    }
    let reaction = json!({ "chat_id": ANNA, "message_id": 1, "reaction": [{ "type": "emoji", "emoji": "👀" }] });
    server.call("setMessageReaction", reaction).await;
    browser.until("document.querySelector('.reaction')").await;
    let long = "0:00 A sentence that is said. ".repeat(20);
    let fold = json!([{ "type": "expandable_blockquote", "offset": 9, "length": long.trim().len() }]);
    let folded = format!("✅ Done!\n\n{}", long.trim());
    let mut folded = json!({ "chat_id": ANNA, "text": folded, "entities": fold });
    folded["reply_parameters"] = json!({ "message_id": 1 });
    server.call("sendMessage", folded).await;
    browser.until("document.querySelector('.fold .time')").await;
    server.call("sendMessage", json!({ "chat_id": ANNA, "text": "More: /help" })).await;
    browser.until_bot_says("More: /help").await;
    server.send_document(ANNA, "voice-2026-11-29-0542.srt", "1\nHello\n").await;
    browser.until("document.querySelector('a.file')").await;
    let commands = json!({ "commands": [
        { "command": "help", "description": "What the bot can do" },
        { "command": "queue", "description": "My recordings" },
        { "command": "privacy", "description": "What is kept" },
    ]});
    server.call("setMyCommands", commands).await;
    browser.until("document.querySelectorAll('#commands button').length === 3").await;
}

#[tokio::test]
async fn axe_finds_no_violations_in_both_themes_on_desktop_and_phone() {
    let server = full_page().await;
    let (browser, _turn) = server.browser().await;
    browser.go(&server.page(1)).await;
    assert_no_violations(&browser, "an empty chat").await;
    fill(&server, &browser).await;
    for (width, height) in SIZES {
        browser.resize(width, height).await;
        for theme in ["light", "dark"] {
            let state = |what: &str| format!("{what}, {theme}, {width} x {height}");
            browser.emulate(theme, "none").await;
            browser.until(&format!("document.documentElement.dataset.theme === '{theme}'")).await;
            browser.script("toast('Stopping it')").await;
            assert_no_violations(&browser, &state("the chat")).await;
            browser.script("document.getElementById('commands').showPopover()").await;
            assert_no_violations(&browser, &state("the menu")).await;
            browser.script("document.getElementById('commands').hidePopover(); openSide(true)").await;
            assert_no_violations(&browser, &state("the side")).await;
            browser.script("openSide(false)").await;
        }
    }
    browser.check(server.url()).await;
    server.playground.stop().await;
    browser.until("!document.getElementById('ended').hidden").await;
    for theme in ["dark", "light"] {
        browser.emulate(theme, "none").await;
        browser.until(&format!("document.documentElement.dataset.theme === '{theme}'")).await;
        assert_no_violations(&browser, &format!("the end, {theme}")).await;
    }
}

/// What has the focus: its id, its name in the list of recordings, or its first line.
async fn focused(browser: &Browser) -> String {
    let script = "const at = document.activeElement; return at.id || at.dataset.name || at.innerText.split('\\n')[0]";
    browser.script(script).await.as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_keyboard_reaches_everything_in_few_steps() {
    const TAB: &str = "\u{e004}";
    const UP: &str = "\u{e013}";
    const DOWN: &str = "\u{e015}";
    const HOME: &str = "\u{e011}";
    const END: &str = "\u{e010}";
    let server = full_page().await;
    let (browser, _turn) = server.browser().await;
    browser.go(&server.page(1)).await;
    fill(&server, &browser).await;

    browser.script("document.activeElement.blur()").await;
    browser.go(&server.page(1)).await;
    browser.until("document.querySelector('#samples button')").await;
    browser.keys(TAB).await;
    assert_eq!(focused(&browser).await, "Skip to the message field");
    for (key, wanted) in [(TAB, "another"), (TAB, "partner"), (TAB, "group"), (TAB, "language"), (TAB, "first")] {
        browser.keys(key).await;
        assert_eq!(focused(&browser).await, wanted);
    }
    for (key, wanted) in [(DOWN, "second"), (DOWN, "first"), (END, "second"), (HOME, "first"), (TAB, "theme")] {
        browser.keys(key).await;
        assert_eq!(focused(&browser).await, wanted);
    }

    browser.click("#commands-button").await;
    // The menu reports that it is open, and takes the focus, after the click has ended.
    browser.until("document.activeElement.closest('#commands')").await;
    for (key, wanted) in [("", "/help"), (END, "/privacy"), (DOWN, "/help"), (UP, "/privacy"), (HOME, "/help")] {
        browser.keys(key).await;
        assert_eq!(focused(&browser).await, wanted);
    }
    browser.keys("\u{e00c}").await;

    browser.script("document.querySelector('[data-name=second]').focus()").await;
    browser.keys("\u{e007}").await;
    browser.until("document.querySelectorAll('.mine').length === 2").await;
    browser.until("document.activeElement.id === 'chat'").await;
    browser.check(server.url()).await;
}

#[tokio::test]
async fn texts_have_languages_and_groups_of_buttons_have_names() {
    let server = full_page().await;
    let (browser, _turn) = server.browser().await;
    browser.go(&server.page(1)).await;
    fill(&server, &browser).await;
    let name = browser.script("return document.querySelector('.buttons[role=group]').getAttribute('aria-label')").await;
    assert_eq!(name, "Buttons of: 📋 In the queue: position 1");
    let langs =
        "return [...document.querySelectorAll('#language option')].every((option) => option.lang === option.value)";
    assert_eq!(browser.script(langs).await, true);
    // A transcript may be in another language than the words of the bot around it.
    let marked = "return [...document.querySelectorAll('.message:not(.mine) .text [lang]')].map((own) => [own.lang, own.innerText])";
    let wanted = [("en", "📋 In the queue: position 1"), ("en", "✅ Done!"), ("en", "✅ Done!"), ("en", "More: /help")];
    assert_eq!(browser.script(marked).await, json!(wanted));
    browser.resize(390, 844).await;
    let headings = "return [...document.querySelectorAll('h1')].filter((h1) => h1.checkVisibility({ visibilityProperty: true })).map((h1) => h1.innerText)";
    assert_eq!(browser.script(headings).await, json!(["Stenobot"]));
}

#[tokio::test]
async fn edges_are_visible_in_forced_colours() {
    let server = full_page().await;
    let (browser, _turn) = server.browser().await;
    browser.go(&server.page(1)).await;
    fill(&server, &browser).await;
    browser.emulate("light", "active").await;
    browser.until("matchMedia('(forced-colors: active)').matches").await;
    let widths = "return ['.bubble', '#typing', '.buttons button', '.file .round'].map((part) => \
                  getComputedStyle(document.querySelector(part)).borderTopWidth)";
    assert_eq!(browser.script(widths).await, Value::from(vec!["1px"; 4]));
}
