//! The open files of a world, and what is known of those that are sockets.

use crate::random::Random;

/// How many descriptors a world keeps.
const SLOTS: usize = 20;
/// How many sockets a world can have at a time.
const SOCKETS: usize = 10;
/// Descriptors that are none.
const BAD: [usize; 3] = [usize::MAX, 999, 1 << 20];

/// The kinds of sockets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    UnixStream,
    UnixDatagram,
    UnixSequenced,
    Tcp,
}

/// One end of a connection.
#[derive(Clone, Copy)]
pub(crate) struct Socket {
    pub(crate) kind: Kind,
    /// The other end.
    pub(crate) peer: usize,
    /// Descriptors that stand for it.
    pub(crate) descriptors: usize,
    /// Bytes that the other end has sent and this one has not received; of datagrams
    /// their number.
    pub(crate) pending: usize,
    /// Whether the other end has said that nothing more comes.
    pub(crate) is_ended: bool,
    /// Whether this end has said so.
    pub(crate) has_ended: bool,
    /// Whether nothing is foretold any more: the other end is gone.
    pub(crate) is_lost: bool,
    /// Whether it never waits.
    pub(crate) is_nonblocking: bool,
}

/// A descriptor.
#[derive(Clone, Copy)]
pub(crate) struct Slot {
    pub(crate) fd: usize,
    /// Which socket it is, if it is one.
    pub(crate) socket: Option<usize>,
}

pub(crate) struct Slots {
    slots: [Option<Slot>; SLOTS],
    pub(crate) sockets: [Option<Socket>; SOCKETS],
}

impl Slots {
    pub(crate) fn new() -> Self {
        Self { slots: [None; SLOTS], sockets: [None; SOCKETS] }
    }

    /// A descriptor, most often one that is open.
    pub(crate) fn any(&self, random: &mut Random) -> Slot {
        if random.one_in(60) {
            return Slot { fd: random.pick(&BAD), socket: None };
        }
        let start = random.below(SLOTS);
        let around = (start..SLOTS).chain(0..start);
        let open = around.filter_map(|index| self.slots[index]).next();
        open.unwrap_or(Slot { fd: random.pick(&BAD), socket: None })
    }

    /// A descriptor of a socket.
    pub(crate) fn any_socket(&self, random: &mut Random) -> Option<Slot> {
        let start = random.below(SLOTS);
        let around = (start..SLOTS).chain(0..start);
        around.filter_map(|index| self.slots[index]).find(|slot| slot.socket.is_some())
    }

    /// Every descriptor of a socket.
    pub(crate) fn all_sockets(&self) -> [Option<Slot>; SLOTS] {
        self.slots.map(|slot| slot.filter(|slot| slot.socket.is_some()))
    }

    /// Keeps a descriptor; gives the one that had to make room.
    pub(crate) fn keep(&mut self, random: &mut Random, new: Slot) -> Option<Slot> {
        if let Some(socket) = new.socket.and_then(|index| self.sockets[index].as_mut()) {
            socket.descriptors += 1;
        }
        let index = random.below(SLOTS);
        self.slots[index].replace(new)
    }

    /// Takes a descriptor out, to be closed.
    pub(crate) fn take(&mut self, fd: usize) {
        for slot in &mut self.slots {
            if slot.is_some_and(|slot| slot.fd == fd) {
                *slot = None;
            }
        }
    }

    /// Takes out any.
    pub(crate) fn pop(&mut self) -> Option<Slot> {
        self.slots.iter_mut().find_map(Option::take)
    }

    /// Places for two sockets that are connected.
    pub(crate) fn free_pair(&self) -> Option<(usize, usize)> {
        let mut free = (0..SOCKETS).filter(|index| self.sockets[*index].is_none());
        Some((free.next()?, free.next()?))
    }

    /// Notes that a descriptor of a socket was closed.
    pub(crate) fn closed(&mut self, index: usize) {
        let Some(socket) = &mut self.sockets[index] else { return };
        socket.descriptors -= 1;
        if socket.descriptors > 0 {
            return;
        }
        let (peer, was_read) = (socket.peer, socket.pending == 0);
        self.sockets[index] = None;
        // The place of the other end may have been given to another one since.
        if let Some(peer) = self.sockets[peer].as_mut().filter(|it| it.peer == index) {
            peer.is_ended = true;
            // What was not read is answered with a reset.
            peer.is_lost |= !was_read || peer.kind == Kind::Tcp;
        }
    }
}
