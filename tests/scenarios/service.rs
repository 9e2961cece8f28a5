//! The bot under a service manager, with the settings file that a reload reads again.

use std::collections::VecDeque;
use std::time::Duration;

use rustix::process::Signal;
use stenobot_simulator::harness::Simulation;
use tokio::net::UnixDatagram;

use crate::pages::page;
use crate::recordings::{asset, scripted};
use crate::scene::{Scene, bot_with_engine, eventually, signal, stand_in};

/// The service manager's side of the socket.
struct Manager {
    socket: UnixDatagram,
    received: VecDeque<String>,
}

impl Manager {
    /// The next message with this assignment; earlier ones are dropped.
    async fn wait_for_message(&mut self, wanted: &str) -> String {
        let found = async {
            loop {
                while let Some(message) = self.received.pop_front() {
                    if message.lines().any(|line| line.starts_with(wanted)) {
                        return message;
                    }
                }
                let mut buffer = [0; 1024];
                let length = self.socket.recv(&mut buffer).await.unwrap();
                self.received.push_back(String::from_utf8(buffer[..length].to_vec()).unwrap());
            }
        };
        eventually(wanted, found).await
    }
}

#[tokio::test]
async fn the_service_manager_is_notified_of_start_progress_reload_and_stop() {
    let mut setup = bot_with_engine(&stand_in(), &[]);
    // As in the shipped unit file.
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("stenobot.toml");
    std::fs::copy(asset("deploy/config/stenobot.toml"), &config).unwrap();
    setup.arguments.splice(0..0, ["--config".into(), config.clone().into()]);
    let mut simulation = Simulation::prepare(setup).await.unwrap();
    let socket = folder.path().join("notify");
    let mut manager = Manager { socket: UnixDatagram::bind(&socket).unwrap(), received: VecDeque::new() };
    simulation.set_variable("NOTIFY_SOCKET", socket.to_str());
    simulation.set_variable("WATCHDOG_USEC", Some("3000000"));
    simulation.restart().await.unwrap();
    let mut scene = Scene::of(simulation);

    assert_eq!(manager.wait_for_message("READY=").await, "READY=1");
    for _ in 0..3 {
        manager.wait_for_message("WATCHDOG=1").await;
    }
    let sent = scene.send_voice(&scripted(3, "say раз"));
    assert_eq!(scene.text(&sent).await, "раз");
    assert_eq!(page(&scene.bot, "/readyz").await.0, 200);
    assert_eq!(scene.bot.metrics().await.unwrap().value("stenobot_ready"), Some(1.0));

    // The line of the file with another value.
    let shipped = std::fs::read_to_string(&config).unwrap();
    let edited = shipped.replace("# max_queue_size = 50\n", "max_queue_size = 3\n");
    assert_ne!(edited, shipped);
    std::fs::write(&config, edited).unwrap();
    let pid = scene.bot.process().unwrap().pid();
    signal(pid, Signal::HUP);
    let announced = manager.wait_for_message("RELOADING=1").await;
    let usec = announced.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC=")).unwrap();
    assert!(usec.parse::<u64>().unwrap() > 0);
    assert_eq!(manager.wait_for_message("READY=").await, "READY=1");
    assert_eq!(scene.bot.metrics().await.unwrap().value("stenobot_queue_limit"), Some(3.0));

    let stopping = tokio::time::timeout(Duration::from_secs(60), manager.wait_for_message("STOPPING=1"));
    let (_, stopping) = tokio::join!(scene.shut_down(), stopping);
    assert!(stopping.is_ok());
}
