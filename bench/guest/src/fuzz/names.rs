//! The numbers of the calls (arch/x86/entry/syscalls/syscall_64.tbl).

use bench_guest::sys;

/// A call: its number and its name.
pub(crate) type Call = (usize, &'static str);

macro_rules! calls {
    ($($constant:ident = $number:literal $name:literal,)*) => {
        $(pub(crate) const $constant: Call = ($number, $name);)*
    };
}

calls! {
    READ = 0 "read",
    WRITE = 1 "write",
    CLOSE = 3 "close",
    STAT = 4 "stat",
    FSTAT = 5 "fstat",
    LSTAT = 6 "lstat",
    POLL = 7 "poll",
    LSEEK = 8 "lseek",
    MMAP = 9 "mmap",
    MUNMAP = 11 "munmap",
    IOCTL = 16 "ioctl",
    PREAD = 17 "pread64",
    PWRITE = 18 "pwrite64",
    READV = 19 "readv",
    WRITEV = 20 "writev",
    DUP = 32 "dup",
    SENDFILE = 40 "sendfile",
    SOCKET = 41 "socket",
    CONNECT = 42 "connect",
    SENDTO = 44 "sendto",
    RECVFROM = 45 "recvfrom",
    SHUTDOWN = 48 "shutdown",
    BIND = 49 "bind",
    LISTEN = 50 "listen",
    GETSOCKNAME = 51 "getsockname",
    SOCKETPAIR = 53 "socketpair",
    SETSOCKOPT = 54 "setsockopt",
    FCNTL = 72 "fcntl",
    TRUNCATE = 76 "truncate",
    FTRUNCATE = 77 "ftruncate",
    GETCWD = 79 "getcwd",
    CHDIR = 80 "chdir",
    FCHDIR = 81 "fchdir",
    MKDIR = 83 "mkdir",
    RMDIR = 84 "rmdir",
    LINK = 86 "link",
    UNLINK = 87 "unlink",
    SYMLINK = 88 "symlink",
    READLINK = 89 "readlink",
    CHMOD = 90 "chmod",
    FCHMOD = 91 "fchmod",
    CHROOT = 161 "chroot",
    MOUNT = 165 "mount",
    UMOUNT = 166 "umount2",
    GETDENTS = 217 "getdents64",
    EPOLL_WAIT = 232 "epoll_wait",
    EPOLL_CTL = 233 "epoll_ctl",
    OPENAT = 257 "openat",
    FSTATAT = 262 "newfstatat",
    UNLINKAT = 263 "unlinkat",
    FACCESSAT = 269 "faccessat",
    UTIMENSAT = 280 "utimensat",
    ACCEPT4 = 288 "accept4",
    EPOLL_CREATE1 = 291 "epoll_create1",
    RENAMEAT2 = 316 "renameat2",
}

/// Makes a call and gives what it returns in `rax`.
pub(crate) fn make(call: Call, args: [usize; 6]) -> i64 {
    // SAFETY: whatever the kernel writes goes into the areas of `memory`, or into
    // variables that the caller made for it.
    match unsafe { sys::call(call.0, args) } {
        Ok(value) => i64::try_from(value).unwrap_or(i64::MAX),
        Err(errno) => -i64::from(errno.0),
    }
}
