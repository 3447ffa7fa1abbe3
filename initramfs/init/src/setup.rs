//! Everything between the kernel's start and the server's.

use core::ffi::CStr;

use init::config::{Config, Site};
use init::netlink::{self, Request};
use init::{devices, ram, superblock};

use crate::console::say;
use crate::down::{self, fatal};
use crate::sys::{self, Errno, Socket};

/// How long a device may take to appear, in milliseconds.
const DEVICE_DEADLINE: u64 = 5_000;
/// How often it is looked for, in milliseconds.
const DEVICE_POLL: u64 = 20;
/// The interface that the kernel names first, and the loopback's index.
const INTERFACE: &[u8] = b"eth0";
const LOOPBACK: u32 = 1;
/// Where the site is served from.
const SITE: &CStr = c"/srv";
/// What nobody writes to below a confined server, with the flags that each has: all that
/// is mounted but the site, which has its own, and the room for files of the moment.
const SEALED: [(&CStr, usize); 4] =
    [(c"/dev", 0), (c"/proc", sys::PLAIN), (c"/sys", sys::PLAIN), (c"/", 0)];
/// The longest list of the kernel that is read, in bytes: one of a hundred disks.
const LIST_MAX: usize = 16384;

/// Mounts what the kernel shows and the room for files of the moment.
pub(crate) fn mount_all(config: &Config) {
    mount_tree(c"proc", c"/proc", sys::PLAIN);
    // Before what fails for want of memory: the directories that come last in the
    // initramfs are missing when the kernel could not unpack all of it.
    check_memory(config.memory);
    mount_tree(c"devtmpfs", c"/dev", 0);
    mount_tree(c"sysfs", c"/sys", sys::PLAIN);
    mount_tree(c"tmpfs", c"/run", sys::PLAIN);
    mount_tree(c"tmpfs", c"/tmp", sys::PLAIN);
}

/// Sets up everything else that the server needs.
pub(crate) fn set_up(config: &Config) {
    if let Err(errno) = sys::set_hostname(config.hostname) {
        say!("setting the host name {}: {errno}", config.hostname);
    }
    set_up_network(config);
    if config.confine.is_some() {
        allow_low_ports();
    }
    if let Some(site) = config.site {
        mount_site(site);
    }
    // Last: until here files are written, such as that of the name servers.
    if config.confine.is_some() {
        SEALED.iter().for_each(|(place, flags)| seal(place, *flags));
    }
}

/// Lets a server that is not root listen on any port: nobody else is here to keep
/// one from.
fn allow_low_ports() {
    let place = c"/proc/sys/net/ipv4/ip_unprivileged_port_start";
    if let Err(errno) = sys::write_file(place, b"0") {
        say!("opening the low ports for the server: {errno}");
    }
}

fn mount_tree(kind: &CStr, place: &CStr, flags: usize) {
    if let Err(errno) = sys::mount(kind, place, kind, flags) {
        fatal(format_args!("mounting {} on {}: {errno}", text(kind), text(place)));
    }
}

fn seal(place: &CStr, flags: usize) {
    if let Err(errno) = sys::seal(place, flags) {
        fatal(format_args!("making {} read-only: {errno}", text(place)));
    }
}

/// A path of ours as text.
fn text(path: &CStr) -> &str {
    path.to_str().unwrap_or_default()
}

/// Says so when the machine has less memory than was planned for; it may still
/// be enough.
fn check_memory(needed: u32) {
    let mut text = [0; LIST_MAX];
    match sys::read_file(c"/proc/iomem", &mut text).map(ram::installed) {
        Ok(found) if found > 0 && found < u64::from(needed) => {
            say!("too little memory: {found} MB found, {needed} MB needed");
        }
        Ok(_) => {}
        Err(errno) => say!("reading /proc/iomem: {errno}"),
    }
}

fn set_up_network(config: &Config) {
    request(&netlink::link_up(LOOPBACK), format_args!("switching on the loopback interface"));
    let Some(interface) = wait_for(|| sys::interface_index(INTERFACE).ok()) else {
        fatal(format_args!("no network card that this kernel knows within {DEVICE_DEADLINE} ms"));
    };
    // Addresses come before the switch: the interface is never up without them.
    for address in config.addresses.iter() {
        let what = format_args!("adding the address {}/{}", address.ip, address.prefix);
        request(&netlink::add_address(interface, address), what);
    }
    if let Some(mtu) = config.mtu {
        request(&netlink::set_mtu(interface, mtu), format_args!("setting the MTU {mtu} of eth0"));
    }
    request(&netlink::link_up(interface), format_args!("switching on eth0"));
    for gateway in config.gateways.iter() {
        let what = format_args!("setting the gateway {gateway}");
        request(&netlink::add_gateway(interface, gateway), what);
    }
}

/// Carries out one request; what fails is told, and what still works goes on.
fn request(request: &Request, what: core::fmt::Arguments<'_>) {
    let mut reply = [0; 1024];
    let done = sys::socket(Socket::Route).and_then(|socket| {
        sys::write(&socket, request.bytes())?;
        netlink::answer(sys::read(&socket, &mut reply)?).map_err(Errno)
    });
    if let Err(errno) = done {
        say!("{what}: {errno}");
    }
}

/// Calls `find` until it finds something or the deadline has passed.
fn wait_for<T>(mut find: impl FnMut() -> Option<T>) -> Option<T> {
    let end = sys::uptime() + DEVICE_DEADLINE;
    loop {
        let found = find();
        if found.is_some() || sys::uptime() >= end {
            return found;
        }
        down::wait(DEVICE_POLL);
    }
}

fn mount_site(site: Site) {
    let Some(device) = wait_for(|| find_device(site.uuid)) else {
        tell_devices();
        fatal(format_args!("mounting /srv: no file system has the UUID {}", site.uuid));
    };
    let kind = if site.filesystem == "ext4" { c"ext4" } else { c"ext3" };
    let flags = sys::PLAIN | if site.read_only { sys::READ_ONLY } else { 0 };
    if let Err(errno) = sys::mount(device.path(), SITE, kind, flags) {
        let (device, kind) = (text(device.path()), text(kind));
        fatal(format_args!("mounting {device} on /srv as {kind}: {errno}"));
    }
}

/// Unmounts the site, so that a writable one is clean the next time.
pub(crate) fn unmount_site() {
    if let Err(errno) = sys::unmount(SITE) {
        say!("unmounting /srv: {errno}");
        if let Err(errno) = sys::remount_read_only(SITE) {
            say!("making /srv read-only: {errno}");
        }
    }
}

/// The path of a block device with its closing zero byte.
struct Device([u8; 40]);

impl Device {
    fn new(name: &str) -> Option<Self> {
        let mut path = [0; 40];
        path[..5].copy_from_slice(b"/dev/");
        // One byte stays zero.
        path[5..39].get_mut(..name.len())?.copy_from_slice(name.as_bytes());
        Some(Self(path))
    }

    fn path(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.0).unwrap_or(c"")
    }

    /// The UUID of the file system on it, if it is one of ours to know.
    fn uuid(&self) -> Option<superblock::Uuid> {
        let mut block = [0; superblock::LEN];
        let fd = sys::open(self.path()).ok()?;
        let count = sys::pread(&fd, &mut block, superblock::OFFSET).ok()?;
        (count == block.len()).then(|| superblock::uuid(&block))?
    }
}

fn each_device<T>(mut look: impl FnMut(&str, Device) -> Option<T>) -> Option<T> {
    let mut text = [0; LIST_MAX];
    let partitions = sys::read_file(c"/proc/partitions", &mut text).ok()?;
    devices::names(partitions).find_map(|name| look(name, Device::new(name)?))
}

fn find_device(uuid: superblock::Uuid) -> Option<Device> {
    each_device(|_, device| (device.uuid() == Some(uuid)).then_some(device))
}

/// Tells what there is instead of the device that is missing.
fn tell_devices() {
    let mut any = false;
    each_device(|name, device| -> Option<()> {
        any = true;
        match device.uuid() {
            Some(uuid) => say!("{name} has an ext file system with the UUID {uuid}"),
            None => say!("{name} has no ext file system"),
        }
        None
    });
    if !any {
        say!("there is no block device");
    }
}
