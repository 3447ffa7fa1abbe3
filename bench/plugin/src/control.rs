//! The host's end: one word a line comes in, one line goes out.
//!
//! ```text
//! count    -> the instructions since the start of QEMU
//! work     -> those that no wait is part of, and whether the guest waits: `N idle`
//! phases   -> whether the symbols fit the kernel, and the moments of the start that
//!             have come, with commas between: `true entry,kernel`
//! start    -> ok: counting begins at zero
//! lap      -> ok: a lap ends here and another one begins; `start` begins the first
//! stop     -> ok: what was counted stays as it is
//! read     -> a JSON object with what was counted between `start` and `stop`
//! laps     -> the sum of the cheaper half of the laps without its cheapest fifth, and
//!             how many these are
//! ```

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::sync::PoisonError;

use crate::Plugin;
use crate::snapshot::{Difference, Snapshot, symbols_fit};

pub(crate) fn serve(stream: UnixStream) {
    let Ok(mut answers) = stream.try_clone() else { return };
    let Some(plugin) = Plugin::get() else { return };
    let mut meter = Meter::default();
    for line in BufReader::new(stream).lines() {
        let Ok(line) = line else { return };
        let answer = meter.answer(plugin, &line);
        if writeln!(answers, "{answer}").is_err() {
            return;
        }
    }
}

/// What was asked for so far.
#[derive(Default)]
struct Meter {
    from: Option<Snapshot>,
    to: Option<Snapshot>,
    /// Where the lap that runs now began.
    lap: Option<Snapshot>,
    laps: Vec<Difference>,
}

impl Meter {
    fn answer(&mut self, plugin: &Plugin, word: &str) -> String {
        match word {
            "count" => plugin.cells.total.get().to_string(),
            "work" => {
                let mut tracker = plugin.tracker();
                let work = tracker.work(plugin.now());
                format!("{work} {}", if tracker.is_waiting() { "idle" } else { "busy" })
            }
            "phases" => {
                let phases = plugin.phases.lock().unwrap_or_else(PoisonError::into_inner);
                let names: Vec<&str> = phases.keys().copied().collect();
                format!("{} {}", symbols_fit(plugin), names.join(","))
            }
            "start" => {
                let from = Snapshot::take(plugin);
                plugin.tracker().clear();
                // What is cleared is zero there, too.
                let from = from.cleared();
                *self = Self { lap: Some(from.clone()), from: Some(from), ..Self::default() };
                "ok".to_owned()
            }
            "lap" => {
                let now = Snapshot::take(plugin);
                if let Some(begin) = &self.lap {
                    self.laps.push(Difference::new(Some(begin), &now));
                }
                self.lap = Some(now);
                "ok".to_owned()
            }
            "stop" => {
                self.to = Some(Snapshot::take(plugin));
                "ok".to_owned()
            }
            "read" => {
                let to = self.to.clone().unwrap_or_else(|| Snapshot::take(plugin));
                Difference::new(self.from.as_ref(), &to).json(plugin).to_string()
            }
            "laps" => {
                self.laps.sort_by_key(Difference::work);
                let count = self.laps.len();
                Difference::sum(&self.laps[count / 10..count.div_ceil(2)]).json(plugin).to_string()
            }
            _ => "unknown".to_owned(),
        }
    }
}
