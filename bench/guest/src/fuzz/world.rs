//! One world: an empty directory, so many calls, and the end of everything.

use core::ffi::CStr;

use bench_guest::sys::Errno;

use crate::files::{self, HERE};
use crate::names::{self, make};
use crate::paths::Path;
use crate::random::Random;
use crate::record::Record;
use crate::setup::{Failure, MOUNTS, Order};
use crate::slots::{Slot, Slots};
use crate::{events, metadata, remove, sockets};

pub(crate) struct World {
    pub(crate) random: Random,
    pub(crate) record: Record,
    pub(crate) slots: Slots,
    pub(crate) epoll: usize,
    base: [u8; BASE],
    /// The root directory, to come back to from another one.
    root: usize,
}

/// Bytes of the path of a world's directory: `/t/w`.
const BASE: usize = 4;

/// Makes the calls of a world and gives the hash of what they answered.
pub(crate) fn run(order: &Order, number: u64) -> Result<u64, Failure> {
    let mut world = World::new(order, number)?;
    while world.record.calls() < order.calls {
        world.step();
    }
    let hash = world.record.hash();
    world.end();
    Ok(hash)
}

impl World {
    fn new(order: &Order, number: u64) -> Result<Self, Failure> {
        let mut base = *b"/?/w";
        let place = MOUNTS[usize::try_from(number).unwrap_or(0) % MOUNTS.len()];
        base[1] = place.to_bytes()[1];
        let descriptor = |result: i64, what| {
            let errno = i32::try_from(result.unsigned_abs()).unwrap_or(0);
            usize::try_from(result).map_err(|_| (what, Errno(errno)))
        };
        let root = make(names::OPENAT, [HERE, Path::of(b"/").pointer(), 0, 0, 0, 0]);
        let root = descriptor(root, "opening the root")?;
        let epoll = make(names::EPOLL_CREATE1, [0; 6]);
        let epoll = descriptor(epoll, "making an epoll instance")?;
        let mut path = Path::of(&base);
        descriptor(make(names::MKDIR, [path.pointer(), 0o755, 0, 0, 0, 0]), "making a directory")?;
        descriptor(make(names::CHDIR, [path.pointer(), 0, 0, 0, 0, 0]), "going there")?;
        let record = Record::new(order.shown == number);
        let random = Random::new(order.seed, number);
        Ok(Self { random, record, slots: Slots::new(), epoll, base, root })
    }

    pub(crate) fn base(&self) -> &[u8] {
        &self.base
    }

    /// A random path.
    pub(crate) fn path(&mut self) -> Path {
        let path = Path::random(&mut self.random, &self.base);
        self.record.path(path.text());
        path
    }

    fn step(&mut self) {
        match self.random.below(100) {
            0..16 => metadata::stat(self),
            16..32 => files::open(self),
            32..44 => files::read(self),
            44..53 => files::write(self),
            53..64 => metadata::change(self),
            64..70 => metadata::look(self),
            70..73 => files::seek(self),
            73..76 => files::send_file(self),
            76..78 => files::duplicate(self),
            78 => files::blocking(self),
            79 | 80 => files::map(self),
            81..84 => sockets::close_any(self),
            84 => sockets::pair(self),
            85..93 => sockets::send_or_receive(self),
            93 if self.random.one_in(4) => sockets::shutdown(self),
            94 | 95 => events::poll(self),
            96 | 97 => events::control(self),
            98 => events::wait(self),
            _ => self.rarely(),
        }
    }

    /// What makes the kernel forget paths: mounts, and another root.
    fn rarely(&mut self) {
        let mut path = Path::near(&mut self.random, &self.base);
        self.record.path(path.text());
        match self.random.below(3) {
            0 => {
                let kind = c"tmpfs".as_ptr().expose_provenance();
                let result = make(names::MOUNT, [kind, path.pointer(), kind, 0, 0, 0]);
                self.record.call("mount", [0; 4], result);
            }
            1 => {
                let flags = self.random.pick(&[0, 2]);
                let result = make(names::UMOUNT, [path.pointer(), flags, 0, 0, 0, 0]);
                self.record.call("umount2", [flags, 0, 0, 0], result);
            }
            _ => {
                let result = make(names::CHROOT, [Path::of(&self.base).pointer(), 0, 0, 0, 0, 0]);
                self.record.call("chroot", [0; 4], result);
                // The same paths lead elsewhere now.
                metadata::stat(self);
                files::open(self);
                self.back();
            }
        }
    }

    /// Back to the first root and to the world's directory.
    fn back(&mut self) {
        let mut here = Path::of(b".");
        make(names::FCHDIR, [self.root, 0, 0, 0, 0, 0]);
        make(names::CHROOT, [here.pointer(), 0, 0, 0, 0, 0]);
        make(names::CHDIR, [Path::of(&self.base).pointer(), 0, 0, 0, 0, 0]);
    }

    /// Keeps a descriptor, and closes the one whose place it takes.
    pub(crate) fn keep(&mut self, slot: Slot) {
        if let Some(old) = self.slots.keep(&mut self.random, slot) {
            self.close_taken(old);
        }
    }

    /// Closes a descriptor.
    pub(crate) fn close(&mut self, slot: Slot) {
        self.slots.take(slot.fd);
        self.close_taken(slot);
    }

    fn close_taken(&mut self, slot: Slot) {
        let result = make(names::CLOSE, [slot.fd, 0, 0, 0, 0, 0]);
        if let (0, Some(index)) = (result, slot.socket) {
            self.slots.closed(index);
        }
        self.record.call("close", [slot.fd, 0, 0, 0], result);
    }

    /// Lets every connection bring what was sent.
    pub(crate) fn settle_every(&mut self) {
        let slots = self.slots.all_sockets();
        slots.into_iter().flatten().for_each(|slot| self.settle_all(&[slot]));
    }

    /// Closes and removes everything.
    fn end(mut self) {
        while let Some(slot) = self.slots.pop() {
            make(names::CLOSE, [slot.fd, 0, 0, 0, 0, 0]);
        }
        make(names::CLOSE, [self.epoll, 0, 0, 0, 0, 0]);
        make(names::CHDIR, [Path::of(b"/").pointer(), 0, 0, 0, 0, 0]);
        make(names::CLOSE, [self.root, 0, 0, 0, 0, 0]);
        let mut path = [0; BASE + 1];
        path[..BASE].copy_from_slice(&self.base);
        remove::tree(CStr::from_bytes_until_nul(&path).unwrap_or_default());
    }
}
