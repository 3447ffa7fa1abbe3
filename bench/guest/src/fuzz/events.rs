//! `poll` and epoll over what is open.

use crate::memory;
use crate::names::{self, make};
use crate::slots::Slot;
use crate::world::World;

/// `POLLIN | POLLOUT | POLLRDHUP`, which are epoll's too.
const EVENTS: [usize; 3] = [1, 4, 0x2000];
const EPOLLONESHOT: usize = 1 << 30;
/// How many descriptors are looked at.
const COUNT: usize = 3;

pub(crate) fn poll(world: &mut World) {
    let slots: [Slot; COUNT] = core::array::from_fn(|_| world.slots.any(&mut world.random));
    world.settle_all(&slots);
    let events: [usize; COUNT] = core::array::from_fn(|_| world.random.flags(2, &EVENTS));
    let room = memory::result(COUNT * 8);
    for ((entry, slot), wanted) in room.chunks_exact_mut(8).zip(slots).zip(events) {
        // struct pollfd: descriptor, what is asked for, what is answered.
        let fd = u32::try_from(slot.fd).unwrap_or(u32::MAX);
        entry[..4].copy_from_slice(&fd.to_le_bytes());
        entry[4..6].copy_from_slice(&wanted.to_le_bytes()[..2]);
    }
    let at = room.as_mut_ptr().expose_provenance();
    let result = make(names::POLL, [at, COUNT, 0, 0, 0, 0]);
    world.record.bytes(room);
    world.record.call("poll", [slots[0].fd, slots[1].fd, slots[2].fd, 0], result);
}

/// Changes what the world's epoll instance waits for.
pub(crate) fn control(world: &mut World) {
    let slot = world.slots.any(&mut world.random);
    let operation = world.random.pick(&[1, 1, 1, 2, 3]);
    let wanted = world.random.flags(2, &EVENTS) | world.random.flags(6, &[EPOLLONESHOT]);
    // struct epoll_event is packed: events, data.
    let room = memory::result(12);
    room[..4].copy_from_slice(&wanted.to_le_bytes()[..4]);
    room[4..12].copy_from_slice(&slot.fd.to_le_bytes());
    let at = room.as_mut_ptr().expose_provenance();
    let result = make(names::EPOLL_CTL, [world.epoll, operation, slot.fd, at, 0, 0]);
    world.record.call("epoll_ctl", [operation, slot.fd, wanted, 0], result);
}

pub(crate) fn wait(world: &mut World) {
    const MOST: usize = 32;
    world.settle_every();
    let room = memory::result(MOST * 12);
    let at = room.as_mut_ptr().expose_provenance();
    let result = make(names::EPOLL_WAIT, [world.epoll, at, MOST, 0, 0, 0]);
    // In whatever order: that of packets is not foretold.
    let sum = room.chunks_exact(12).fold(0_u64, |sum, entry| {
        let mut one = crate::record::Record::new(false);
        one.bytes(entry);
        sum.wrapping_add(one.hash())
    });
    world.record.number(sum);
    world.record.call("epoll_wait", [world.epoll, 0, 0, 0], result);
}
