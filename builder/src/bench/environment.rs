//! Where and how a run measures, for its report.

use std::time::SystemTime;

use anyhow::Result;
use bench::data::Environment;
use bench::loads::{self, Link};
use qemu::Engine;

use crate::progress::Progress;

/// What a run says of itself; the command is the one that runs now.
///
/// # Errors
/// When QEMU is missing.
pub(super) fn environment(link: &Link, engine: Engine) -> Result<Environment> {
    let version = host::Command::new("qemu-system-x86_64").arg("--version").output()?;
    let version = String::from_utf8_lossy(&version);
    let version = version.lines().next().unwrap_or_default();
    let words: Vec<String> = std::env::args().skip(1).collect();
    Ok(Environment {
        appliance: env!("CARGO_PKG_VERSION").into(),
        command: format!("./appliance {}", words.join(" ")),
        date: date(),
        qemu: version.trim_start_matches("QEMU emulator version ").into(),
        accelerator: if engine == Engine::Kvm { "kvm" } else { "tcg" }.into(),
        network: link.name().into(),
        processors: std::thread::available_parallelism()
            .ok()
            .and_then(|count| u32::try_from(count.get()).ok())
            .unwrap_or(1),
    })
}

/// The network that a run measures over; says so where it is the lesser one.
pub(super) fn network(progress: &Progress) -> Link {
    let link = loads::network_choice();
    if let Link::User { why } = &link {
        progress.notice(&format!("the network is QEMU's own, since there is no tap: {why}"));
    }
    link
}

/// Today by UTC, as `2026-01-31`.
fn date() -> String {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let (mut year, mut days) = (1970, since.as_secs() / 86400);
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    format!("{year}-{month:02}-{:02}", days + 1)
}
