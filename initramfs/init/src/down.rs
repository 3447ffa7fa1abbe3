//! The end: what asks for it, what leads to it, and the way down in order.

use core::fmt::Arguments;

use init::config::Config;

use crate::console::say;
use crate::setup;
use crate::sys::{self, Down, Signal};

/// How long the reason of a fatal failure stays on the console, in milliseconds.
const FATAL_PAUSE: u64 = 5_000;
/// How long the server may finish its answers, in milliseconds; all in all the
/// machine is down within two seconds.
const FINISH: u64 = 1_000;
/// How long a killed process may take to vanish, in milliseconds.
const VANISH: u64 = 500;

/// Tells what a signal asks for, if it asks for the end.
pub(crate) fn requested(signal: Signal) -> Option<Down> {
    let (why, how) = match signal {
        sys::POWER_BUTTON => ("the power button was pressed", Down::PowerOff),
        sys::SIGTERM => ("asked to power off", Down::PowerOff),
        sys::SIGINT => ("asked to restart", Down::Restart),
        _ => return None,
    };
    say!("{why}: shutting down");
    Some(how)
}

/// Waits for so many milliseconds, as long as nothing runs that would have to end
/// first: a request to go down is carried out at once.
pub(crate) fn wait(millis: u64) {
    if let Some(how) = sys::wait_signal(millis).and_then(requested) {
        sys::end_machine(how);
    }
}

/// Tells why nothing can be served, and starts the machine again: a disk or a
/// network that has come back is then found.
pub(crate) fn fatal(why: Arguments<'_>) -> ! {
    say!("fatal: {why}");
    say!("restarting in {} s", FATAL_PAUSE / 1000);
    let end = sys::uptime() + FATAL_PAUSE;
    while sys::uptime() < end {
        wait(end.saturating_sub(sys::uptime()));
    }
    sys::end_machine(Down::Restart)
}

/// Ends the server, unmounts the site, and ends the machine.
pub(crate) fn go_down(config: &Config, how: Down) -> ! {
    end_processes();
    if config.site.is_some() {
        setup::unmount_site();
    }
    sys::end_machine(how)
}

fn end_processes() {
    // SIGINT is lighttpd's word for a graceful end.
    for (signal, patience) in [(sys::SIGINT, FINISH), (sys::SIGKILL, VANISH)] {
        sys::kill_all(signal);
        if all_ended_within(patience) {
            return;
        }
    }
    say!("a process did not end");
}

fn all_ended_within(millis: u64) -> bool {
    let end = sys::uptime() + millis;
    loop {
        while sys::reap().is_some() {}
        let left = end.saturating_sub(sys::uptime());
        if !sys::any_child() || left == 0 {
            return !sys::any_child();
        }
        sys::wait_signal(left);
    }
}
