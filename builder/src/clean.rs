//! `appliance clean`: where the cache is, how large, and its end.

use std::process::ExitCode;

use anyhow::Result;

use crate::cache::Cache;
use crate::home;
use crate::progress::Progress;
use crate::report::say;
use crate::text::size;

/// Empties the cache; with `dry_run` only says what it holds.
///
/// # Errors
/// When the cache cannot be read or something in it cannot be deleted.
pub fn command(sources: bool, dry_run: bool) -> Result<ExitCode> {
    let cache = Cache::new(home::cache());
    let before = show(&cache)?;
    if !dry_run {
        cache.clear(sources, &Progress::new(false))?;
        let after: u64 = cache.sizes()?.iter().map(|(_, bytes)| bytes).sum();
        say!("removed {}", size(before.saturating_sub(after)));
    }
    Ok(ExitCode::SUCCESS)
}

fn show(cache: &Cache) -> Result<u64> {
    say!("cache: {}", cache.root().display());
    let sizes = cache.sizes()?;
    for (part, bytes) in sizes.iter().filter(|(_, bytes)| *bytes > 0) {
        say!("  {part:8} {:>9}", size(*bytes));
    }
    let sum = sizes.iter().map(|(_, bytes)| bytes).sum();
    say!("  {:8} {:>9}", "in all", size(sum));
    Ok(sum)
}
