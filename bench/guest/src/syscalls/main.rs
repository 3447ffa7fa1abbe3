//! `/init` that measures system calls: prepares files and connections like those
//! of the server, makes each call many times, and tells the times on the console.
//! With markers around each call for QEMU's plugin; see [`bench_guest::wire`].

#![no_std]
#![no_main]

mod calls;
mod connection;
mod probe;
mod setup;

use core::arch::asm;

use bench_guest::runtime::{Line, auxiliary};
use bench_guest::sys::{self, Errno};
use bench_guest::wire::{CALL, Call, Checksum, END, ERRNO, FAILED, PREFIX, RING};
use bench_guest::{say, start};

use probe::Samples;

/// The auxiliary vector's key for the address that system calls jump to in ring 0
/// (include/uapi/linux/auxvec.h).
const AT_SYSINFO: usize = 32;

start!(main);

extern "C" fn main(argc: *const usize) -> ! {
    if let Err((what, Errno(errno))) = setup::set_up() {
        say!("{PREFIX}{FAILED} {what}: {ERRNO} {errno}");
        sys::power_off();
    }
    sys::silence_kernel();
    // SAFETY: it is what the program's start got.
    let mut samples = Samples::new(unsafe { auxiliary(argc, AT_SYSINFO) });
    let mut checksum = Checksum::default();
    tell_ring(&mut checksum);
    for call in Call::ALL {
        samples.clear();
        let done = calls::measure(call, &mut samples);
        tell(call, done, &mut samples, &mut checksum);
    }
    say!("{PREFIX}{END} {} {:016x}", 1 + Call::ALL.len(), checksum.0);
    wait_for_line();
    sys::power_off()
}

/// Tells in which ring the program runs.
fn tell_ring(checksum: &mut Checksum) {
    let selector: u64;
    // SAFETY: only the register that is named changes.
    unsafe { asm!("mov {}, cs", out(reg) selector, options(nomem, nostack)) };
    tell_line(Line::new(format_args!("{PREFIX}{RING} {}", selector & 3)), checksum);
}

/// Tells the times of one call, or why there are none.
fn tell(call: Call, done: sys::Result<()>, samples: &mut Samples, checksum: &mut Checksum) {
    let mut line = Line::new(format_args!("{PREFIX}{CALL} {}", call.name()));
    match done {
        Ok(()) => samples.histogram(|value, count| line.push(format_args!(" {value}:{count}"))),
        Err(Errno(errno)) => line.push(format_args!(" {ERRNO} {errno}")),
    }
    tell_line(line, checksum);
}

fn tell_line(line: Line, checksum: &mut Checksum) {
    checksum.add(line.text().get(PREFIX.len()..).unwrap_or_default());
    line.print();
}

/// Waits until the host has typed a line.
fn wait_for_line() {
    let mut byte = [0];
    while let Ok(1) = sys::read(&sys::CONSOLE, &mut byte) {
        if byte == *b"\n" {
            break;
        }
    }
}
