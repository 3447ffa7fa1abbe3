//! System calls, as far as PID 1 needs them.
//!
//! Source of the numbers: arch/x86/entry/syscalls/syscall_64.tbl; of the
//! constants: the headers below include/uapi/linux. Each function is a thin skin:
//! arguments go in as the kernel takes them, errors come out as [`Errno`].

use core::arch::asm;
use core::ffi::CStr;
use core::fmt;
use core::net::IpAddr;
use core::ptr;

use init::filter::{self, Instruction};

/// An error number of the kernel, shown as a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Errno(pub(crate) i32);

const EINVAL: Errno = Errno(22);
const EFBIG: Errno = Errno(27);

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.0 {
            1 => "operation not permitted",
            2 => "no such file or directory",
            5 => "input/output error",
            6 => "no such device or address",
            8 => "no program of this machine",
            12 => "too little memory",
            13 => "permission denied",
            16 => "busy",
            17 => "it is there already",
            19 => "no such device, or not supported by this kernel",
            20 => "not a directory",
            22 => "invalid argument",
            27 => "too large",
            28 => "no space left",
            30 => "read-only file system",
            71 => "an answer that is none",
            95 => "not supported by this kernel",
            97 => "address family not supported by this kernel",
            99 => "address not available",
            101 => "network unreachable",
            111 => "connection refused",
            113 => "no route",
            117 => "the file system is damaged",
            _ => "failed",
        };
        write!(f, "{text} (errno {})", self.0)
    }
}

/// The result of a system call.
pub(crate) type Result<T> = core::result::Result<T, Errno>;

const READ: usize = 0;
const WRITE: usize = 1;
const OPEN: usize = 2;
const CLOSE: usize = 3;
const PREAD: usize = 17;
const IOCTL: usize = 16;
const RT_SIGPROCMASK: usize = 14;
const SOCKET: usize = 41;
const CONNECT: usize = 42;
const SETSOCKOPT: usize = 54;
const FORK: usize = 57;
const EXECVE: usize = 59;
const EXIT: usize = 60;
const WAIT4: usize = 61;
const KILL: usize = 62;
const SETSID: usize = 112;
const SETGROUPS: usize = 116;
const SETRESUID: usize = 117;
const SETRESGID: usize = 119;
const RT_SIGTIMEDWAIT: usize = 128;
const PRCTL: usize = 157;
const SYNC: usize = 162;
const MOUNT: usize = 165;
const UMOUNT2: usize = 166;
const REBOOT: usize = 169;
const SETHOSTNAME: usize = 170;
const IOPERM: usize = 173;
const CLOCK_GETTIME: usize = 228;
const WAITID: usize = 247;
const PIPE2: usize = 293;

/// Makes a system call; missing arguments are 0.
///
/// # Safety
/// As the call demands: pointers must be valid for what the kernel does with them.
unsafe fn call<const N: usize>(number: usize, given: [usize; N]) -> Result<usize> {
    let mut args = [0; 6];
    args[..N].copy_from_slice(&given);
    let result: isize;
    // SAFETY: these are the registers of the x86-64 convention (Intel SDM,
    // SYSCALL; arch/x86/entry/entry_64.S); rcx and r11 are the only others that
    // change.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") args[0], in("rsi") args[1], in("rdx") args[2],
            in("r10") args[3], in("r8") args[4], in("r9") args[5],
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    usize::try_from(result)
        .map_err(|_| Errno(i32::try_from(result.unsigned_abs()).unwrap_or(i32::MAX)))
}

/// An open file, closed when dropped.
pub(crate) struct Fd(usize);

impl Drop for Fd {
    fn drop(&mut self) {
        // SAFETY: no pointer is involved, and nobody else has this descriptor.
        let _ = unsafe { call(CLOSE, [self.0]) };
    }
}

/// `O_CLOEXEC`.
const CLOEXEC: usize = 0o2_000_000;

/// Opens a file for reading.
pub(crate) fn open(path: &CStr) -> Result<Fd> {
    // SAFETY: the path ends with a zero byte and lives on.
    unsafe { call(OPEN, [path.as_ptr().addr(), CLOEXEC, 0]) }.map(Fd)
}

/// Reads into a buffer; gives the part that was filled.
pub(crate) fn read<'a>(fd: &Fd, buffer: &'a mut [u8]) -> Result<&'a mut [u8]> {
    // SAFETY: the buffer is ours for its whole length.
    let count = unsafe { call(READ, [fd.0, buffer.as_mut_ptr().addr(), buffer.len()]) }?;
    Ok(&mut buffer[..count])
}

/// Reads from a place in a file; gives how many bytes.
pub(crate) fn pread(fd: &Fd, buffer: &mut [u8], offset: u64) -> Result<usize> {
    let offset = usize::try_from(offset).unwrap_or(usize::MAX);
    // SAFETY: as in `read`.
    unsafe { call(PREAD, [fd.0, buffer.as_mut_ptr().addr(), buffer.len(), offset]) }
}

/// Writes bytes to a file.
pub(crate) fn write(fd: &Fd, bytes: &[u8]) -> Result<usize> {
    // SAFETY: the kernel only reads them.
    unsafe { call(WRITE, [fd.0, bytes.as_ptr().addr(), bytes.len()]) }
}

/// Writes a file that is there, from its beginning.
pub(crate) fn write_file(path: &CStr, bytes: &[u8]) -> Result<()> {
    open_and_write(path, 0, bytes)
}

/// Writes a file in place of one that may be there.
pub(crate) fn create_file(path: &CStr, bytes: &[u8]) -> Result<()> {
    const CREATE_EMPTY: usize = 0o100 | 0o1000;
    open_and_write(path, CREATE_EMPTY, bytes)
}

fn open_and_write(path: &CStr, flags: usize, bytes: &[u8]) -> Result<()> {
    const WRITE_ONLY: usize = 1;
    const MODE: usize = 0o644;
    let args = [path.as_ptr().addr(), WRITE_ONLY | CLOEXEC | flags, MODE];
    // SAFETY: the path ends with a zero byte and lives on.
    let fd = unsafe { call(OPEN, args) }.map(Fd)?;
    write(&fd, bytes).map(|_| ())
}

/// Writes bytes to the console, which the kernel opened for us as descriptor 1.
pub(crate) fn write_console(bytes: &[u8]) {
    // SAFETY: as in `write`. There is nowhere to tell an error of the console.
    let _ = unsafe { call(WRITE, [1, bytes.as_ptr().addr(), bytes.len()]) };
}

/// Reads a whole file into a buffer, which must be larger than it.
pub(crate) fn read_file<'a>(path: &CStr, buffer: &'a mut [u8]) -> Result<&'a str> {
    let fd = open(path)?;
    let mut len = 0;
    loop {
        match read(&fd, &mut buffer[len..])?.len() {
            0 if len == buffer.len() => return Err(EFBIG),
            0 => break,
            count => len += count,
        }
    }
    core::str::from_utf8(&buffer[..len]).map_err(|_| EINVAL)
}

/// `MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME`: nothing in a mounted tree is
/// a program or a device, and reading a page writes nothing.
pub(crate) const PLAIN: usize = 2 | 4 | 8 | 1024;
/// `MS_RDONLY`.
pub(crate) const READ_ONLY: usize = 1;
const MS_REMOUNT: usize = 32;

/// Mounts a file system.
pub(crate) fn mount(source: &CStr, target: &CStr, kind: &CStr, flags: usize) -> Result<()> {
    let (source, target, kind) =
        (source.as_ptr().addr(), target.as_ptr().addr(), kind.as_ptr().addr());
    // SAFETY: the texts end with a zero byte; no data is given.
    unsafe { call(MOUNT, [source, target, kind, flags, 0]) }.map(drop)
}

/// Unmounts a file system.
pub(crate) fn unmount(target: &CStr) -> Result<()> {
    // SAFETY: the path ends with a zero byte.
    unsafe { call(UMOUNT2, [target.as_ptr().addr(), 0]) }.map(drop)
}

/// Makes a mounted file system read-only.
pub(crate) fn remount_read_only(target: &CStr) -> Result<()> {
    mount(c"", target, c"", MS_REMOUNT | READ_ONLY | PLAIN)
}

/// Makes what is mounted at a place read-only for everybody who comes by that place, and
/// gives the mount these flags.
pub(crate) fn seal(target: &CStr, flags: usize) -> Result<()> {
    const MS_BIND: usize = 4096;
    mount(c"", target, c"", MS_REMOUNT | MS_BIND | READ_ONLY | flags)
}

/// Sets the host name.
pub(crate) fn set_hostname(name: &str) -> Result<()> {
    // SAFETY: the kernel only reads the name.
    unsafe { call(SETHOSTNAME, [name.as_ptr().addr(), name.len()]) }.map(drop)
}

/// The kinds of socket that PID 1 opens.
#[derive(Clone, Copy)]
pub(crate) enum Socket {
    /// `AF_NETLINK`, `SOCK_RAW`, `NETLINK_ROUTE`.
    Route,
    /// TCP over IPv4.
    Tcp4,
    /// TCP over IPv6.
    Tcp6,
}

/// Opens a socket.
pub(crate) fn socket(kind: Socket) -> Result<Fd> {
    let (family, kind) = match kind {
        Socket::Route => (16, 3),
        Socket::Tcp4 => (2, 1),
        Socket::Tcp6 => (10, 1),
    };
    // SAFETY: no pointer is involved.
    unsafe { call(SOCKET, [family, kind | CLOEXEC, 0]) }.map(Fd)
}

/// Connects by TCP to a port of this machine, and waits for that for at most so
/// many milliseconds: a server whose queue is full does not answer at all.
pub(crate) fn connect_to_self(ip: IpAddr, port: u16, millis: u64) -> Result<()> {
    const SOL_SOCKET: usize = 1;
    // Holds for connect(2) too, see socket(7).
    const SO_SNDTIMEO: usize = 21;
    // struct sockaddr_in and sockaddr_in6 (include/uapi/linux/in.h, in6.h).
    let mut name = [0u8; 28];
    name[2..4].copy_from_slice(&port.to_be_bytes());
    let (kind, len) = match ip {
        IpAddr::V4(ip) => {
            name[0] = 2;
            name[4..8].copy_from_slice(&ip.octets());
            (Socket::Tcp4, 16)
        }
        IpAddr::V6(ip) => {
            name[0] = 10;
            name[8..24].copy_from_slice(&ip.octets());
            (Socket::Tcp6, 28)
        }
    };
    let socket = socket(kind)?;
    // struct timeval: seconds and microseconds.
    let time = [millis / 1000, millis % 1000 * 1000];
    let option = [socket.0, SOL_SOCKET, SO_SNDTIMEO, time.as_ptr().addr(), size_of_val(&time)];
    // SAFETY: time and address are as long as we say.
    unsafe {
        call(SETSOCKOPT, option)?;
        call(CONNECT, [socket.0, name.as_ptr().addr(), len]).map(drop)
    }
}

/// The index of the network interface `name`, of at most 15 bytes.
pub(crate) fn interface_index(name: &[u8]) -> Result<u32> {
    const SIOCGIFINDEX: usize = 0x8933;
    // struct ifreq (include/uapi/linux/if.h): 16 bytes of name, then a union.
    let mut request = [0u8; 40];
    let len = name.len().min(15);
    request[..len].copy_from_slice(&name[..len]);
    let socket = socket(Socket::Route)?;
    // SAFETY: the request is as long as the kernel's structure.
    unsafe { call(IOCTL, [socket.0, SIOCGIFINDEX, request.as_mut_ptr().addr()]) }?;
    let mut index = [0; 4];
    index.copy_from_slice(&request[16..20]);
    Ok(u32::from_ne_bytes(index))
}

/// A process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pid(usize);

/// Two ends of a pipe that a new program does not inherit: to read and to write.
fn pipe() -> Result<(Fd, Fd)> {
    let mut ends = [0i32; 2];
    // SAFETY: the kernel writes two ints.
    unsafe { call(PIPE2, [ends.as_mut_ptr().addr(), CLOEXEC]) }?;
    let [read, write] = ends.map(|end| usize::try_from(end).map(Fd).map_err(|_| EINVAL));
    Ok((read?, write?))
}

/// Starts a program; `argv` ends with a null pointer. It is running when this
/// returns: the pipe, which closes when the program is executed, brings the errno
/// otherwise.
///
/// The new process has no blocked signals and a session of its own; with a user it
/// runs as that user and group, and under the filter.
pub(crate) fn spawn(argv: &[*const u8], confine: Option<u32>) -> Result<Pid> {
    let (failed, fail) = pipe()?;
    // SAFETY: we have one thread, so that the copy finds all in order.
    let pid = match unsafe { call(FORK, []) }? {
        0 => execute(argv, confine, &fail),
        pid => Pid(pid),
    };
    drop(fail);
    let mut errno = [0; 4];
    match read(&failed, &mut errno)?.len() {
        0 => Ok(pid),
        _ => Err(Errno(i32::from_ne_bytes(errno))),
    }
}

/// Becomes another program, or tells why not and ends.
fn execute(argv: &[*const u8], user: Option<u32>, fail: &Fd) -> ! {
    let environment = [ptr::null::<u8>()];
    let args = [argv[0].addr(), argv.as_ptr().addr(), environment.as_ptr().addr()];
    set_mask(0);
    // SAFETY: no pointer is involved.
    let _ = unsafe { call(SETSID, []) };
    // The server inherits no port; the call fails where there was none to be had.
    let _ = set_ports(0, PORTS, false);
    let result = user.map_or(Ok(()), confine).and_then(|()| {
        // SAFETY: the pointers live on until execve has read them.
        unsafe { call(EXECVE, args) }
    });
    if let Err(Errno(errno)) = result {
        // Nobody is left to be told if this fails too.
        let _ = write(fail, &errno.to_ne_bytes());
    }
    loop {
        // SAFETY: no pointer is involved.
        let _ = unsafe { call(EXIT, [1]) };
    }
}

/// Lets this process use `count` I/O ports from `first` on.
pub(crate) fn allow_ports(first: u16, count: usize) -> Result<()> {
    set_ports(first.into(), count, true)
}

/// All I/O ports that there are.
const PORTS: usize = 65536;

fn set_ports(first: usize, count: usize, on: bool) -> Result<()> {
    // SAFETY: no pointer is involved.
    unsafe { call(IOPERM, [first, count, usize::from(on)]) }.map(|_| ())
}

/// `struct sock_fprog` of include/uapi/linux/filter.h.
#[repr(C)]
struct FilterProgram {
    len: u16,
    filter: *const Instruction,
}

/// Gives up every privilege: user, groups, and the system calls that are not the
/// server's.
fn confine(user: u32) -> Result<()> {
    const PR_SET_SECCOMP: usize = 22;
    const SECCOMP_MODE_FILTER: usize = 2;
    const PR_SET_NO_NEW_PRIVS: usize = 38;
    let user = user as usize;
    let program = FilterProgram {
        len: u16::try_from(filter::LEN).map_err(|_| EINVAL)?,
        filter: filter::PROGRAM.as_ptr(),
    };
    // SAFETY: the filter lives as long as the program; nothing is written.
    unsafe {
        call(SETGROUPS, [0, 0])?;
        call(SETRESGID, [user, user, user])?;
        call(SETRESUID, [user, user, user])?;
        call(PRCTL, [PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0])?;
        call(PRCTL, [PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ptr::from_ref(&program).addr()])?;
    }
    Ok(())
}

/// How a process ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ended {
    /// By itself, with a status.
    Status(i32),
    /// By a signal.
    Signal(i32),
}

/// Takes note of one process that ended; none when no other has.
pub(crate) fn reap() -> Option<(Pid, Ended)> {
    const WNOHANG: usize = 1;
    let mut status: i32 = 0;
    // SAFETY: the kernel writes one int.
    let pid = unsafe { call(WAIT4, [usize::MAX, ptr::from_mut(&mut status).addr(), WNOHANG, 0]) };
    match pid {
        Ok(0) | Err(_) => None,
        Ok(pid) if status & 0x7f == 0 => Some((Pid(pid), Ended::Status(status >> 8 & 0xff))),
        Ok(pid) => Some((Pid(pid), Ended::Signal(status & 0x7f))),
    }
}

/// Whether there is a process that we started or inherited, running or not.
pub(crate) fn any_child() -> bool {
    const P_ALL: usize = 0;
    // WEXITED, WNOHANG and WNOWAIT: only look. It fails with ECHILD.
    const LOOK: usize = 4 | 1 | 0x0100_0000;
    // SAFETY: no pointer is given.
    unsafe { call(WAITID, [P_ALL, 0, 0, LOOK, 0]) }.is_ok()
}

/// A signal by its number.
pub(crate) type Signal = u8;
pub(crate) const SIGINT: Signal = 2;
pub(crate) const SIGKILL: Signal = 9;
pub(crate) const SIGTERM: Signal = 15;
pub(crate) const SIGCHLD: Signal = 17;
pub(crate) const SIGSYS: Signal = 31;
/// What CONFIG_ACPI_TINY_POWER_BUTTON_SIGNAL says.
pub(crate) const POWER_BUTTON: Signal = 38;

/// The signals that PID 1 waits for.
const AWAITED: u64 = bit(SIGINT) | bit(SIGTERM) | bit(SIGCHLD) | bit(POWER_BUTTON);

const fn bit(signal: Signal) -> u64 {
    1 << (signal - 1)
}

/// Keeps the awaited signals until they are waited for. The kernel would drop
/// them otherwise: PID 1 has no handlers (kernel/signal.c, `sig_ignored`).
pub(crate) fn block_signals() {
    set_mask(AWAITED);
}

fn set_mask(mask: u64) {
    const SIG_SETMASK: usize = 2;
    // SAFETY: the mask is eight bytes as said. The call fails for other sizes only.
    let _ = unsafe { call(RT_SIGPROCMASK, [SIG_SETMASK, ptr::from_ref(&mask).addr(), 0, 8]) };
}

/// Seconds and nanoseconds, `struct __kernel_timespec`.
#[repr(C)]
struct Time {
    seconds: u64,
    nanoseconds: u64,
}

impl Time {
    const fn from_millis(millis: u64) -> Self {
        Self { seconds: millis / 1000, nanoseconds: millis % 1000 * 1_000_000 }
    }
}

/// Waits for a signal for at most so many milliseconds.
pub(crate) fn wait_signal(millis: u64) -> Option<Signal> {
    let (mask, time) = (AWAITED, Time::from_millis(millis));
    let args = [ptr::from_ref(&mask).addr(), 0, ptr::from_ref(&time).addr(), 8];
    // SAFETY: mask and time live on; nothing is written.
    unsafe { call(RT_SIGTIMEDWAIT, args) }.ok().and_then(|signal| Signal::try_from(signal).ok())
}

/// Sends a signal to every process but this one.
pub(crate) fn kill_all(signal: Signal) {
    // SAFETY: no pointer is involved. It fails when there is no other process.
    let _ = unsafe { call(KILL, [usize::MAX, usize::from(signal)]) };
}

/// Milliseconds since the kernel started (`CLOCK_BOOTTIME`).
pub(crate) fn uptime() -> u64 {
    const CLOCK_BOOTTIME: usize = 7;
    let mut time = Time::from_millis(0);
    // SAFETY: the kernel writes one timespec. This clock is always there.
    let _ = unsafe { call(CLOCK_GETTIME, [CLOCK_BOOTTIME, ptr::from_mut(&mut time).addr()]) };
    time.seconds * 1000 + time.nanoseconds / 1_000_000
}

/// How a machine goes down.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Down {
    /// The power goes off.
    PowerOff,
    /// It starts again.
    Restart,
}

const REBOOT_MAGIC: [usize; 2] = [0xfee1_dead, 0x2812_1969];

/// Writes everything to the disks and ends the machine.
pub(crate) fn end_machine(how: Down) -> ! {
    let command = match how {
        Down::PowerOff => 0x4321_fedc,
        Down::Restart => 0x0123_4567,
    };
    // SAFETY: no pointer is involved.
    unsafe {
        let _ = call(SYNC, []);
        let _ = call(REBOOT, [REBOOT_MAGIC[0], REBOOT_MAGIC[1], command]);
    }
    // The kernel ends the machine in the call above. If it cannot, we wait: were
    // PID 1 to end, the kernel would panic.
    loop {
        wait_signal(u64::from(u32::MAX));
    }
}

/// Makes Ctrl-Alt-Del a SIGINT to PID 1 instead of an immediate reset.
pub(crate) fn catch_ctrl_alt_del() {
    // SAFETY: no pointer is involved. The command exists since the first Linux.
    let _ = unsafe { call(REBOOT, [REBOOT_MAGIC[0], REBOOT_MAGIC[1], 0]) };
}
