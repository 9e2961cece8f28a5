use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use stenobot_models::Download;

/// A bar on the terminal; silent where there is none.
pub(super) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    pub(super) fn new() -> Self {
        let bar = ProgressBar::new(0);
        if let Ok(style) = ProgressStyle::with_template("{wide_msg} {bar:20} {pos}/{len} {elapsed}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar }
    }

    /// Begins something of so many steps.
    pub(super) fn begin(&self, what: String, steps: u64) {
        self.bar.set_message(what);
        self.bar.set_length(steps);
        self.bar.set_position(0);
    }

    pub(super) fn step(&self) {
        self.bar.inc(1);
    }

    /// Shows a model that is made. None is downloaded.
    pub(super) fn making(&self, event: &Download) {
        match event {
            Download::Converting { name, done, total } | Download::Receiving { name, done, total } => {
                self.bar.set_message(format!("making the weights of {name}"));
                self.bar.set_length(100);
                self.bar.set_position(done * 100 / total.max(&1));
            }
            Download::Verifying { name } | Download::Waiting { name, .. } => {
                self.bar.set_message(format!("checking {name}"));
            }
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
