//! PID 1: sets the machine up, keeps the server running, and takes the machine
//! down in order.
//!
//! ```text
//! set up: mounts, host name, network, the site's file system
//! serve:  start the server, again after a growing pause if it ends, until the
//!         power button, Ctrl-Alt-Del or SIGTERM
//! down:   server, file systems, power
//! ```
//!
//! Every line on the console begins with `appliance: `. After a failure that
//! leaves nothing to serve the machine restarts after [`FATAL_PAUSE`]: a disk or
//! a network that comes back is then found.

#![no_std]
#![no_main]

mod console;
mod memory;
mod serve;
mod setup;
mod sys;

use core::arch::global_asm;
use core::panic::PanicInfo;

use init::config::Config;

use console::say;

/// How long the reason of a fatal failure stays on the console, in milliseconds.
const FATAL_PAUSE: u64 = 5_000;
/// Where the builder puts our configuration.
const CONFIG: &core::ffi::CStr = c"/etc/appliance.conf";
/// The largest configuration, in bytes.
const CONFIG_MAX: usize = 8192;

// The kernel starts a program with the stack pointer at argc; a function wants
// it aligned to 16 bytes before the call (System V ABI, section 3.4.1).
global_asm!(".globl _start", "_start:", "xor ebp, ebp", "and rsp, -16", "call {main}", "ud2", main = sym main);

extern "C" fn main() -> ! {
    sys::block_signals();
    sys::catch_ctrl_alt_del();
    setup::mount_kernel_trees();
    let mut text = [0; CONFIG_MAX];
    let text = match sys::read_file(CONFIG, &mut text) {
        Ok(text) => text,
        Err(errno) => fatal(format_args!("reading /etc/appliance.conf: {errno}")),
    };
    let config = match Config::parse(text) {
        Ok(config) => config,
        Err(error) => fatal(format_args!("reading /etc/appliance.conf: {error}")),
    };
    setup::check_memory(&config);
    setup::set_up(&config);
    let how = serve::serve(&config);
    serve::end_processes();
    setup::unmount_site(&config);
    sys::go_down(how)
}

/// Tells why nothing can be served, and starts the machine again.
fn fatal(why: core::fmt::Arguments<'_>) -> ! {
    say!("fatal: {why}");
    say!("restarting in {} s", FATAL_PAUSE / 1000);
    let end = sys::uptime() + FATAL_PAUSE;
    while sys::uptime() < end {
        match sys::wait_signal(end.saturating_sub(sys::uptime())) {
            Some(sys::POWER_BUTTON | sys::SIGTERM) => sys::go_down(sys::Down::PowerOff),
            Some(sys::SIGINT) => break,
            _ => {}
        }
    }
    sys::go_down(sys::Down::Restart)
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    fatal(format_args!("an error in PID 1: {}", info.message()))
}
