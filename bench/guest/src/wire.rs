//! What the program `syscalls` and the host agree on: the disk, the measurements,
//! and the lines on the console.
//!
//! ```text
//! bench: ring 3                       where the program runs
//! bench: call close 449:199 512:1     value:count, sorted by value, of the clock
//! bench: call sendfile errno 38       the kernel does not have it
//! bench: end 18 0123456789abcdef      lines, and the checksum of their texts
//! bench: failed mounting the disk: errno 5        instead of all that
//! ```
//!
//! After the last line it waits for a line from the host, which has the plugin's
//! counts to read before QEMU ends, and switches the machine off.

/// What a line of ours begins with.
pub const PREFIX: &str = "bench: ";
/// The first word of the first line.
pub const RING: &str = "ring";
/// The first word of a measurement's line.
pub const CALL: &str = "call";
/// The word in place of the values when a call failed; an error number follows.
pub const ERRNO: &str = "errno";
/// The first word of the last line.
pub const END: &str = "end";
/// The first word of the only line when the preparation failed.
pub const FAILED: &str = "failed";

/// Where the program lies: a kernel of the variant `kml` runs it in ring 0 if it is asked
/// to, and to others it is a place like any other.
pub const PROGRAM: &str = "/trusted/syscalls";

/// How often each call is made before it is measured.
pub const WARM_UP: usize = 50;
/// How often each call is measured.
pub const REPETITIONS: usize = 200;

/// The UUID of the file system that the calls are made on.
pub const UUID: &str = "b3e7c4a0-5d0c-4c58-9d0e-6e63680a5c41";
/// Where it is mounted.
pub const MOUNT: &str = "/srv";
/// The file on it that is read and looked up: a path of four components with the
/// place of the mount, as a page below a document root has it.
pub const PAGE: &str = "/srv/site/pages/page.html";
/// The size of the page in bytes.
pub const PAGE_BYTES: usize = 16384;

/// A page of 4 kB, the body of an answer.
pub const BODY: usize = 4096;
/// The header of an answer in bytes, as lighttpd sends it for a page.
pub const HEADER: usize = 240;

/// A measurement. Its number is that of its window for QEMU's plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Nothing: what the measuring itself costs.
    Empty = 1,
    /// `getppid`: the way into the kernel and back.
    Getppid,
    /// `close` of a file.
    Close,
    /// `fcntl(F_SETFL, O_NONBLOCK | O_RDWR)` of a connection.
    Fcntl,
    /// `ioctl(FIONREAD)` of a connection with a request in it.
    Ioctl,
    /// `read` of one byte of the page, which is in memory.
    Read1,
    /// `read` of 4096 bytes of the page.
    Read4096,
    /// `setsockopt(TCP_NODELAY)` of a connection.
    Setsockopt,
    /// `shutdown(SHUT_WR)` of a connection.
    Shutdown,
    /// `stat` of the page.
    Stat,
    /// `write` of 64 bytes into a file on tmpfs.
    Write,
    /// `writev` of a header and 4096 bytes into a connection.
    Writev,
    /// `open` of the page.
    Open,
    /// `fstat` of the page.
    Fstat,
    /// `accept4` of a connection that waits.
    Accept4,
    /// `epoll_wait` when a connection has a request.
    EpollWait,
    /// `sendfile` of 4096 bytes of the page into a connection.
    Sendfile,
}

impl Call {
    /// Every measurement, in the order in which they are made and told.
    pub const ALL: [Self; 17] = [
        Self::Empty,
        Self::Getppid,
        Self::Close,
        Self::Fcntl,
        Self::Ioctl,
        Self::Read1,
        Self::Read4096,
        Self::Setsockopt,
        Self::Shutdown,
        Self::Stat,
        Self::Write,
        Self::Writev,
        Self::Open,
        Self::Fstat,
        Self::Accept4,
        Self::EpollWait,
        Self::Sendfile,
    ];

    /// The name in lines and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Getppid => "getppid",
            Self::Close => "close",
            Self::Fcntl => "fcntl",
            Self::Ioctl => "ioctl",
            Self::Read1 => "read_1",
            Self::Read4096 => "read_4096",
            Self::Setsockopt => "setsockopt",
            Self::Shutdown => "shutdown",
            Self::Stat => "stat",
            Self::Write => "write",
            Self::Writev => "writev",
            Self::Open => "open",
            Self::Fstat => "fstat",
            Self::Accept4 => "accept4",
            Self::EpollWait => "epoll_wait",
            Self::Sendfile => "sendfile",
        }
    }

    /// The number of its window for the plugin.
    pub const fn window(self) -> u16 {
        self as u16
    }
}

/// A checksum of the texts of lines (FNV-1a with 64 bits).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checksum(pub u64);

impl Default for Checksum {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Checksum {
    /// Adds a line's text, without prefix and end.
    pub fn add(&mut self, line: &[u8]) {
        for byte in line.iter().chain(b"\n") {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_numbered_in_order_and_names_differ() {
        for (index, call) in (1u16..).zip(Call::ALL) {
            assert_eq!(call.window(), index);
            let same = Call::ALL.iter().filter(|other| other.name() == call.name()).count();
            assert_eq!(same, 1, "{}", call.name());
        }
    }

    #[test]
    fn the_checksum_is_fnv_1a() {
        // The published value of "foobar" is that before the line's end is added.
        let mut sum = Checksum::default();
        sum.add(b"foobar");
        let expected = (0x8594_4171_f739_67e8_u64 ^ 0x0a).wrapping_mul(0x0100_0000_01b3);
        assert_eq!(sum.0, expected);
    }
}
