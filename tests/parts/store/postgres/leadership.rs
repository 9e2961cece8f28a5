//! One machine leads.

use std::time::Duration;

use stenobot_simulator::link::Link;
use tokio::time::{Instant, timeout};

use super::{database, open};

/// The take-over that is promised.
const TAKE_OVER: Duration = Duration::from_secs(5);

#[tokio::test]
async fn another_machine_leads_at_once_when_the_leader_ends() {
    let Some((_, url)) = database("leadership").await else { return };
    let (one, two) = (open(&url).await, open(&url).await);
    let mut first = one.lead();
    timeout(TAKE_OVER, first.gained()).await.expect("the only candidate leads");
    let mut second = two.lead();
    assert!(timeout(TAKE_OVER, second.gained()).await.is_err(), "both lead");
    drop(first);
    timeout(TAKE_OVER, second.gained()).await.expect("the other takes over");
}

#[tokio::test]
async fn a_leader_that_is_cut_off_stops_before_another_starts() {
    let Some((server, url)) = database("leadership across a cut").await else { return };
    let link = Link::to(server.address()).await.unwrap();
    let name = url.rsplit_once('/').unwrap().1;
    let (one, two) = (open(&server.url_through(&link, name)).await, open(&url).await);
    for round in 0..2 {
        let mut first = one.lead();
        timeout(TAKE_OVER, first.gained()).await.expect("the only candidate leads");
        let mut second = two.lead();
        let cut = Instant::now();
        link.cut();
        let (lost, gained) = tokio::join!(
            async {
                first.lost().await;
                cut.elapsed()
            },
            async {
                second.gained().await;
                cut.elapsed()
            }
        );
        assert!(lost < gained, "round {round}: lost after {lost:?}, gained after {gained:?}");
        assert!(gained < TAKE_OVER, "round {round}: {gained:?}");
        assert!(!first.leads());
        drop(second);
        link.heal();
        timeout(2 * TAKE_OVER, first.gained()).await.expect("it leads again when it can");
    }
}
