//! PID 1: sets the machine up, keeps the server running, and takes the machine
//! down in order.
//!
//! ```text
//! set up: mounts, what the machine is told from outside, host name, network, the
//!         site's file system
//! serve:  start the server, again after a growing pause if it ends, until the
//!         power button, Ctrl-Alt-Del or SIGTERM
//! down:   server, file systems, power
//! ```
//!
//! Every line on the console begins with `appliance: `. A failure that leaves
//! nothing to serve is told as `appliance: fatal: ...`; five seconds later the
//! machine restarts.

#![no_std]
#![no_main]

mod console;
mod down;
mod hypervisor;
mod memory;
mod outside;
mod serve;
mod setup;
mod sys;

use core::arch::global_asm;
use core::panic::PanicInfo;

use init::config::Config;

use down::fatal;
use hypervisor::Hypervisor;

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
    let mut text = [0; CONFIG_MAX];
    let text = match sys::read_file(CONFIG, &mut text) {
        Ok(text) => text,
        Err(errno) => fatal(format_args!("reading /etc/appliance.conf: {errno}")),
    };
    let config = match Config::parse(text) {
        Ok(config) => config,
        Err(error) => fatal(format_args!("reading /etc/appliance.conf: {error}")),
    };
    setup::mount_all(&config);
    let mut texts = outside::Texts::new();
    let hypervisor = Hypervisor::find(&config);
    let config = outside::apply(&config, hypervisor.as_ref(), &mut texts);
    setup::set_up(&config);
    let how = serve::serve(&config, hypervisor);
    down::go_down(&config, how)
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    fatal(format_args!("an error in PID 1: {}", info.message()))
}
