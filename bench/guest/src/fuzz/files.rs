//! Calls on open files: opening, reading, writing, moving within.

use crate::memory;
use crate::names::{self, make};
use crate::slots::Slot;
use crate::sockets::{self, May};
use crate::world::World;

/// `AT_FDCWD`, as a 64-bit register holds it.
pub(crate) const HERE: usize = usize::MAX - 99;

const O_CREAT: usize = 0o100;
const O_DIRECT: usize = 0o40000;
const O_PATH: usize = 0o10_000_000;
/// `O_EXCL`, `O_TRUNC`, `O_APPEND`, `O_NONBLOCK`, `O_DIRECTORY`, `O_NOFOLLOW`,
/// `O_CLOEXEC`.
const FLAGS: [usize; 7] = [0o200, 0o1000, 0o2000, 0o4000, 0o200_000, 0o400_000, 0o2_000_000];

pub(crate) fn open(world: &mut World) {
    const MODES: [usize; 5] = [0o644, 0o600, 0o755, 0, 0o4777];
    let access = world.random.pick(&[0, 0, 0, 1, 2, 2]);
    let mut flags = access | world.random.flags(12, &FLAGS) | world.random.flags(60, &[O_PATH]);
    // As a server opens.
    if world.random.one_in(4) {
        flags = world.random.pick(&[0, 0o2_004_000, 0o2_000_000, 0o400_000]);
    }
    flags |= world.random.flags(4, &[O_CREAT]) | world.random.flags(80, &[O_DIRECT]);
    let mode = world.random.pick(&MODES);
    let mut path = world.path();
    let place = if world.random.one_in(12) { world.slots.any(&mut world.random).fd } else { HERE };
    let at = path.address(&mut world.random);
    let result = make(names::OPENAT, [place, at, flags, mode, 0, 0]);
    world.record.call("openat", [place, flags, mode, 0], result);
    if let Ok(fd) = usize::try_from(result) {
        world.keep(Slot { fd, socket: None });
    }
}

/// `read`, `pread64` and `readv`.
pub(crate) fn read(world: &mut World) {
    let slot = world.slots.any(&mut world.random);
    let length = memory::length(&mut world.random);
    if world.may_receive(slot, 0) == May::Nothing {
        return sockets::set_blocking(world, slot, true);
    }
    let at = world.target(slot, length);
    let (call, args, offset) = match world.random.below(6) {
        0..3 => (names::READ, [slot.fd, at, length, 0, 0, 0], 0),
        3 => {
            let offset = offset(world);
            (names::PREAD, [slot.fd, at, length, offset, 0, 0], offset)
        }
        _ => {
            let (vector, count) = vector(world, at, length);
            (names::READV, [slot.fd, vector, count, 0, 0, 0], 0)
        }
    };
    let result = make(call, args);
    // Of nothing at all nothing is taken, not even an empty message.
    if call != names::PREAD && length > 0 && args[2] > 0 {
        world.received(slot, result, 0);
    }
    world.record.bytes(memory::written(at, length));
    world.record.call(call.1, [slot.fd, at, length, offset], result);
}

/// `write`, `pwrite64` and `writev`.
pub(crate) fn write(world: &mut World) {
    let slot = world.slots.any(&mut world.random);
    let length = memory::length(&mut world.random);
    if world.may_send(slot, length) == May::Nothing {
        return read(world);
    }
    let at = world.source(slot, length);
    let (call, args, offset) = match world.random.below(6) {
        0..3 => (names::WRITE, [slot.fd, at, length, 0, 0, 0], 0),
        3 => {
            let offset = offset(world);
            (names::PWRITE, [slot.fd, at, length, offset, 0, 0], offset)
        }
        _ => {
            let (vector, count) = vector(world, at, length);
            (names::WRITEV, [slot.fd, vector, count, 0, 0, 0], 0)
        }
    };
    let result = make(call, args);
    // An empty message is sent, but not by an empty vector.
    if call == names::WRITE || (call == names::WRITEV && length > 0 && args[2] > 0) {
        world.sent(slot, result);
    }
    world.record.call(call.1, [slot.fd, at, length, offset], result);
}

/// A vector of the parts of a buffer, empty ones among them; now and then with more
/// parts than there may be.
fn vector(world: &mut World, at: usize, length: usize) -> (usize, usize) {
    let count = world.random.below(6);
    let room = memory::result(8 * 16);
    let mut start = 0;
    for (index, entry) in room.chunks_exact_mut(16).take(count).enumerate() {
        let rest = length - start;
        let part = if index + 1 == count { rest } else { world.random.below(rest + 1) };
        entry[..8].copy_from_slice(&at.wrapping_add(start).to_le_bytes());
        entry[8..].copy_from_slice(&part.to_le_bytes());
        start += part;
    }
    let count = if world.random.one_in(60) { 1025 } else { count };
    (room.as_mut_ptr().expose_provenance(), count)
}

/// A position: near the beginning, or one that few files have.
fn offset(world: &mut World) -> usize {
    const FAR: [usize; 5] = [1 << 20, (1 << 31) - 1, 1 << 41, usize::MAX, 1 << 63];
    if world.random.one_in(20) { world.random.pick(&FAR) } else { world.random.below(20_000) }
}

pub(crate) fn seek(world: &mut World) {
    let slot = world.slots.any(&mut world.random);
    let (offset, whence) = (offset(world), world.random.below(6));
    let result = make(names::LSEEK, [slot.fd, offset, whence, 0, 0, 0]);
    world.record.call("lseek", [slot.fd, offset, whence, 0], result);
}

/// `sendfile`, with and without a position.
pub(crate) fn send_file(world: &mut World) {
    let (to, from) = (world.slots.any(&mut world.random), world.slots.any(&mut world.random));
    let length = memory::length(&mut world.random);
    // How many messages it would be is the kernel's business.
    if world.is_datagram(to)
        || world.may_send(to, length) == May::Nothing
        || world.may_receive(from, 0) == May::Nothing
    {
        return seek(world);
    }
    let start = offset(world);
    let room = memory::result(8);
    room.copy_from_slice(&start.to_le_bytes());
    let with_offset = world.random.one_in(2);
    let at = if with_offset { room.as_mut_ptr().expose_provenance() } else { 0 };
    let result = make(names::SENDFILE, [to.fd, from.fd, at, length, 0, 0]);
    world.sent(to, result);
    world.record.bytes(room);
    world.record.call("sendfile", [to.fd, from.fd, at, length], result);
}

/// `dup`, and `fcntl` with its harmless commands.
pub(crate) fn duplicate(world: &mut World) {
    let slot = world.slots.any(&mut world.random);
    if world.random.one_in(2) {
        let result = make(names::DUP, [slot.fd, 0, 0, 0, 0, 0]);
        world.record.call("dup", [slot.fd, 0, 0, 0], result);
        if let Ok(fd) = usize::try_from(result) {
            world.keep(Slot { fd, ..slot });
        }
        return;
    }
    // F_GETFD, F_SETFD, F_GETFL, and two that do not exist.
    let (command, value) = (world.random.pick(&[1, 2, 3, 3, 999]), world.random.below(2));
    let result = make(names::FCNTL, [slot.fd, command, value, 0, 0, 0]);
    world.record.call("fcntl", [slot.fd, command, value, 0], result);
}

/// Whether a descriptor waits; files are told, too.
pub(crate) fn blocking(world: &mut World) {
    let slot = world.slots.any(&mut world.random);
    let is_nonblocking = world.random.one_in(2);
    sockets::set_blocking(world, slot, is_nonblocking);
}

/// Maps a file, reads a part of it there, writes some, and unmaps it.
pub(crate) fn map(world: &mut World) {
    const MAP_SHARED: usize = 1;
    const MAP_PRIVATE: usize = 2;
    const PAGE: usize = 4096;
    const AT: usize = 0x2300_0000;
    const MAP_FIXED: usize = 0x10;
    let slot = world.slots.any(&mut world.random);
    let (status, stat) = crate::metadata::status(slot.fd);
    let size = usize::try_from(stat.size()).unwrap_or(0).min(2 * PAGE);
    let kind = world.random.pick(&[MAP_SHARED, MAP_PRIVATE]);
    let access = world.random.pick(&[1, 3]);
    let result = make(names::MMAP, [AT, 2 * PAGE, access, kind | MAP_FIXED, slot.fd, 0]);
    world.record.call("mmap", [slot.fd, size, access, kind], result);
    if result < 0 || status < 0 || !stat.is_file() {
        make(names::MUNMAP, [AT, 2 * PAGE, 0, 0, 0, 0]);
        return;
    }
    // SAFETY: the kernel has mapped so much of the file there, and the file does not
    // become shorter: only this program changes it.
    let bytes = unsafe {
        core::slice::from_raw_parts_mut(core::ptr::with_exposed_provenance_mut::<u8>(AT), size)
    };
    if access == 3 && size > 0 && world.random.one_in(2) {
        bytes[world.random.below(size)] = 0x5a;
    }
    world.record.bytes(bytes);
    let result = make(names::MUNMAP, [AT, 2 * PAGE, 0, 0, 0, 0]);
    world.record.call("munmap", [0; 4], result);
}
