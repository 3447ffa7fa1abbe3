//! System calls, as far as the programs need them beside those that they measure.
//!
//! Source of the numbers: arch/x86/entry/syscalls/syscall_64.tbl; of the
//! constants: the headers below include/uapi.

use core::arch::asm;
use core::ffi::CStr;
use core::mem::ManuallyDrop;
use core::ptr;

/// An error number of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(pub i32);

/// The result of a system call.
pub type Result<T> = core::result::Result<T, Errno>;

/// The list of the kernel is longer than expected.
const EFBIG: Errno = Errno(27);

/// The numbers of the system calls that are made here and measured.
#[expect(missing_docs, reason = "each is the number of the call of its name")]
pub mod number {
    pub const READ: usize = 0;
    pub const WRITE: usize = 1;
    pub const OPEN: usize = 2;
    pub const CLOSE: usize = 3;
    pub const STAT: usize = 4;
    pub const FSTAT: usize = 5;
    pub const LSEEK: usize = 8;
    pub const IOCTL: usize = 16;
    pub const PREAD64: usize = 17;
    pub const WRITEV: usize = 20;
    pub const NANOSLEEP: usize = 35;
    pub const SENDFILE: usize = 40;
    pub const SOCKET: usize = 41;
    pub const CONNECT: usize = 42;
    pub const SHUTDOWN: usize = 48;
    pub const BIND: usize = 49;
    pub const LISTEN: usize = 50;
    pub const SETSOCKOPT: usize = 54;
    pub const EXECVE: usize = 59;
    pub const FCNTL: usize = 72;
    pub const SYSLOG: usize = 103;
    pub const GETPPID: usize = 110;
    pub const MOUNT: usize = 165;
    pub const REBOOT: usize = 169;
    pub const EPOLL_WAIT: usize = 232;
    pub const EPOLL_CTL: usize = 233;
    pub const ACCEPT4: usize = 288;
    pub const EPOLL_CREATE1: usize = 291;
    pub const FINIT_MODULE: usize = 313;
}

/// The result of a system call as the kernel gives it in `rax`.
pub fn result(rax: isize) -> Result<usize> {
    usize::try_from(rax).map_err(|_| Errno(i32::try_from(rax.unsigned_abs()).unwrap_or(i32::MAX)))
}

/// Makes a system call; missing arguments are 0.
///
/// # Safety
/// As the call demands: pointers must be valid for what the kernel does with them.
///
/// # Errors
/// The kernel's.
pub unsafe fn call<const N: usize>(number: usize, given: [usize; N]) -> Result<usize> {
    let mut args = [0; 6];
    args[..N].copy_from_slice(&given);
    let rax: isize;
    // SAFETY: these are the registers of the x86-64 convention (Intel SDM,
    // SYSCALL; arch/x86/entry/entry_64.S); rcx and r11 are the only others that
    // change.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number => rax,
            in("rdi") args[0], in("rsi") args[1], in("rdx") args[2],
            in("r10") args[3], in("r8") args[4], in("r9") args[5],
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    result(rax)
}

/// An open file, closed when dropped.
#[derive(Debug)]
pub struct Fd(usize);

/// The console, which the kernel opened for PID 1.
pub const CONSOLE: ManuallyDrop<Fd> = ManuallyDrop::new(Fd(1));

impl Fd {
    /// Takes over what a call gave.
    pub fn from_raw(fd: usize) -> Self {
        Self(fd)
    }

    /// The number that calls take.
    pub fn raw(&self) -> usize {
        self.0
    }

    /// Gives the descriptor away without closing it.
    pub fn into_raw(self) -> usize {
        ManuallyDrop::new(self).0
    }
}

impl Drop for Fd {
    fn drop(&mut self) {
        // SAFETY: no pointer is involved, and nobody else has this descriptor.
        let _ = unsafe { call(number::CLOSE, [self.0]) };
    }
}

/// Opens a file to read.
pub const O_RDONLY: usize = 0;
/// Opens a file to read and write.
pub const O_RDWR: usize = 0o2;
/// Makes a file that is not there.
pub const O_CREAT: usize = 0o100;

/// Opens a file.
///
/// # Errors
/// The kernel's.
pub fn open(path: &CStr, flags: usize) -> Result<Fd> {
    const MODE: usize = 0o600;
    // SAFETY: the path ends with a zero byte and lives on.
    unsafe { call(number::OPEN, [path.as_ptr().addr(), flags, MODE]) }.map(Fd)
}

/// Reads into a buffer; gives how many bytes.
///
/// # Errors
/// The kernel's.
pub fn read(fd: &Fd, buffer: &mut [u8]) -> Result<usize> {
    // SAFETY: the buffer is ours for its whole length.
    unsafe { call(number::READ, [fd.0, buffer.as_mut_ptr().addr(), buffer.len()]) }
}

/// Reads from a place in a file; gives how many bytes.
///
/// # Errors
/// The kernel's.
pub fn pread(fd: &Fd, buffer: &mut [u8], offset: usize) -> Result<usize> {
    // SAFETY: as in `read`.
    unsafe { call(number::PREAD64, [fd.0, buffer.as_mut_ptr().addr(), buffer.len(), offset]) }
}

/// Writes bytes; gives how many.
///
/// # Errors
/// The kernel's.
pub fn write(fd: &Fd, bytes: &[u8]) -> Result<usize> {
    // SAFETY: the kernel only reads them.
    unsafe { call(number::WRITE, [fd.0, bytes.as_ptr().addr(), bytes.len()]) }
}

/// Reads a whole file into a buffer, which must be larger than it.
///
/// # Errors
/// The kernel's, and EFBIG.
pub fn read_file<'a>(path: &CStr, buffer: &'a mut [u8]) -> Result<&'a [u8]> {
    let fd = open(path, O_RDONLY)?;
    let mut len = 0;
    loop {
        match read(&fd, &mut buffer[len..])? {
            0 if len == buffer.len() => return Err(EFBIG),
            0 => return Ok(&buffer[..len]),
            count => len += count,
        }
    }
}

/// Mounts a file system.
///
/// # Errors
/// The kernel's.
pub fn mount(source: &CStr, target: &CStr, kind: &CStr, flags: usize) -> Result<()> {
    let (source, target, kind) =
        (source.as_ptr().addr(), target.as_ptr().addr(), kind.as_ptr().addr());
    // SAFETY: the texts end with a zero byte; no data is given.
    unsafe { call(number::MOUNT, [source, target, kind, flags, 0]) }.map(drop)
}

/// Loads the kernel module in a file.
///
/// # Errors
/// The kernel's.
pub fn load_module(file: &Fd) -> Result<()> {
    // SAFETY: the parameters are an empty text.
    unsafe { call(number::FINIT_MODULE, [file.0, c"".as_ptr().addr(), 0]) }.map(drop)
}

/// Waits until the kernel has freed what the start of a module needed, so that the
/// next one finds the same room in every start.
///
/// It is freed by a worker after a grace period of RCU (`do_free_init` in
/// kernel/module/main.c). Closing a packet socket waits for one too (`packet_release`
/// in net/packet/af_packet.c): during the first the worker begins to wait, after the
/// second it has the word, and during the third it frees. A kernel without packet
/// sockets goes on at once.
pub fn settle() {
    const AF_PACKET: usize = 17;
    const SOCK_RAW: usize = 3;
    for _ in 0..3 {
        // SAFETY: no pointer is involved.
        let _ = unsafe { call(number::SOCKET, [AF_PACKET, SOCK_RAW, 0]) }.map(Fd);
    }
}

/// Becomes another program, with the environment that the kernel gives PID 1
/// (init/main.c, `envp_init`); gives the error if it cannot.
pub fn execute(path: &CStr) -> Errno {
    let argv = [path.as_ptr(), ptr::null()];
    let environment = [c"HOME=/".as_ptr(), c"TERM=linux".as_ptr(), ptr::null()];
    let args = [path.as_ptr().addr(), argv.as_ptr().addr(), environment.as_ptr().addr()];
    // SAFETY: the pointers live on until execve has read them.
    match unsafe { call(number::EXECVE, args) } {
        Err(errno) => errno,
        Ok(_) => Errno(0),
    }
}

/// Waits for so many milliseconds.
pub fn sleep(millis: u64) {
    // struct __kernel_timespec: seconds and nanoseconds.
    let time = [millis / 1000, millis % 1000 * 1_000_000];
    // SAFETY: the kernel only reads the time. Nothing interrupts the wait.
    let _ = unsafe { call(number::NANOSLEEP, [time.as_ptr().addr(), 0]) };
}

/// Keeps the kernel's messages off the console.
pub fn silence_kernel() {
    const SYSLOG_ACTION_CONSOLE_OFF: usize = 6;
    // SAFETY: no pointer is involved. A kernel without messages refuses.
    let _ = unsafe { call(number::SYSLOG, [SYSLOG_ACTION_CONSOLE_OFF, 0, 0]) };
}

/// Switches the machine off.
pub fn power_off() -> ! {
    const REBOOT: [usize; 3] = [0xfee1_dead, 0x2812_1969, 0x4321_fedc];
    loop {
        // SAFETY: no pointer is involved.
        let _ = unsafe { call(number::REBOOT, REBOOT) };
        // A kernel that cannot must not see PID 1 end, or it would panic.
        sleep(1000);
    }
}
