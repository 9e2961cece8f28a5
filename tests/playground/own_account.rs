//! A user's own account, as a second chat.

use std::time::Duration;

use stenobot_simulator::harness::{Setup, Simulation};

use crate::page::ANNA;
use crate::recordings::{asset, scripted};
use crate::scene::{PageServer, scripted_engine};

#[tokio::test]
async fn what_bea_sends_to_anna_appears_in_annas_chat_with_the_bot_until_it_is_deleted() {
    let mut voice = scripted(4, "say Are you coming tonight?");
    voice.name = "first".into();
    let model = asset("data/models/ggml-base-q8_0.bin");
    let mut setup = Setup::of(env!("CARGO_BIN_EXE_stenobot").into()).with("owner_accounts", ANNA.to_string());
    setup.models = model.parent().map(Into::into);
    setup.arguments.extend(["--engine-program".into(), scripted_engine().into()]);
    let mut simulation = Simulation::start(setup).await.unwrap();
    let server = PageServer::of(simulation.api().clone(), &[voice]).await;
    let (browser, _turn) = server.browser().await;

    browser.go(&server.page(1)).await;
    browser.until("document.querySelector('#samples button')").await;
    let link = browser.script("return document.getElementById('partner').getAttribute('href')").await;
    assert_eq!(link, "?person=9");
    let anna = browser.window().await;
    browser.new_window().await;
    browser.go(&server.page(9)).await;
    browser.until("document.querySelector('#samples button')").await;
    assert_eq!(browser.script("return document.getElementById('you').textContent").await, "Bea, person 9");
    browser.click("[data-name=first]").await;
    browser.until("document.querySelector('.message.mine')").await;
    let bea = browser.window().await;

    browser.switch(&anna).await;
    browser.until_bot_says("Are you coming tonight?").await;
    let text = "return [...document.querySelectorAll('.message:not(.mine) .text')].at(-1).textContent";
    let text = browser.script(text).await;
    // In the browser's form and time zone.
    let (heading, rest) = text.as_str().unwrap().split_once('\n').unwrap();
    assert!(heading.starts_with("👤 Bea · ") && !heading.contains("UTC"), "{text}");
    assert_eq!(rest, "✅ Done!\n\nAre you coming tonight?");

    browser.switch(&bea).await;
    assert_eq!(browser.script("return document.querySelectorAll('.message:not(.mine)').length").await, 0);
    browser.click(".message.mine .command").await;
    browser.until("!document.querySelector('.message')").await;
    browser.switch(&anna).await;
    let gone = "![...document.querySelectorAll('.message')].some((message) => message.textContent.includes('tonight'))";
    browser.until(gone).await;
    browser.check(server.url()).await;
    drop(browser);
    server.playground.stop().await;
    simulation.terminate(Duration::from_secs(30)).await.unwrap();
}
