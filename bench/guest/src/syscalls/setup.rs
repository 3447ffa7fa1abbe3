//! What is there before the measurement: mounts and the loopback interface.

use core::ffi::CStr;

use bench_guest::sys::{self, Errno, Fd, number};
use bench_guest::wire;
use init::devices;
use init::superblock::{self, Uuid};

/// How long the disk may take to appear, in milliseconds.
const DEVICE_DEADLINE: u64 = 5_000;
/// How often it is looked for, in milliseconds.
const DEVICE_POLL: u64 = 20;
/// The longest list of disks in bytes.
const LIST_MAX: usize = 8192;
/// `MS_RDONLY`, and `MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME`: as PID 1 of an
/// appliance mounts.
const READ_ONLY: usize = 1;
const PLAIN: usize = 2 | 4 | 8 | 1024;

/// What failed, and the kernel's error.
pub(crate) type Failure = (&'static str, Errno);

/// Sets everything up.
pub(crate) fn set_up() -> Result<(), Failure> {
    let tree = |kind: &CStr, place: &CStr, flags| sys::mount(kind, place, kind, flags);
    tree(c"proc", c"/proc", PLAIN).map_err(|errno| ("mounting /proc", errno))?;
    tree(c"devtmpfs", c"/dev", 0).map_err(|errno| ("mounting /dev", errno))?;
    tree(c"tmpfs", c"/tmp", PLAIN).map_err(|errno| ("mounting /tmp", errno))?;
    mount_disk()?;
    loopback_up().map_err(|errno| ("switching on the loopback interface", errno))
}

/// Mounts the disk with the page, unless the initramfs holds it already.
fn mount_disk() -> Result<(), Failure> {
    if sys::open(super::calls::PAGE, sys::O_RDONLY).is_ok() {
        return Ok(());
    }
    let uuid = Uuid::parse(wire::UUID).ok_or(("reading the UUID", Errno(0)))?;
    let mut waited = 0;
    let device = loop {
        match find_device(uuid) {
            Ok(device) => break device,
            Err(errno) if waited >= DEVICE_DEADLINE => return Err(("finding the disk", errno)),
            Err(_) => sys::sleep(DEVICE_POLL),
        }
        waited += DEVICE_POLL;
    };
    let device = CStr::from_bytes_until_nul(&device).unwrap_or_default();
    sys::mount(device, c"/srv", c"ext3", PLAIN | READ_ONLY)
        .map_err(|errno| ("mounting the disk", errno))
}

/// The path of the disk with this UUID, with a closing zero byte.
fn find_device(uuid: Uuid) -> sys::Result<[u8; 40]> {
    const ENODEV: Errno = Errno(19);
    let mut text = [0; LIST_MAX];
    let partitions = sys::read_file(c"/proc/partitions", &mut text)?;
    let partitions = core::str::from_utf8(partitions).map_err(|_| ENODEV)?;
    for name in devices::names(partitions) {
        let mut path = [0; 40];
        path[..5].copy_from_slice(b"/dev/");
        // One byte stays zero.
        let Some(place) = path[5..39].get_mut(..name.len()) else { continue };
        place.copy_from_slice(name.as_bytes());
        if has_uuid(&path, uuid).unwrap_or(false) {
            return Ok(path);
        }
    }
    Err(ENODEV)
}

fn has_uuid(path: &[u8], uuid: Uuid) -> sys::Result<bool> {
    let path = CStr::from_bytes_until_nul(path).unwrap_or_default();
    let device = sys::open(path, sys::O_RDONLY)?;
    let mut block = [0; superblock::LEN];
    let offset = usize::try_from(superblock::OFFSET).unwrap_or(0);
    let count = sys::pread(&device, &mut block, offset)?;
    Ok(count == block.len() && superblock::uuid(&block) == Some(uuid))
}

/// Switches the loopback interface on; the kernel then gives it 127.0.0.1
/// (net/ipv4/devinet.c, `inetdev_event`).
fn loopback_up() -> sys::Result<()> {
    const AF_INET: usize = 2;
    const SOCK_DGRAM: usize = 2;
    const SIOCSIFFLAGS: usize = 0x8914;
    const IFF_UP: u8 = 1;
    // struct ifreq (include/uapi/linux/if.h): 16 bytes of name, then a union.
    let mut request = [0u8; 40];
    request[..2].copy_from_slice(b"lo");
    request[16] = IFF_UP;
    // SAFETY: the request is as long as the kernel's structure.
    unsafe {
        let socket = Fd::from_raw(sys::call(number::SOCKET, [AF_INET, SOCK_DGRAM, 0])?);
        let args = [socket.raw(), SIOCSIFFLAGS, request.as_mut_ptr().addr()];
        sys::call(number::IOCTL, args).map(drop)
    }
}
