//! A group with the bot, as a chat of its own: the state of a request is a reaction on the recording.

use std::time::Duration;

use serde_json::json;
use stenobot_simulator::harness::{Setup, Simulation};

use crate::recordings::{Gate, asset, scripted};
use crate::scene::{PageServer, scripted_engine};

#[tokio::test]
async fn in_a_group_a_reaction_shows_the_state_until_the_text_is_there() {
    let gate = Gate::new().await;
    let mut spoken = scripted(4, &format!("{};say See you all tomorrow.", gate.instruction()));
    let mut silent = scripted(3, "wait 10");
    (spoken.name, silent.name) = ("spoken".into(), "silent".into());
    let model = asset("data/models/ggml-base-q8_0.bin");
    let mut setup = Setup::of(env!("CARGO_BIN_EXE_stenobot").into());
    setup.models = model.parent().map(Into::into);
    setup.arguments.extend(["--engine-program".into(), scripted_engine().into()]);
    let mut simulation = Simulation::start(setup).await.unwrap();
    let server = PageServer::of(simulation.api().clone(), &[spoken, silent]).await;
    let (browser, _turn) = server.browser().await;

    browser.go(&server.page(1)).await;
    browser.until("document.querySelector('#samples button')").await;
    let link = browser.script("return document.getElementById('group').getAttribute('href')").await;
    assert_eq!(link, "?person=10");
    browser.go(&server.page(10)).await;
    browser.until("document.querySelector('#samples button')").await;
    assert_eq!(browser.script("return document.getElementById('you').textContent").await, "Kim, person 10");
    assert_eq!(browser.script("return document.querySelector('.title h1').textContent").await, "Friends (group)");
    // The menu of groups.
    browser.until("[...document.querySelectorAll('#commands b')].some((name) => name.textContent === '/auto')").await;
    browser.click("#try").await;
    browser.until_bot_says("👥").await;

    browser.click("[data-name=spoken]").await;
    let at_gate = gate.wait_reached().await;
    browser.until("document.querySelector('.mine .reaction')").await;
    let reaction =
        "const one = document.querySelector('.mine .reaction'); return [one.textContent, one.ariaLabel, one.role]";
    assert_eq!(browser.script(reaction).await, json!(["👀", "Reaction of Stenobot: 👀", "img"]));
    browser.until("document.getElementById('announcer').textContent === 'Stenobot reacts: 👀'").await;
    assert_eq!(browser.script("return document.querySelectorAll('.message:not(.mine)').length").await, 1);
    at_gate.release();
    browser.until_bot_says("See you all tomorrow.").await;
    browser.until("!document.querySelector('.reaction')").await;

    browser.click("[data-name=silent]").await;
    browser
        .until("[...document.querySelectorAll('.mine')].at(-1).querySelector('.reaction')?.textContent === '🤷'")
        .await;
    browser.check(server.url()).await;
    drop(browser);
    server.playground.stop().await;
    simulation.terminate(Duration::from_secs(30)).await.unwrap();
}
