//! The measured calls, each with the arguments that lighttpd 1.4 gives them, and
//! what has to be done before and after each.

use core::ffi::CStr;
use core::ptr;

use bench_guest::sys::{self, Fd, number};
use bench_guest::wire::{self, Call};

use crate::connection::{ACCEPT_FLAGS, Connection, Listener};
use crate::probe::{self, Samples};

/// [`wire::PAGE`], for the kernel.
pub(crate) const PAGE: &CStr = c"/srv/site/pages/page.html";
/// A file that is written.
const WRITTEN: &CStr = c"/tmp/log";
/// Bytes of one write: a short line of a log.
const WRITTEN_BYTES: usize = 64;

/// Measures one call.
///
/// # Errors
/// What the call, or its preparation, failed with.
pub(crate) fn measure(call: Call, samples: &mut Samples) -> sys::Result<()> {
    // Each call has a window of its own, and so code of its own.
    match call {
        Call::Empty => empty(samples),
        Call::Getppid => getppid(samples),
        Call::Close => close(samples),
        Call::Fcntl => fcntl(samples),
        Call::Ioctl => ioctl(samples),
        Call::Read1 => read::<{ Call::Read1.window() }>(samples, 1),
        Call::Read4096 => read::<{ Call::Read4096.window() }>(samples, wire::BODY),
        Call::Setsockopt => setsockopt(samples),
        Call::Shutdown => shutdown(samples),
        Call::Stat => stat(samples),
        Call::Write => write(samples),
        Call::Writev => writev(samples),
        Call::Open => open(samples),
        Call::Fstat => fstat(samples),
        Call::Accept4 => accept4(samples),
        Call::EpollWait => epoll_wait(samples),
        Call::Sendfile => sendfile(samples),
    }
}

/// Makes a measured call.
///
/// The pointers among its arguments are to local variables that live on.
macro_rules! probe {
    ($call:ident, $samples:expr, $number:ident, $($argument:expr),*) => {
        // SAFETY: the pointers are valid for what the kernel does with them: each
        // is to a variable of the caller, and a length beside it is the
        // variable's.
        unsafe {
            probe::call::<{ Call::$call.window() }, _>(
                $samples, number::$number, [$($argument),*],
            )
        }
    };
}

fn empty(samples: &mut Samples) -> sys::Result<()> {
    while samples.wants_more() {
        probe::nothing::<{ Call::Empty.window() }>(samples);
    }
    Ok(())
}

fn getppid(samples: &mut Samples) -> sys::Result<()> {
    while samples.wants_more() {
        probe!(Getppid, samples, GETPPID,)?;
    }
    Ok(())
}

fn close(samples: &mut Samples) -> sys::Result<()> {
    while samples.wants_more() {
        let page = sys::open(PAGE, sys::O_RDONLY)?;
        probe!(Close, samples, CLOSE, page.into_raw())?;
    }
    Ok(())
}

fn fcntl(samples: &mut Samples) -> sys::Result<()> {
    const F_SETFL: usize = 4;
    const FLAGS: usize = sys::O_RDWR | 0o4_000;
    let connection = Listener::open()?.connection()?;
    while samples.wants_more() {
        probe!(Fcntl, samples, FCNTL, connection.server.raw(), F_SETFL, FLAGS)?;
    }
    Ok(())
}

fn ioctl(samples: &mut Samples) -> sys::Result<()> {
    const FIONREAD: usize = 0x541b;
    let connection = Listener::open()?.connection()?;
    connection.request()?;
    let mut pending = 0i32;
    while samples.wants_more() {
        let pending = ptr::from_mut(&mut pending).addr();
        probe!(Ioctl, samples, IOCTL, connection.server.raw(), FIONREAD, pending)?;
    }
    Ok(())
}

fn read<const WINDOW: u16>(samples: &mut Samples, bytes: usize) -> sys::Result<()> {
    let page = sys::open(PAGE, sys::O_RDONLY)?;
    let mut buffer = [0u8; wire::BODY];
    while samples.wants_more() {
        rewind(&page)?;
        let args = [page.raw(), buffer.as_mut_ptr().addr(), bytes.min(buffer.len())];
        // SAFETY: the buffer is as long as we say.
        unsafe { probe::call::<WINDOW, _>(samples, number::READ, args) }?;
    }
    Ok(())
}

fn setsockopt(samples: &mut Samples) -> sys::Result<()> {
    const IPPROTO_TCP: usize = 6;
    const TCP_NODELAY: usize = 1;
    let connection = Listener::open()?.connection()?;
    let on = 1i32;
    while samples.wants_more() {
        let (fd, on) = (connection.server.raw(), ptr::from_ref(&on).addr());
        probe!(
            Setsockopt,
            samples,
            SETSOCKOPT,
            fd,
            IPPROTO_TCP,
            TCP_NODELAY,
            on,
            size_of::<i32>()
        )?;
    }
    Ok(())
}

fn shutdown(samples: &mut Samples) -> sys::Result<()> {
    const SHUT_WR: usize = 1;
    let listener = Listener::open()?;
    while samples.wants_more() {
        let connection = listener.connection()?;
        probe!(Shutdown, samples, SHUTDOWN, connection.server.raw(), SHUT_WR)?;
    }
    Ok(())
}

/// Room for `struct stat` of x86-64, which has 144 bytes.
type Stat = [u64; 18];

fn stat(samples: &mut Samples) -> sys::Result<()> {
    let mut stat: Stat = [0; 18];
    while samples.wants_more() {
        probe!(Stat, samples, STAT, PAGE.as_ptr().addr(), stat.as_mut_ptr().addr())?;
    }
    Ok(())
}

fn write(samples: &mut Samples) -> sys::Result<()> {
    let file = sys::open(WRITTEN, sys::O_RDWR | sys::O_CREAT)?;
    let line = [b'x'; WRITTEN_BYTES];
    while samples.wants_more() {
        rewind(&file)?;
        probe!(Write, samples, WRITE, file.raw(), line.as_ptr().addr(), line.len())?;
    }
    Ok(())
}

fn writev(samples: &mut Samples) -> sys::Result<()> {
    let connection = Listener::open()?.connection()?;
    let (header, body) = ([b'h'; wire::HEADER], [b'b'; wire::BODY]);
    // struct iovec: address and length.
    let parts = [[header.as_ptr().addr(), header.len()], [body.as_ptr().addr(), body.len()]];
    while samples.wants_more() {
        let (fd, parts) = (connection.server.raw(), parts.as_ptr().addr());
        let sent = probe!(Writev, samples, WRITEV, fd, parts, 2)?;
        connection.receive(sent)?;
    }
    Ok(())
}

fn open(samples: &mut Samples) -> sys::Result<()> {
    // O_NOCTTY | O_NONBLOCK | O_CLOEXEC.
    const FLAGS: usize = 0o400 | 0o4_000 | 0o2_000_000;
    while samples.wants_more() {
        drop(Fd::from_raw(probe!(Open, samples, OPEN, PAGE.as_ptr().addr(), FLAGS, 0)?));
    }
    Ok(())
}

fn fstat(samples: &mut Samples) -> sys::Result<()> {
    let page = sys::open(PAGE, sys::O_RDONLY)?;
    let mut stat: Stat = [0; 18];
    while samples.wants_more() {
        probe!(Fstat, samples, FSTAT, page.raw(), stat.as_mut_ptr().addr())?;
    }
    Ok(())
}

fn accept4(samples: &mut Samples) -> sys::Result<()> {
    let listener = Listener::open()?;
    let mut address = [0u8; 28];
    while samples.wants_more() {
        let client = listener.connect()?;
        let mut len = 28u32;
        let (address, len) = (address.as_mut_ptr().addr(), ptr::from_mut(&mut len).addr());
        let server = probe!(Accept4, samples, ACCEPT4, listener.raw(), address, len, ACCEPT_FLAGS)?;
        drop(Connection { client, server: Fd::from_raw(server) });
    }
    Ok(())
}

/// `struct epoll_event` of x86-64, which is packed into 12 bytes.
type EpollEvent = [u32; 3];

fn epoll_wait(samples: &mut Samples) -> sys::Result<()> {
    const EPOLL_CTL_ADD: usize = 1;
    const EPOLLIN: u32 = 1;
    const MILLISECONDS: usize = 1000;
    let connection = Listener::open()?.connection()?;
    connection.request()?;
    let mut events: [EpollEvent; 16] = [[EPOLLIN, 0, 0]; 16];
    // SAFETY: the event is as long as the kernel's.
    let epoll = unsafe {
        let epoll = Fd::from_raw(sys::call(number::EPOLL_CREATE1, [0])?);
        let event = events.as_ptr().addr();
        let args = [epoll.raw(), EPOLL_CTL_ADD, connection.server.raw(), event];
        sys::call(number::EPOLL_CTL, args)?;
        epoll
    };
    while samples.wants_more() {
        let (fd, room) = (epoll.raw(), events.as_mut_ptr().addr());
        probe!(EpollWait, samples, EPOLL_WAIT, fd, room, events.len(), MILLISECONDS)?;
    }
    Ok(())
}

fn sendfile(samples: &mut Samples) -> sys::Result<()> {
    let page = sys::open(PAGE, sys::O_RDONLY)?;
    let connection = Listener::open()?.connection()?;
    while samples.wants_more() {
        let mut offset = 0u64;
        let (to, offset) = (connection.server.raw(), ptr::from_mut(&mut offset).addr());
        let sent = probe!(Sendfile, samples, SENDFILE, to, page.raw(), offset, wire::BODY)?;
        connection.receive(sent)?;
    }
    Ok(())
}

/// Goes back to the beginning of a file.
fn rewind(file: &Fd) -> sys::Result<()> {
    const SEEK_SET: usize = 0;
    // SAFETY: no pointer is involved.
    unsafe { sys::call(number::LSEEK, [file.raw(), 0, SEEK_SET]) }.map(drop)
}
