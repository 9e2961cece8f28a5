//! The lifecycle has the stages it has.
use stenobot_store::RequestUpdate;
use stenobot_domain::StageName;
use stenobot::request::{CommittedRow, DeliverFailure, Stage};

struct Shortcut;

impl Stage for Shortcut {
    const NAME: StageName = StageName::Done;
    type Failure = DeliverFailure;
    type Entered = ();

    fn update(&self) -> RequestUpdate {
        RequestUpdate::default()
    }

    fn enter(self, _row: CommittedRow) {}
}

fn main() {}
