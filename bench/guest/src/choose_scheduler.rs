//! `/init` for a kernel with several I/O schedulers: gives the disk the one that
//! `/scheduler` names and becomes `/init.next`.
//!
//! A kernel gives a disk with one queue mq-deadline where it has it, whichever others
//! it has (`elevator_get_default` in block/elevator.c), and no word on its command line
//! changes that. A guest that does not get its scheduler switches itself off: what
//! would be measured is another one.

#![no_std]
#![no_main]

use bench_guest::sys::{self, Errno};
use bench_guest::{say, start};

/// The longest name in bytes.
const NAME_MAX: usize = 64;
/// What the disk says: every scheduler, with brackets around its own.
const QUEUE_MAX: usize = 256;

start!(main);

extern "C" fn main() -> ! {
    match choose() {
        Ok(()) => {
            let Errno(errno) = sys::execute(c"/init.next");
            say!("choose-scheduler: executing /init.next: errno {errno}");
        }
        Err(Errno(errno)) => say!("choose-scheduler: errno {errno}"),
    }
    sys::power_off()
}

/// Chooses, and sees that it was chosen.
fn choose() -> sys::Result<()> {
    const EINVAL: Errno = Errno(22);
    let (mut name, mut queue) = ([0; NAME_MAX], [0; QUEUE_MAX]);
    let name = sys::read_file(c"/scheduler", &mut name)?;
    sys::mount(c"sysfs", c"/queues", c"sysfs", 0)?;
    let place = c"/queues/block/vda/queue/scheduler";
    sys::write(&sys::open(place, sys::O_RDWR)?, name)?;
    let queue = sys::read_file(place, &mut queue)?;
    let mut words = queue.split(|byte| byte.is_ascii_whitespace());
    // Where there is no other, none stands without brackets.
    let is_chosen = |word: &[u8]| {
        let inner = word.strip_prefix(b"[").and_then(|word| word.strip_suffix(b"]"));
        inner.unwrap_or(word) == name && (inner.is_some() || name == b"none")
    };
    if words.any(is_chosen) { Ok(()) } else { Err(EINVAL) }
}
