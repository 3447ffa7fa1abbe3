//! The filter of system calls that a confined server runs under: a program of the
//! kernel's classic packet filter over `struct seccomp_data`
//! (Documentation/userspace-api/seccomp_filter.rst).
//!
//! Listed is what a static lighttpd calls, at its start and with every module that
//! a build can add. What is not listed ends the server, and PID 1 says so.

/// What the server may call, by numbers of arch/x86/entry/syscalls/syscall_64.tbl
/// in rising order.
const ALLOWED: &[(u32, &str)] = &[
    (0, "read"),
    (1, "write"),
    (2, "open"),
    (3, "close"),
    (4, "stat"),
    (5, "fstat"),
    (6, "lstat"),
    (7, "poll"),
    (8, "lseek"),
    (9, "mmap"),
    (10, "mprotect"),
    (11, "munmap"),
    (12, "brk"),
    (13, "rt_sigaction"),
    (14, "rt_sigprocmask"),
    (15, "rt_sigreturn"),
    (16, "ioctl"),
    (17, "pread64"),
    (18, "pwrite64"),
    (19, "readv"),
    (20, "writev"),
    (21, "access"),
    (22, "pipe"),
    (24, "sched_yield"),
    (25, "mremap"),
    (28, "madvise"),
    (32, "dup"),
    (33, "dup2"),
    (35, "nanosleep"),
    (38, "setitimer"),
    (39, "getpid"),
    (40, "sendfile"),
    (41, "socket"),
    (42, "connect"),
    (43, "accept"),
    (44, "sendto"),
    (45, "recvfrom"),
    (46, "sendmsg"),
    (47, "recvmsg"),
    (48, "shutdown"),
    (49, "bind"),
    (50, "listen"),
    (51, "getsockname"),
    (52, "getpeername"),
    (53, "socketpair"),
    (54, "setsockopt"),
    (55, "getsockopt"),
    // PID 1 installs the filter before it becomes the server.
    (59, "execve"),
    (60, "exit"),
    (61, "wait4"),
    (63, "uname"),
    (72, "fcntl"),
    (77, "ftruncate"),
    (79, "getcwd"),
    (80, "chdir"),
    (82, "rename"),
    (83, "mkdir"),
    (84, "rmdir"),
    (87, "unlink"),
    (89, "readlink"),
    (95, "umask"),
    (96, "gettimeofday"),
    (97, "getrlimit"),
    // Every thirty seconds lighttpd asks for the load.
    (99, "sysinfo"),
    (102, "getuid"),
    (104, "getgid"),
    (107, "geteuid"),
    (108, "getegid"),
    (158, "arch_prctl"),
    (160, "setrlimit"),
    (186, "gettid"),
    (200, "tkill"),
    (202, "futex"),
    (217, "getdents64"),
    (218, "set_tid_address"),
    (228, "clock_gettime"),
    (230, "clock_nanosleep"),
    (231, "exit_group"),
    (232, "epoll_wait"),
    (233, "epoll_ctl"),
    (257, "openat"),
    (258, "mkdirat"),
    (262, "newfstatat"),
    (263, "unlinkat"),
    (273, "set_robust_list"),
    (281, "epoll_pwait"),
    (288, "accept4"),
    (290, "eventfd2"),
    (291, "epoll_create1"),
    (292, "dup3"),
    (293, "pipe2"),
    (302, "prlimit64"),
    (318, "getrandom"),
    (332, "statx"),
];

/// `struct sock_filter` of include/uapi/linux/filter.h.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    code: u16,
    /// How many instructions to skip when a comparison holds.
    yes: u8,
    /// The same when it does not.
    no: u8,
    value: u32,
}

/// `BPF_LD | BPF_W | BPF_ABS`: a word of `struct seccomp_data`, by its offset.
const LOAD: u16 = 0x20;
/// `BPF_JMP | BPF_JEQ | BPF_K`.
const IF_EQUAL: u16 = 0x15;
/// `BPF_RET | BPF_K`.
const RETURN: u16 = 0x06;
/// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
/// `AUDIT_ARCH_X86_64`.
const X86_64: u32 = 0xc000_003e;
const ALLOW: u32 = 0x7fff_0000;
const KILL_PROCESS: u32 = 0x8000_0000;

/// How many instructions the filter has.
pub const LEN: usize = ALLOWED.len() + 5;

/// The filter.
pub const PROGRAM: [Instruction; LEN] = program();

const fn program() -> [Instruction; LEN] {
    let end = Instruction { code: RETURN, yes: 0, no: 0, value: KILL_PROCESS };
    let mut program = [end; LEN];
    program[0] = Instruction { code: LOAD, yes: 0, no: 0, value: ARCHITECTURE };
    // Numbers mean other calls for other conventions. Over the whole list to its
    // second end:
    program[1] = Instruction { code: IF_EQUAL, yes: 0, no: skip(1, LEN - 2), value: X86_64 };
    program[2] = Instruction { code: LOAD, yes: 0, no: 0, value: NUMBER };
    let mut index = 0;
    while index < ALLOWED.len() {
        let here = index + 3;
        let value = ALLOWED[index].0;
        program[here] = Instruction { code: IF_EQUAL, yes: skip(here, LEN - 1), no: 0, value };
        index += 1;
    }
    program[LEN - 1] = Instruction { code: RETURN, yes: 0, no: 0, value: ALLOW };
    program
}

/// The distance of a jump. The compiler evaluates it, so that a list that grows
/// too long for one is an error of the build.
const fn skip(from: usize, to: usize) -> u8 {
    let distance = to - from - 1;
    assert!(distance <= 255, "a jump of the filter is too long");
    #[expect(clippy::cast_possible_truncation, reason = "checked in the line above")]
    let distance = distance as u8;
    distance
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel's interpreter makes of a call.
    fn verdict(architecture: u32, number: u32) -> u32 {
        let (mut at, mut word) = (0, 0);
        loop {
            let Instruction { code, yes, no, value } = PROGRAM[at];
            at += 1;
            match code {
                LOAD => word = if value == NUMBER { number } else { architecture },
                IF_EQUAL => at += usize::from(if word == value { yes } else { no }),
                _ => return value,
            }
        }
    }

    #[test]
    fn what_is_listed_is_allowed_and_nothing_else() {
        for number in 0..1000 {
            let listed = ALLOWED.iter().any(|(allowed, _)| *allowed == number);
            let expected = if listed { ALLOW } else { KILL_PROCESS };
            assert_eq!(verdict(X86_64, number), expected, "{number}");
        }
    }

    #[test]
    fn other_conventions_are_refused() {
        // i386, and x32 with its bit in the number.
        assert_eq!(verdict(0x4000_0003, 4), KILL_PROCESS);
        assert_eq!(verdict(X86_64, 0x4000_0001), KILL_PROCESS);
    }

    #[test]
    fn the_list_is_in_order() {
        assert!(ALLOWED.is_sorted_by(|one, other| one.0 < other.0));
    }
}
