//! What is there before the first call: what to do, and file systems.

use core::ffi::CStr;

use bench_guest::sys::{self, Errno, number};

/// What failed, and the kernel's error.
pub(crate) type Failure = (&'static str, Errno);

/// Where each world's file system is mounted; the last is the disk's.
pub(crate) const MOUNTS: [&CStr; 3] = [c"/T", c"/M", c"/D"];
/// How long the disk may take to appear, in steps of 20 ms.
const DEVICE_STEPS: u64 = 250;

/// What `/fuzz` says.
pub(crate) struct Order {
    pub(crate) seed: u64,
    pub(crate) worlds: u64,
    pub(crate) calls: u64,
    pub(crate) shown: u64,
    is_ext4: bool,
}

impl Order {
    pub(crate) fn read() -> Result<Self, Failure> {
        let malformed = ("reading /fuzz", Errno(22));
        let mut buffer = [0; 256];
        let text =
            sys::read_file(c"/fuzz", &mut buffer).map_err(|errno| ("reading /fuzz", errno))?;
        let text = core::str::from_utf8(text).map_err(|_| malformed)?;
        let mut words = text.split_ascii_whitespace();
        let mut number = || words.next().and_then(|word| word.parse().ok()).ok_or(malformed);
        let (seed, worlds, calls, shown) = (number()?, number()?, number()?, number()?);
        Ok(Self { seed, worlds, calls, shown, is_ext4: words.next() == Some("ext4") })
    }
}

pub(crate) fn mount_all(order: &Order) -> Result<(), Failure> {
    sys::mount(c"devtmpfs", c"/dev", c"devtmpfs", 0).map_err(|errno| ("mounting /dev", errno))?;
    sys::mount(c"tmpfs", MOUNTS[0], c"tmpfs", 0).map_err(|errno| ("mounting tmpfs", errno))?;
    sys::mount(c"ramfs", MOUNTS[1], c"ramfs", 0).map_err(|errno| ("mounting ramfs", errno))?;
    let kind = if order.is_ext4 { c"ext4" } else { c"ext3" };
    let mut steps = 0;
    while let Err(errno) = sys::mount(c"/dev/vda", MOUNTS[2], kind, 0) {
        if steps == DEVICE_STEPS {
            return Err(("mounting the disk", errno));
        }
        steps += 1;
        sys::sleep(20);
    }
    ignore_broken_pipes().map_err(|errno| ("ignoring SIGPIPE", errno))?;
    come_last().map_err(|errno| ("giving up priority", errno))?;
    loopback_up().map_err(|errno| ("switching on the loopback interface", errno))
}

/// A write to a closed socket ends with an error and not with a signal; nor does one
/// beyond a limit.
fn ignore_broken_pipes() -> sys::Result<()> {
    const RT_SIGACTION: usize = 13;
    const SIGPIPE: usize = 13;
    // struct kernel_sigaction: handler (SIG_IGN), flags, restorer, mask.
    let action = [1_usize, 0, 0, 0];
    // SAFETY: the kernel reads the action only.
    unsafe { sys::call(RT_SIGACTION, [SIGPIPE, action.as_ptr().addr(), 0, 8]) }.map(drop)
}

/// Every thread of the kernel has its turn before the program: packets that it carries
/// from one socket to another, seldom but whenever there is much to do, have arrived
/// when the next call is made.
fn come_last() -> sys::Result<()> {
    const SCHED_SETSCHEDULER: usize = 144;
    const SCHED_IDLE: usize = 5;
    // struct sched_param: no priority within the policy.
    let priority = [0_u32; 1];
    // SAFETY: the kernel reads the priority only.
    unsafe { sys::call(SCHED_SETSCHEDULER, [0, SCHED_IDLE, priority.as_ptr().addr()]) }.map(drop)
}

fn loopback_up() -> sys::Result<()> {
    const SIOCSIFFLAGS: usize = 0x8914;
    const IFF_UP: u8 = 1;
    const AF_INET: usize = 2;
    const SOCK_DGRAM: usize = 2;
    // struct ifreq: a name of 16 bytes, flags.
    let mut request = [0_u8; 40];
    request[..2].copy_from_slice(b"lo");
    request[16] = IFF_UP;
    // SAFETY: no pointer is involved.
    let socket = sys::Fd::from_raw(unsafe { sys::call(number::SOCKET, [AF_INET, SOCK_DGRAM, 0]) }?);
    // SAFETY: the kernel reads the request, and writes no more than its size.
    unsafe { sys::call(number::IOCTL, [socket.raw(), SIOCSIFFLAGS, request.as_mut_ptr().addr()]) }
        .map(drop)
}
