//! TCP connections over the loopback interface, as the server has them.

use bench_guest::sys::{self, Errno, Fd, number};

const AF_INET: usize = 2;
const SOCK_STREAM: usize = 1;
/// What lighttpd opens connections with: `SOCK_CLOEXEC | SOCK_NONBLOCK`.
pub(crate) const ACCEPT_FLAGS: usize = 0o2_000_000 | 0o4_000;
/// `struct sockaddr_in`: 127.0.0.1, port 80.
const ADDRESS: [u8; 16] = [2, 0, 0, 80, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
/// Connections that may wait.
const BACKLOG: usize = 128;

/// A request, as long as a browser's.
pub(crate) const REQUEST: [u8; 400] = [b'x'; 400];

/// A socket that listens.
pub(crate) struct Listener(Fd);

/// Both ends of a connection.
pub(crate) struct Connection {
    /// The client's end. It is the first to go, by a reset: no socket stays behind
    /// in TIME_WAIT.
    pub client: Fd,
    /// The server's end, which does not block.
    pub server: Fd,
}

fn socket() -> sys::Result<Fd> {
    // SAFETY: no pointer is involved.
    unsafe { sys::call(number::SOCKET, [AF_INET, SOCK_STREAM, 0]) }.map(Fd::from_raw)
}

impl Listener {
    /// Listens on port 80 of this machine.
    pub(crate) fn open() -> sys::Result<Self> {
        let socket = socket()?;
        // SAFETY: the address is as long as we say.
        unsafe {
            let address = [socket.raw(), ADDRESS.as_ptr().addr(), ADDRESS.len()];
            sys::call(number::BIND, address)?;
            sys::call(number::LISTEN, [socket.raw(), BACKLOG])?;
        }
        Ok(Self(socket))
    }

    /// The number that calls take.
    pub(crate) fn raw(&self) -> usize {
        self.0.raw()
    }

    /// A client that has connected.
    pub(crate) fn connect(&self) -> sys::Result<Fd> {
        const SOL_SOCKET: usize = 1;
        const SO_LINGER: usize = 13;
        // struct linger: on, for no second, which makes close a reset.
        let linger = [1i32, 0];
        let client = socket()?;
        let option = [client.raw(), SOL_SOCKET, SO_LINGER, linger.as_ptr().addr(), 8];
        // SAFETY: option and address are as long as we say.
        unsafe {
            sys::call(number::SETSOCKOPT, option)?;
            let address = [client.raw(), ADDRESS.as_ptr().addr(), ADDRESS.len()];
            sys::call(number::CONNECT, address)?;
        }
        Ok(client)
    }

    /// A connection.
    pub(crate) fn connection(&self) -> sys::Result<Connection> {
        let client = self.connect()?;
        // SAFETY: nobody wants to know the address.
        let server = unsafe { sys::call(number::ACCEPT4, [self.raw(), 0, 0, ACCEPT_FLAGS]) }?;
        Ok(Connection { client, server: Fd::from_raw(server) })
    }
}

impl Connection {
    /// Sends a request.
    pub(crate) fn request(&self) -> sys::Result<()> {
        sys::write(&self.client, &REQUEST).map(drop)
    }

    /// Receives an answer of so many bytes.
    pub(crate) fn receive(&self, mut bytes: usize) -> sys::Result<()> {
        const EPIPE: Errno = Errno(32);
        let mut buffer = [0; 8192];
        while bytes > 0 {
            match sys::read(&self.client, &mut buffer)? {
                0 => return Err(EPIPE),
                count => bytes = bytes.saturating_sub(count),
            }
        }
        Ok(())
    }
}
