//! The user's word to stop: SIGINT, SIGTERM and SIGHUP set one flag, which
//! everything that waits looks at.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

static FLAG: OnceLock<Arc<AtomicBool>> = OnceLock::new();

fn flag() -> &'static Arc<AtomicBool> {
    FLAG.get_or_init(Arc::default)
}

/// The error of work that stopped because the user said so: exit status 130.
#[derive(Debug)]
pub struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

/// From now on SIGINT, SIGTERM and SIGHUP set the flag instead of ending the
/// process, so that half-written output is removed and children are stopped.
///
/// # Errors
/// When the system refuses a handler.
pub fn catch_interrupts() -> io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(flag()))?;
    }
    Ok(())
}

/// Whether the user asked to stop.
pub fn interrupted() -> bool {
    flag().load(Ordering::Relaxed)
}

/// Whether the user asked to stop; takes the word back, for work that has an
/// orderly end of its own and wants to hear a second one.
pub fn take_interrupt() -> bool {
    flag().swap(false, Ordering::Relaxed)
}

/// Ends work between two of its parts when the user asked to stop.
///
/// # Errors
/// [`Interrupted`], when so.
pub fn check_interrupt() -> Result<(), Interrupted> {
    if interrupted() { Err(Interrupted) } else { Ok(()) }
}
