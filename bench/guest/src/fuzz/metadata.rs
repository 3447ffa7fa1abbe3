//! Calls on paths and on what they lead to.

use crate::files::HERE;
use crate::memory;
use crate::names::{self, Call, make};
use crate::paths::Path;
use crate::world::World;

/// What `stat` gives (arch/x86/include/uapi/asm/stat.h).
pub(crate) struct Stat(&'static mut [u8]);

const STAT_BYTES: usize = 144;
/// Times from this on, of 1985, were set by a call of the sequence, others by the
/// clock, which may begin in 1970.
const SET_BY_US: u64 = 500_000_000;
/// How many of them there are.
const SPAN: usize = 1000;

impl Stat {
    fn new() -> Self {
        Self(memory::result(STAT_BYTES))
    }

    fn at(&mut self) -> usize {
        self.0.as_mut_ptr().expose_provenance()
    }

    fn field(&self, offset: usize) -> u64 {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&self.0[offset..offset + 8]);
        u64::from_le_bytes(bytes)
    }

    pub(crate) fn size(&self) -> u64 {
        self.field(48)
    }

    fn mode(&self) -> u64 {
        self.field(24) & 0xffff_ffff
    }

    pub(crate) fn is_file(&self) -> bool {
        self.mode() & 0o170_000 == 0o100_000
    }

    /// Takes what does not depend on the time or on the place: not the device, the
    /// number, and the blocks that the file system has given it so far.
    fn record(&self, world: &mut World) {
        let (links, owner, rdev, block_size) =
            (self.field(16), self.field(28), self.field(40), self.field(56));
        for number in [links, self.mode(), owner, rdev, self.size(), block_size] {
            world.record.number(number);
        }
        for seconds in [72, 88, 104] {
            let after = self.field(seconds).wrapping_sub(SET_BY_US);
            world.record.number(if after < SPAN as u64 { after } else { u64::MAX });
        }
    }
}

/// What `fstat` says.
pub(crate) fn status(fd: usize) -> (i64, Stat) {
    let mut stat = Stat::new();
    let result = make(names::FSTAT, [fd, stat.at(), 0, 0, 0, 0]);
    (result, stat)
}

/// `stat`, `lstat`, `newfstatat` and `fstat`.
pub(crate) fn stat(world: &mut World) {
    const AT_SYMLINK_NOFOLLOW: usize = 0x100;
    const AT_EMPTY_PATH: usize = 0x1000;
    let mut path = world.path();
    let at = path.address(&mut world.random);
    let mut stat = Stat::new();
    let room = if world.random.one_in(200) { 8 } else { stat.at() };
    let result = match world.random.below(8) {
        0..4 => make(names::STAT, [at, room, 0, 0, 0, 0]),
        4 => make(names::LSTAT, [at, room, 0, 0, 0, 0]),
        5 | 6 => {
            let place = world.slots.any(&mut world.random).fd;
            let place = world.random.pick(&[HERE, place]);
            let flags = world.random.flags(3, &[AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH]);
            make(names::FSTATAT, [place, at, room, flags, 0, 0])
        }
        _ => {
            let fd = world.slots.any(&mut world.random).fd;
            make(names::FSTAT, [fd, room, 0, 0, 0, 0])
        }
    };
    stat.record(world);
    world.record.call("stat", [0; 4], result);
}

/// A call that takes a path and a number.
fn one_path(world: &mut World, call: Call, value: usize) {
    let mut path = world.path();
    let at = path.address(&mut world.random);
    let result = make(call, [at, value, 0, 0, 0, 0]);
    world.record.call(call.1, [value, 0, 0, 0], result);
}

/// A call that takes two paths.
fn two_paths(world: &mut World, call: Call) {
    let (mut one, mut other) = (world.path(), world.path());
    let (from, to) = (one.address(&mut world.random), other.address(&mut world.random));
    let result = make(call, [from, to, 0, 0, 0, 0]);
    world.record.call(call.1, [0; 4], result);
}

/// Makes, removes, and changes what paths lead to.
pub(crate) fn change(world: &mut World) {
    let mode = world.random.pick(&[0o755, 0o644, 0, 0o777, 0o1777, 0o4755]);
    match world.random.below(16) {
        0..4 => one_path(world, names::MKDIR, mode),
        4 | 5 => one_path(world, names::RMDIR, 0),
        6 | 7 => one_path(world, names::UNLINK, 0),
        8 => two_paths(world, names::LINK),
        9 => two_paths(world, names::SYMLINK),
        10..13 => rename(world),
        13 => one_path(world, names::CHMOD, mode),
        14 => {
            let length = world.random.pick(&[0, 1, 4095, 4096, 9000, 20_000, 1 << 63]);
            one_path(world, names::TRUNCATE, length);
        }
        _ => {
            let slot = world.slots.any(&mut world.random);
            let call = world.random.pick(&[names::FTRUNCATE, names::FCHMOD]);
            let value = world.random.pick(&[0, 0o644, 4096, 12_000]);
            let result = make(call, [slot.fd, value, 0, 0, 0, 0]);
            world.record.call(call.1, [slot.fd, value, 0, 0], result);
        }
    }
}

fn rename(world: &mut World) {
    // RENAME_NOREPLACE, RENAME_EXCHANGE, both.
    let flags = world.random.pick(&[0, 0, 0, 1, 2, 3]);
    let (mut one, mut other) = (world.path(), world.path());
    let (from, to) = (one.address(&mut world.random), other.address(&mut world.random));
    let result = make(names::RENAMEAT2, [HERE, from, HERE, to, flags, 0]);
    world.record.call("renameat2", [flags, 0, 0, 0], result);
}

/// Looks at paths in other ways.
pub(crate) fn look(world: &mut World) {
    match world.random.below(6) {
        0 => {
            let mode = world.random.below(9);
            let mut path = world.path();
            let at = path.address(&mut world.random);
            let result = make(names::FACCESSAT, [HERE, at, mode, 0, 0, 0]);
            world.record.call("faccessat", [mode, 0, 0, 0], result);
        }
        1 => {
            let mut path = world.path();
            let at = path.address(&mut world.random);
            let room = memory::result(1024);
            let result = make(names::READLINK, [at, room.as_mut_ptr().addr(), 1024, 0, 0, 0]);
            world.record.bytes(room);
            world.record.call("readlink", [0; 4], result);
        }
        2 => list(world),
        3 => set_times(world),
        4 => {
            let room = memory::result(4096);
            let at = room.as_mut_ptr().expose_provenance();
            let result = make(names::GETCWD, [at, 4096, 0, 0, 0, 0]);
            world.record.bytes(room);
            world.record.call("getcwd", [0; 4], result);
        }
        _ => go(world),
    }
}

/// Lists a directory; numbers and positions are the file system's own business.
fn list(world: &mut World) {
    let slot = world.slots.any(&mut world.random);
    let room = memory::result(4096);
    let at = room.as_mut_ptr().expose_provenance();
    let result = make(names::GETDENTS, [slot.fd, at, 4096, 0, 0, 0]);
    let mut rest = &room[..usize::try_from(result).unwrap_or(0).min(4096)];
    // struct linux_dirent64: number, position, length of the record, type, name.
    while rest.len() > 19 {
        let length = usize::from(u16::from_le_bytes([rest[16], rest[17]])).clamp(19, rest.len());
        world.record.number(u64::from(rest[18]));
        let name = &rest[19..length];
        let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
        world.record.bytes(&name[..end]);
        rest = &rest[length..];
    }
    world.record.call("getdents64", [slot.fd, 0, 0, 0], result.min(1));
}

/// Sets times to some that the clock never gives, so that it is seen later whether
/// a read has changed that of the last access.
fn set_times(world: &mut World) {
    let (accessed, modified) = (world.random.below(SPAN), world.random.below(SPAN));
    let time = |after: usize| SET_BY_US + after as u64;
    let times = [time(accessed), 0, time(modified), 0];
    let mut path = world.path();
    let at = path.address(&mut world.random);
    let times_at = times.as_ptr().expose_provenance();
    let result = make(names::UTIMENSAT, [HERE, at, times_at, 0, 0, 0]);
    world.record.call("utimensat", [accessed, modified, 0, 0], result);
}

/// Goes elsewhere, or back.
fn go(world: &mut World) {
    let mut path = if world.random.one_in(2) { Path::of(world.base()) } else { world.path() };
    let result = make(names::CHDIR, [path.pointer(), 0, 0, 0, 0, 0]);
    world.record.call("chdir", [0; 4], result);
}
