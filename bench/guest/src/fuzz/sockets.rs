//! Calls on sockets: connections within the machine.
//!
//! Every result is foretold but for time: data on a TCP connection may be on its way.
//! So it is waited for until it is there; and no call is made that would wait for ever.

use bench_guest::sys;

use crate::memory;
use crate::names::{self, make};
use crate::slots::{Kind, Slot, Socket};
use crate::world::World;

const AF_UNIX: usize = 1;
const AF_INET: usize = 2;
const SOCK_STREAM: usize = 1;
const SOCK_DGRAM: usize = 2;
const SOCK_SEQPACKET: usize = 5;
const MSG_PEEK: usize = 2;
const MSG_DONTWAIT: usize = 0x40;
const MSG_NOSIGNAL: usize = 0x4000;
/// Bytes that may be on their way: far below every limit of a buffer.
const MOST_BYTES: usize = 32 << 10;
/// Datagrams that may be on their way: `net.unix.max_dgram_qlen` is 10.
const MOST_DATAGRAMS: usize = 6;
/// How often it is looked for what was sent, once a millisecond.
const SETTLE: usize = 3000;

/// Makes two sockets that are connected.
pub(crate) fn pair(world: &mut World) {
    let Some((one, other)) = world.slots.free_pair() else { return close_any(world) };
    let kind = world.random.pick(&[
        Kind::UnixStream,
        Kind::UnixDatagram,
        Kind::UnixSequenced,
        Kind::Tcp,
        Kind::Tcp,
    ]);
    let (result, fds) = match kind {
        Kind::Tcp => tcp_pair(),
        Kind::UnixStream => unix_pair(SOCK_STREAM),
        Kind::UnixDatagram => unix_pair(SOCK_DGRAM),
        Kind::UnixSequenced => unix_pair(SOCK_SEQPACKET),
    };
    world.record.call("pair", [fds[0], fds[1], 0, 0], result);
    fds.iter().for_each(|fd| world.record.number(*fd as u64));
    if result < 0 {
        return;
    }
    for (index, peer, fd) in [(one, other, fds[0]), (other, one, fds[1])] {
        world.slots.sockets[index] = Some(Socket {
            kind,
            peer,
            descriptors: 0,
            pending: 0,
            is_ended: false,
            has_ended: false,
            is_lost: false,
            is_nonblocking: false,
        });
        world.keep(Slot { fd, socket: Some(index) });
    }
}

fn unix_pair(kind: usize) -> (i64, [usize; 2]) {
    let mut fds = [0_u32; 2];
    let room = fds.as_mut_ptr().expose_provenance();
    let result = make(names::SOCKETPAIR, [AF_UNIX, kind, 0, room, 0, 0]);
    (result, fds.map(|fd| fd as usize))
}

/// A listener for one connection. Its numbers come in the same order each time.
fn tcp_pair() -> (i64, [usize; 2]) {
    const LENGTH: usize = 16;
    const TCP_NODELAY: usize = 1;
    const IPPROTO_TCP: usize = 6;
    let mut address = [0_u8; LENGTH];
    address[0] = 2;
    address[4..8].copy_from_slice(&[127, 0, 0, 1]);
    let mut length = [16_u32; 1];
    let at = address.as_mut_ptr().expose_provenance();
    let length_at = length.as_mut_ptr().expose_provenance();
    let number = |result: i64| usize::try_from(result).unwrap_or(usize::MAX);
    let listener = number(make(names::SOCKET, [AF_INET, SOCK_STREAM, 0, 0, 0, 0]));
    let client = number(make(names::SOCKET, [AF_INET, SOCK_STREAM, 0, 0, 0, 0]));
    let steps = [
        make(names::BIND, [listener, at, LENGTH, 0, 0, 0]),
        make(names::LISTEN, [listener, 1, 0, 0, 0, 0]),
        make(names::GETSOCKNAME, [listener, at, length_at, 0, 0, 0]),
        make(names::CONNECT, [client, at, LENGTH, 0, 0, 0]),
    ];
    let server = make(names::ACCEPT4, [listener, 0, 0, 0, 0, 0]);
    let closed = make(names::CLOSE, [listener, 0, 0, 0, 0, 0]);
    let failed = steps.into_iter().chain([server.min(0), closed]).find(|result| *result < 0);
    let fds = [client, number(server)];
    // Small segments are sent at once: none waits for the acknowledgement of another.
    let on = [1_u32; 1];
    for fd in fds {
        let value = on.as_ptr().expose_provenance();
        make(names::SETSOCKOPT, [fd, IPPROTO_TCP, TCP_NODELAY, value, 4, 0]);
    }
    (failed.unwrap_or(0), fds)
}

/// Closes a descriptor.
pub(crate) fn close_any(world: &mut World) {
    let slot = world.slots.any(&mut world.random);
    world.close(slot);
}

/// What a call may do with a socket.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum May {
    /// Whatever it likes.
    All,
    /// Nothing: it would wait for ever, or its result depends on time.
    Nothing,
}

impl World {
    fn socket(&mut self, slot: Slot) -> Option<&mut Socket> {
        slot.socket.and_then(|index| self.slots.sockets[index].as_mut())
    }

    fn peer(&mut self, slot: Slot) -> Option<&mut Socket> {
        let index = slot.socket?;
        let peer = self.socket(slot)?.peer;
        self.slots.sockets[peer].as_mut().filter(|it| it.peer == index)
    }

    /// Whether a descriptor may be received from; what is on its way has arrived then.
    pub(crate) fn may_receive(&mut self, slot: Slot, flags: usize) -> May {
        self.settle(slot);
        let waits = flags & MSG_DONTWAIT == 0;
        match self.socket(slot) {
            Some(it) if waits && !it.is_nonblocking && !it.is_lost => {
                let comes = it.pending > 0 || it.is_ended;
                // The end of a datagram socket is not told.
                if comes && !(it.pending == 0 && it.kind == Kind::UnixDatagram) {
                    May::All
                } else {
                    May::Nothing
                }
            }
            Some(it) if it.is_lost && it.kind != Kind::Tcp && waits && !it.is_nonblocking => {
                May::Nothing
            }
            _ => May::All,
        }
    }

    /// Whether so many bytes may be sent.
    pub(crate) fn may_send(&mut self, slot: Slot, length: usize) -> May {
        self.settle(slot);
        if let Some(peer) = slot.socket.and_then(|index| {
            let peer = self.slots.sockets[index]?.peer;
            self.slots.sockets[peer].filter(|it| it.peer == index)
        }) {
            let fits = match peer.kind {
                Kind::UnixDatagram | Kind::UnixSequenced => peer.pending < MOST_DATAGRAMS,
                Kind::UnixStream | Kind::Tcp => peer.pending + length <= MOST_BYTES,
            };
            return if fits { May::All } else { May::Nothing };
        }
        May::All
    }

    /// Whether what is sent goes in messages.
    pub(crate) fn is_datagram(&mut self, slot: Slot) -> bool {
        let kind = self.socket(slot).map(|socket| socket.kind);
        matches!(kind, Some(Kind::UnixDatagram | Kind::UnixSequenced))
    }

    /// Whether the kernel may cut what is sent, and join it, as it likes: how much of it
    /// gets out of memory that is there in part, or into it, depends on that.
    fn is_in_packets(&mut self, slot: Slot) -> bool {
        self.socket(slot).is_some_and(|socket| socket.kind == Kind::Tcp)
    }

    /// [`memory::source`] of what is written into a slot.
    pub(crate) fn source(&mut self, slot: Slot, length: usize) -> usize {
        let whole = self.is_in_packets(slot);
        memory::source(&mut self.random, length, whole)
    }

    /// [`memory::target`] of what is read from a slot.
    pub(crate) fn target(&mut self, slot: Slot, length: usize) -> usize {
        let whole = self.is_in_packets(slot);
        memory::target(&mut self.random, length, whole)
    }

    /// Notes what was received.
    pub(crate) fn received(&mut self, slot: Slot, result: i64, flags: usize) {
        const EAGAIN: i64 = -11;
        let Some(socket) = self.socket(slot) else { return };
        let is_stream = matches!(socket.kind, Kind::UnixStream | Kind::Tcp);
        match usize::try_from(result) {
            _ if flags & MSG_PEEK != 0 => {}
            Ok(count) => {
                let taken = if is_stream { count } else { 1 };
                socket.pending = socket.pending.saturating_sub(taken);
            }
            // Whether the message is gone depends on what was wrong.
            Err(_) if !is_stream && result != EAGAIN => socket.is_lost = true,
            Err(_) => {}
        }
    }

    /// Notes what was sent.
    pub(crate) fn sent(&mut self, slot: Slot, result: i64) {
        if result < 0 && self.is_datagram(slot) {
            // That nobody is there any more empties the queue, too.
            if let Some(socket) = self.socket(slot) {
                socket.is_lost = true;
            }
        }
        if let (Ok(count), Some(peer)) = (usize::try_from(result), self.peer(slot)) {
            peer.pending += match peer.kind {
                Kind::UnixStream | Kind::Tcp => count,
                Kind::UnixDatagram | Kind::UnixSequenced => 1,
            };
        }
    }

    /// Waits until a TCP connection has brought what was sent.
    fn settle(&mut self, slot: Slot) {
        const FIONREAD: usize = 0x541b;
        const POLLRDHUP: u16 = 0x2000;
        const POLLHUP: u16 = 0x10;
        let Some(&mut socket) = self.socket(slot) else { return };
        if socket.kind != Kind::Tcp {
            return;
        }
        for _ in 0..SETTLE {
            let mut there = [0_u32; 1];
            let at = there.as_mut_ptr().expose_provenance();
            make(names::IOCTL, [slot.fd, FIONREAD, at, 0, 0, 0]);
            let has_data = socket.is_lost || there[0] as usize == socket.pending;
            let events = poll_one(slot.fd, POLLRDHUP);
            let is_ended = !socket.is_ended || events & (POLLRDHUP | POLLHUP) != 0;
            if has_data && is_ended {
                return;
            }
            sys::sleep(1);
        }
        self.record.call("unsettled", [slot.fd, socket.pending, 0, 0], 0);
    }

    /// Lets every connection bring what was sent, before a call that looks at many.
    pub(crate) fn settle_all(&mut self, slots: &[Slot]) {
        slots.iter().for_each(|slot| self.settle(*slot));
    }
}

/// The events of a descriptor now.
fn poll_one(fd: usize, wanted: u16) -> u16 {
    // struct pollfd: descriptor, what is asked for and what is answered.
    let mut poll = [0_u32; 2];
    poll[0] = u32::try_from(fd).unwrap_or(u32::MAX);
    poll[1] = u32::from(wanted);
    make(names::POLL, [poll.as_mut_ptr().expose_provenance(), 1, 0, 0, 0, 0]);
    u16::try_from(poll[1] >> 16).unwrap_or(0)
}

/// `sendto` and `recvfrom` without an address.
pub(crate) fn send_or_receive(world: &mut World) {
    let Some(slot) = world.slots.any_socket(&mut world.random) else { return pair(world) };
    let length = memory::length(&mut world.random);
    if world.random.one_in(2) {
        let flags = MSG_NOSIGNAL | world.random.flags(3, &[MSG_DONTWAIT]);
        if world.may_send(slot, length) == May::Nothing {
            return receive(world, slot, length);
        }
        let at = world.source(slot, length);
        let result = make(names::SENDTO, [slot.fd, at, length, flags, 0, 0]);
        world.sent(slot, result);
        world.record.call("sendto", [slot.fd, at, length, flags], result);
    } else {
        receive(world, slot, length);
    }
}

fn receive(world: &mut World, slot: Slot, length: usize) {
    let flags = world.random.flags(4, &[MSG_PEEK]) | world.random.flags(2, &[MSG_DONTWAIT]);
    if world.may_receive(slot, flags) == May::Nothing {
        return set_blocking(world, slot, true);
    }
    let at = world.target(slot, length);
    let result = make(names::RECVFROM, [slot.fd, at, length, flags, 0, 0]);
    world.received(slot, result, flags);
    world.record.bytes(memory::written(at, length));
    world.record.call("recvfrom", [slot.fd, at, length, flags], result);
}

/// Sets `O_NONBLOCK`.
pub(crate) fn set_blocking(world: &mut World, slot: Slot, is_nonblocking: bool) {
    const F_SETFL: usize = 4;
    const O_NONBLOCK: usize = 0o4000;
    let flags = if is_nonblocking { O_NONBLOCK } else { 0 };
    let result = make(names::FCNTL, [slot.fd, F_SETFL, flags, 0, 0, 0]);
    if let (0.., Some(socket)) = (result, world.socket(slot)) {
        socket.is_nonblocking = is_nonblocking;
    }
    world.record.call("setfl", [slot.fd, flags, 0, 0], result);
}

/// Ends one or both directions.
pub(crate) fn shutdown(world: &mut World) {
    const SHUT_WR: usize = 1;
    let Some(slot) = world.slots.any_socket(&mut world.random) else { return pair(world) };
    world.settle(slot);
    let result = make(names::SHUTDOWN, [slot.fd, SHUT_WR, 0, 0, 0, 0]);
    if let (0.., Some(socket)) = (result, world.socket(slot)) {
        socket.has_ended = true;
    }
    if let (0.., Some(peer)) = (result, world.peer(slot)) {
        peer.is_ended = true;
    }
    world.record.call("shutdown", [slot.fd, SHUT_WR, 0, 0], result);
}
