//! Makes a random but repeatable sequence of file and socket calls and says what the
//! kernel answers, so that two kernels can be compared.
//!
//! `/fuzz` in the initramfs says what to do: seed, number of worlds, calls in each, the
//! world of which every call is shown (or a number beyond the last), and the kind of
//! file system on the disk `/dev/vda`. A world begins in an empty directory without
//! open files; the first is on tmpfs, the second on ramfs, the third on the disk, and
//! so on. Its line is `fuzz: world NUMBER CALLS HASH`, where the hash is that of
//! everything the kernel has answered in it.
//!
//! What depends on the time or on addresses is left out of the hash, or is made the
//! same first: inode numbers, times that are not set by the sequence, and data on TCP
//! connections, which is waited for.

#![no_std]
#![no_main]

mod events;
mod files;
mod memory;
mod metadata;
mod names;
mod paths;
mod random;
mod record;
mod remove;
mod setup;
mod slots;
mod sockets;
mod world;

use bench_guest::{say, sys};

bench_guest::start!(main);

extern "C" fn main() -> ! {
    if let Err((what, errno)) = run() {
        say!("fuzz: failed {what}: errno {}", errno.0);
    }
    sys::power_off()
}

fn run() -> Result<(), setup::Failure> {
    let order = setup::Order::read()?;
    setup::mount_all(&order)?;
    memory::map().map_err(|errno| ("mapping memory", errno))?;
    for number in 0..order.worlds {
        let result = world::run(&order, number)?;
        say!("fuzz: world {number} {} {:016x}", order.calls, result);
    }
    say!("fuzz: end");
    Ok(())
}
