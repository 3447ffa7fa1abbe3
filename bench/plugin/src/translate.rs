//! What is counted, decided once for each instruction that QEMU translates.

use std::collections::{HashMap, HashSet};
use std::ffi::{CStr, c_uint, c_void};
use std::sync::PoisonError;
use std::time::Instant;

use serde::Serialize;

use crate::Plugin;
use crate::cells::{Cell, EXITS, MEMORY};
use crate::decode::{Kind, kind};
use crate::ffi::*;
use crate::polling;
use crate::symbols::{KERNEL, Symbols};
use crate::tracker::{Nested, Now};

/// Functions that allocate memory; a call of one of them is counted by its caller.
/// Since Linux 6.10 their names end with `_noprof`.
const ALLOCATORS: &[&str] = &[
    "__kmalloc",
    "__kmalloc_cache",
    "__kmalloc_cache_node",
    "__kmalloc_node",
    "__kmalloc_large",
    "__kmalloc_large_node",
    "__kmalloc_node_track_caller",
    "kmalloc_reserve",
    "kmalloc_trace",
    "kmalloc_node_trace",
    "kmem_cache_alloc",
    "kmem_cache_alloc_bulk",
    "kmem_cache_alloc_lru",
    "kmem_cache_alloc_node",
    "alloc_pages_bulk",
    "__alloc_pages",
    "__get_free_pages",
    "get_free_pages",
    "__page_frag_alloc_align",
];

/// A moment of a start.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Moment {
    /// What was executed until then; see [`crate::tracker::Tracker::work`].
    instructions: u64,
    /// All of them, and each turn under `rep`: what a clock of instructions counts.
    turns_too: u64,
    /// What passed on the host since the guest began to run.
    milliseconds: f64,
}

/// What an address means to the tracker.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    Call,
    Name(usize),
    Nest(Nested),
    Phase(&'static str),
    /// `start_thread`, which begins a program.
    Program,
    /// A wait for events by the call of this index.
    Wait(usize),
    /// The first function of a new task.
    Task,
    /// The loop of the idle task.
    Idle,
}

/// An interrupt of a device comes through one of many stubs, all of one name.
const STUBS: [&str; 2] = ["irq_entries_start", "spurious_entries_start"];
static STUB: Event = Event::Nest(Nested::Interrupt);
/// By what their places can be divided (`IDT_ALIGN`, without what follows the
/// kernel's configuration).
const STUB_ALIGN: u64 = 8;

/// The first programs that begin.
const PROGRAMS: [&str; 4] = ["program 1", "program 2", "program 3", "program 4"];

/// Where the kernel is linked, less where it is loaded (`__START_KERNEL_map`).
const LINKED: u64 = 0xffff_ffff_8000_0000;
/// Where its modules begin, of which not every list of symbols has the places
/// (`MODULES_VADDR` in arch/x86/include/asm/pgtable_64_types.h).
const MODULES: u64 = 0xffff_ffff_c000_0000;
/// Where boot loaders put the part of a bzImage that unpacks it.
const DECOMPRESSOR: u64 = 0x10_0000;

/// QEMU's name of the local APIC's page (hw/intc/apic.c), and the registers of its
/// timer (Intel SDM, volume 3, table 11-1). How often the timer is set follows the
/// host's speed, as its interrupts do: that is no exit that counts.
const APIC: &CStr = c"apic-msi";
const APIC_TIMER: [u64; 4] = [0x320, 0x380, 0x390, 0x3e0];

/// The addresses that mean something.
pub(crate) fn events(symbols: &Symbols) -> HashMap<u64, Event> {
    let mut events = HashMap::from([(DECOMPRESSOR, Event::Phase("decompression"))]);
    for (name, address) in symbols.names() {
        let Some(index) = symbols.index(address) else { continue };
        let event = match name {
            "entry_SYSCALL_64" | "kml_syscall_entry" => Event::Call,
            "start_kernel" => Event::Phase("kernel"),
            "start_thread" => Event::Program,
            "ret_from_fork_asm" | "ret_from_fork" => Event::Task,
            "do_idle" => Event::Idle,
            "pvh_start_xen" | "startup_64" => {
                events.insert(address - LINKED, Event::Phase("entry"));
                continue;
            }
            "__x64_sys_epoll_wait" | "__x64_sys_epoll_pwait" => Event::Wait(index),
            _ if name.starts_with("__x64_sys_") => Event::Name(index),
            _ if name.starts_with("asm_exc_") => Event::Nest(Nested::Exception),
            "asm_sysvec_apic_timer_interrupt" => Event::Nest(Nested::Timer),
            _ if name.starts_with("asm_sysvec_") => Event::Nest(Nested::Interrupt),
            _ => continue,
        };
        events.insert(address, event);
    }
    events
}

pub(crate) extern "C" fn translated(_: qemu_plugin_id_t, block: *mut qemu_plugin_tb) {
    let Some(plugin) = Plugin::get() else { return };
    plugin.begin.get_or_init(Instant::now);
    let is_firmware = !plugin.has_come("kernel");
    // SAFETY: QEMU's block and its instructions live during this call.
    unsafe {
        for index in 0..qemu_plugin_tb_n_insns(block) {
            let insn = qemu_plugin_tb_get_insn(block, index);
            instruction(plugin, insn);
            if is_firmware {
                polling::look_after(insn);
            }
        }
    }
}

unsafe fn instruction(plugin: &'static Plugin, insn: *mut qemu_plugin_insn) {
    // SAFETY: the instruction is QEMU's and lives; so do its bytes.
    unsafe {
        let address = qemu_plugin_insn_vaddr(insn);
        let size = qemu_plugin_insn_size(insn);
        let bytes = std::slice::from_raw_parts(qemu_plugin_insn_data(insn), size);
        let function = (address >= KERNEL).then(|| plugin.symbols.index(address)).flatten();
        let stub = || function.filter(|index| begins_stub(&plugin.symbols, *index, address, bytes));
        if let Some(event) = plugin.events.get(&address).or_else(|| stub().map(|_| &STUB)) {
            exec(insn, on_event, std::ptr::from_ref(event).cast_mut().cast());
        }
        let kind = kind(bytes);
        match kind {
            Kind::Rep | Kind::RepExit(_) => {
                let exit = if let Kind::RepExit(name) = kind { cell_of(name) } else { None };
                let rep = Box::leak(Box::new(Rep { address, function, exit }));
                exec(insn, on_rep, std::ptr::from_mut(rep).cast());
                mem(insn, on_rep_memory);
            }
            _ => {
                add(insn, &plugin.cells.total);
                match function {
                    Some(index) => add(insn, &plugin.cells.functions[index]),
                    None => add(insn, &plugin.cells.user),
                }
            }
        }
        match kind {
            Kind::Exit(name) => {
                if let Some(index) = cell_of(name) {
                    add(insn, &plugin.cells.exits[index]);
                }
            }
            Kind::Call if address < KERNEL => add(insn, &plugin.cells.syscalls),
            Kind::Return if plugin.returns.contains(&address) => {
                exec(insn, on_return, std::ptr::null_mut())
            }
            Kind::Mark(mark) => exec(insn, on_mark, mark as usize as *mut c_void),
            Kind::NearCall(offset) | Kind::Jump(offset) => {
                let target = target(address, size, offset);
                branch(plugin, insn, function, target);
                if matches!(kind, Kind::NearCall(_)) {
                    compare(plugin, function, target);
                }
            }
            _ => {}
        }
        if let Some(index) = function {
            of_kernel(plugin, insn, kind, index);
        }
    }
}

/// What an instruction of the kernel is watched for beyond being counted.
unsafe fn of_kernel(
    plugin: &'static Plugin,
    insn: *mut qemu_plugin_insn,
    kind: Kind,
    index: usize,
) {
    // SAFETY: as for the caller.
    unsafe {
        let address = qemu_plugin_insn_vaddr(insn);
        let size = qemu_plugin_insn_size(insn);
        let bytes = std::slice::from_raw_parts(qemu_plugin_insn_data(insn), size);
        if plugin.symbols.start(index) == address {
            add(insn, &plugin.cells.entries[index]);
        }
        match kind {
            _ if plugin.switch == Some(index) && is_push_or_pop(bytes) => mem(insn, on_stack),
            Kind::NearCall(offset) if is_softirqs(plugin, target(address, size, offset)) => {
                mem(insn, on_softirqs);
            }
            Kind::NearReturn => mem(insn, on_near_return),
            Kind::Rep | Kind::RepExit(_) => {}
            _ => mem(insn, on_memory),
        }
    }
}

fn target(address: u64, size: usize, offset: i32) -> u64 {
    address.wrapping_add(size as u64).wrapping_add_signed(offset.into())
}

/// Whether the function at an address carries out softirqs: `__do_softirq`, and the
/// `handle_softirqs` that it jumps to since Linux 6.10 (kernel/softirq.c).
fn is_softirqs(plugin: &Plugin, address: u64) -> bool {
    plugin.softirqs.contains(&address)
}

/// The functions of [`is_softirqs`], also where the compiler made a copy of one.
pub(crate) fn softirqs(symbols: &Symbols) -> HashSet<u64> {
    let is_one = |name: &str| {
        let name = name.split('.').next().unwrap_or_default();
        matches!(name, "__do_softirq" | "handle_softirqs")
    };
    symbols.names().filter(|(name, _)| is_one(name)).map(|(_, address)| address).collect()
}

/// Whether this is the first instruction of an interrupt's stub: `push`, or what
/// CONFIG_X86_KERNEL_IBT puts before it (`idtentry_irq` stubs in
/// arch/x86/include/asm/idtentry.h).
fn begins_stub(symbols: &Symbols, function: usize, address: u64, bytes: &[u8]) -> bool {
    let start = symbols.start(function);
    matches!(bytes, [0x68 | 0x6a, ..] | [0xf3, 0x0f, 0x1e, 0xfa])
        && (address - start).is_multiple_of(STUB_ALIGN)
        // Another name may be shown at this address, such as the section's.
        && STUBS.iter().any(|name| symbols.address(name) == Some(start))
}

fn cell_of(exit: &str) -> Option<usize> {
    EXITS.iter().position(|other| *other == exit)
}

fn is_push_or_pop(bytes: &[u8]) -> bool {
    matches!(bytes, [0x50..=0x5f] | [0x41, 0x50..=0x5f])
}

/// Notes whether a call in the kernel leads to where a function begins, as the symbols
/// have it.
fn compare(plugin: &Plugin, caller: Option<usize>, target: u64) {
    let Some(callee) = plugin.symbols.index(target).filter(|_| target < MODULES) else { return };
    if caller.is_some_and(|caller| caller != callee) {
        let begins = plugin.symbols.start(callee) == target;
        if begins { &plugin.cells.fitting } else { &plugin.cells.strays }.add(1);
    }
}

unsafe fn branch(
    plugin: &'static Plugin,
    insn: *mut qemu_plugin_insn,
    function: Option<usize>,
    target: u64,
) {
    let Some(caller) = function else { return };
    let Some(callee) = plugin.symbols.index(target) else { return };
    let name = plugin.symbols.name(callee);
    if plugin.symbols.start(callee) != target
        || callee == caller
        || !ALLOCATORS.contains(&name.strip_suffix("_noprof").unwrap_or(name))
    {
        return;
    }
    let mut sites = plugin.sites.lock().unwrap_or_else(PoisonError::into_inner);
    let cell = *sites.entry((caller, callee)).or_insert_with(|| Box::leak(Box::new(Cell::new())));
    // SAFETY: as for the caller.
    unsafe { add(insn, cell) };
}

unsafe fn add(insn: *mut qemu_plugin_insn, cell: &'static Cell) {
    // SAFETY: the cell lives as long as the program.
    unsafe {
        qemu_plugin_register_vcpu_insn_exec_inline(
            insn,
            QEMU_PLUGIN_INLINE_ADD_U64,
            cell.place().cast(),
            1,
        );
    }
}

pub(crate) unsafe fn exec(
    insn: *mut qemu_plugin_insn,
    callback: extern "C" fn(c_uint, *mut c_void),
    data: *mut c_void,
) {
    // SAFETY: what data points to lives as long as the program.
    unsafe { qemu_plugin_register_vcpu_insn_exec_cb(insn, callback, QEMU_PLUGIN_CB_NO_REGS, data) }
}

pub(crate) unsafe fn mem(
    insn: *mut qemu_plugin_insn,
    callback: extern "C" fn(c_uint, qemu_plugin_meminfo_t, u64, *mut c_void),
) {
    // SAFETY: the callback needs no data.
    unsafe {
        qemu_plugin_register_vcpu_mem_cb(
            insn,
            callback,
            QEMU_PLUGIN_CB_NO_REGS,
            QEMU_PLUGIN_MEM_RW,
            std::ptr::null_mut(),
        );
    }
}

struct Rep {
    address: u64,
    function: Option<usize>,
    /// The cell of its kind of exit, which a hypervisor takes once for all turns.
    exit: Option<usize>,
}

/// QEMU executes each iteration as the instruction again: it is the same one if
/// nothing was counted in between.
extern "C" fn on_rep(_: c_uint, data: *mut c_void) {
    let Some(plugin) = Plugin::get() else { return };
    // SAFETY: leaked when the instruction was translated.
    let rep = unsafe { &*data.cast::<Rep>() };
    let mut last = plugin.last_rep.lock().unwrap_or_else(PoisonError::into_inner);
    if *last == (rep.address, plugin.cells.total.get()) {
        plugin.cells.turns.add(1);
        return;
    }
    plugin.cells.total.add(1);
    match rep.function {
        Some(index) => plugin.cells.functions[index].add(1),
        None => plugin.cells.user.add(1),
    }
    if let Some(index) = rep.exit {
        plugin.cells.exits[index].add(1);
    }
    *last = (rep.address, plugin.cells.total.get());
}

extern "C" fn on_rep_memory(_: c_uint, info: qemu_plugin_meminfo_t, address: u64, _: *mut c_void) {
    let Some(plugin) = Plugin::get() else { return };
    // SAFETY: the info is QEMU's own for this access.
    unsafe {
        if qemu_plugin_mem_is_store(info) {
            plugin.cells.rep_bytes.add(1 << qemu_plugin_mem_size_shift(info));
        }
    }
    on_memory(0, info, address, std::ptr::null_mut());
}

/// Whether this place of a device is a register of the APIC's timer.
unsafe fn is_timer(place: *const qemu_plugin_hwaddr) -> bool {
    // SAFETY: the place is QEMU's own, and so is the name, which ends with a zero byte.
    unsafe {
        let name = qemu_plugin_hwaddr_device_name(place);
        APIC_TIMER.contains(&(qemu_plugin_hwaddr_phys_addr(place) & 0xfff))
            && !name.is_null()
            && CStr::from_ptr(name) == APIC
    }
}

extern "C" fn on_memory(_: c_uint, info: qemu_plugin_meminfo_t, address: u64, _: *mut c_void) {
    // SAFETY: the info is QEMU's own for this access.
    unsafe {
        let place = qemu_plugin_get_hwaddr(info, address);
        if !place.is_null()
            && qemu_plugin_hwaddr_is_io(place)
            && !is_timer(place)
            && let Some(plugin) = Plugin::get()
        {
            plugin.cells.exits[MEMORY].add(1);
        }
    }
}

extern "C" fn on_stack(_: c_uint, _: qemu_plugin_meminfo_t, address: u64, _: *mut c_void) {
    if let Some(plugin) = Plugin::get() {
        plugin.tracker().stack(plugin.now(), address);
    }
}

/// A call of what carries out softirqs has put the address to return to here. One
/// processor has one such call open at a time: they do not nest, nor does it sleep.
extern "C" fn on_softirqs(_: c_uint, _: qemu_plugin_meminfo_t, address: u64, _: *mut c_void) {
    let Some(plugin) = Plugin::get() else { return };
    if plugin.cells.softirq.get() == 0 {
        plugin.cells.softirq.set(address);
        plugin.tracker().nest(plugin.now(), Nested::Softirq);
    }
}

/// Whichever `ret` takes the address from there ends it: with some mitigations that
/// is none of the function's own.
extern "C" fn on_near_return(_: c_uint, _: qemu_plugin_meminfo_t, address: u64, _: *mut c_void) {
    let Some(plugin) = Plugin::get() else { return };
    if plugin.cells.softirq.get() == address {
        plugin.cells.softirq.set(0);
        plugin.tracker().end_softirqs(plugin.now());
    }
}

extern "C" fn on_return(_: c_uint, _: *mut c_void) {
    if let Some(plugin) = Plugin::get() {
        plugin.tracker().leave(plugin.now());
    }
}

extern "C" fn on_mark(_: c_uint, data: *mut c_void) {
    if let Some(plugin) = Plugin::get() {
        let mark = u16::try_from(data as usize).unwrap_or_default();
        plugin.tracker().mark(mark, plugin.now(), plugin.cells.rep_bytes.get());
    }
}

extern "C" fn on_event(_: c_uint, data: *mut c_void) {
    let Some(plugin) = Plugin::get() else { return };
    // SAFETY: an entry of the map, which nobody changes.
    let event = unsafe { *data.cast::<Event>() };
    let now = plugin.now();
    match event {
        Event::Call => {
            plugin.cells.softirq.set(0);
            plugin.tracker().enter_call(now);
        }
        Event::Name(index) => plugin.tracker().name_call(index),
        Event::Nest(kind) => plugin.tracker().nest(now, kind),
        Event::Phase(name) => {
            phase(plugin, name, now);
        }
        Event::Program => {
            let _ = PROGRAMS.iter().any(|program| phase(plugin, program, now));
        }
        Event::Wait(index) => {
            plugin.tracker().name_call(index);
            phase(plugin, "wait", now);
        }
        Event::Task => plugin.tracker().begin(now),
        Event::Idle => plugin.tracker().idle(now),
    }
}

/// Notes a moment that comes for the first time.
fn phase(plugin: &Plugin, name: &'static str, now: Now) -> bool {
    let instructions = plugin.tracker().work(now);
    let mut phases = plugin.phases.lock().unwrap_or_else(PoisonError::into_inner);
    let is_new = !phases.contains_key(name);
    phases.entry(name).or_insert_with(|| {
        let passed = plugin.begin.get_or_init(Instant::now).elapsed();
        let turns_too = plugin.cells.total.get() + plugin.cells.turns.get();
        Moment { instructions, turns_too, milliseconds: passed.as_secs_f64() * 1000.0 }
    });
    is_new
}
