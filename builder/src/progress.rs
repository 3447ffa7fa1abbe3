//! What the user sees while a build works, on standard error: one line for each
//! step, with its time; on a terminal it lives while the step runs.

use std::cell::Cell;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::text::duration;

/// How often a living line is written again.
const REFRESH: Duration = Duration::from_millis(200);
/// The first estimate of the time that is left comes after this time.
const ESTIMATE_AFTER: Duration = Duration::from_secs(5);

/// How much the user wants to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Silent,
    Steps,
    Reasons,
}

/// The teller of a build's progress.
#[derive(Debug)]
pub struct Progress {
    level: Level,
    terminal: bool,
}

impl Progress {
    /// Tells the steps that run; with `verbose` also why, and those that need not.
    pub fn new(verbose: bool) -> Self {
        let level = if verbose { Level::Reasons } else { Level::Steps };
        Self { level, terminal: io::stderr().is_terminal() }
    }

    /// Tells nothing.
    pub fn silent() -> Self {
        Self { level: Level::Silent, terminal: false }
    }

    /// Tells something that the user should know but that stops nothing.
    pub fn notice(&self, text: &str) {
        if self.level != Level::Silent {
            self.print(&format!("notice: {text}\n"));
        }
    }

    /// Tells that a step need not run.
    pub fn cached(&self, what: &str) {
        if self.level == Level::Reasons {
            self.print(&format!("{what}: nothing changed\n"));
        }
    }

    /// Tells why a step has to run.
    pub fn reason(&self, what: &str, why: &str) {
        if self.level == Level::Reasons {
            self.print(&format!("{what}: runs, {why}\n"));
        }
    }

    /// Begins the line of a step.
    pub fn begin<'a>(&'a self, what: &'a str) -> Line<'a> {
        let now = Instant::now();
        let line = Line { progress: self, what, start: now, shown: Cell::new(now) };
        line.show("");
        line
    }

    /// Standard error may be closed or full; a build goes on without it.
    fn print(&self, text: &str) {
        let clear = if self.terminal { "\r\x1b[K" } else { "" };
        let _ = write!(io::stderr(), "{clear}{text}");
    }
}

/// The line of a running step.
pub struct Line<'a> {
    progress: &'a Progress,
    what: &'a str,
    start: Instant,
    shown: Cell<Instant>,
}

impl Line<'_> {
    /// Tells how far the step is: units done, and in all where that is known.
    pub fn update(&self, done: u64, total: Option<u64>) {
        if self.shown.get().elapsed() < REFRESH {
            return;
        }
        self.shown.set(Instant::now());
        let spent = self.start.elapsed();
        let mut text = match total {
            Some(total) => format!(" {done} of about {}", total.max(done)),
            None => format!(" {done}"),
        };
        let _ = write!(text, ", {}", duration(spent));
        if let Some(left) = total.and_then(|total| time_left(spent, done, total)) {
            let _ = write!(text, ", about {} left", duration(left));
        }
        self.show(&text);
    }

    fn show(&self, text: &str) {
        if self.progress.terminal && self.progress.level != Level::Silent {
            self.progress.print(&format!("{} …{text}", self.what));
        }
    }

    /// Ends the line with the step's time.
    pub fn done(self) {
        if self.progress.level != Level::Silent {
            self.progress.print(&format!("{}: {}\n", self.what, duration(self.start.elapsed())));
        }
    }
}

impl Drop for Line<'_> {
    /// What comes after a step that failed does not stand on its living line.
    fn drop(&mut self) {
        if self.progress.level != Level::Silent {
            self.progress.print("");
        }
    }
}

fn time_left(spent: Duration, done: u64, total: u64) -> Option<Duration> {
    if spent < ESTIMATE_AFTER || done == 0 || total <= done {
        return None;
    }
    let left = u32::try_from(total - done).ok()?;
    Some(spent / u32::try_from(done).ok()? * left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_follows_from_what_is_done() {
        let spent = Duration::from_secs(10);
        assert_eq!(time_left(spent, 25, 100), Some(Duration::from_secs(30)));
        assert_eq!(time_left(spent, 0, 100), None);
        assert_eq!(time_left(spent, 120, 100), None);
        assert_eq!(time_left(Duration::from_secs(1), 25, 100), None);
    }
}
