//! A QEMU TCG plugin that counts the instructions of a guest with one processor.
//!
//! An instruction counts when it is executed, once also under `rep`; one that takes
//! a page fault counts again when it is repeated, as does a `rep` that is
//! interrupted. What executes in the upper half of the addresses is the kernel.

mod cells;
mod control;
mod decode;
mod ffi;
mod polling;
mod snapshot;
mod symbols;
mod tracker;
mod translate;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::{CStr, CString, c_char, c_int};
use std::ops::Range;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use cells::{Cell, Cells};
use symbols::Symbols;
use tracker::{Now, Tracker};

/// The version of the interface that this is written for.
#[unsafe(no_mangle)]
static qemu_plugin_version: c_int = 1;

static PLUGIN: OnceLock<Plugin> = OnceLock::new();

/// What the callbacks share.
pub(crate) struct Plugin {
    symbols: Symbols,
    cells: Cells,
    tracker: Mutex<Tracker>,
    /// Calls of functions that allocate memory, by caller and callee.
    sites: Mutex<HashMap<(usize, usize), &'static Cell>>,
    /// Moments of a start, by name.
    phases: Mutex<BTreeMap<&'static str, translate::Moment>>,
    /// When the guest began to run.
    begin: OnceLock<Instant>,
    /// Where the last instruction under `rep` was, and the total after it.
    last_rep: Mutex<(u64, u64)>,
    events: HashMap<u64, translate::Event>,
    softirqs: HashSet<u64>,
    switch: Option<usize>,
    /// Where an `iret` goes back to what was interrupted: elsewhere the kernel uses
    /// it to synchronise the processor (`iret_to_self`).
    returns: Range<u64>,
}

impl Plugin {
    fn get() -> Option<&'static Self> {
        PLUGIN.get()
    }

    /// Whether a moment of the start has come.
    fn has_come(&self, moment: &str) -> bool {
        self.phases.lock().unwrap_or_else(PoisonError::into_inner).contains_key(moment)
    }

    /// The counters that the tracker looks at.
    fn now(&self) -> Now {
        Now { total: self.cells.total.get(), exits: self.cells.exits.each_ref().map(Cell::get) }
    }

    fn tracker(&self) -> MutexGuard<'_, Tracker> {
        self.tracker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Called once by QEMU.
///
/// # Safety
/// The arguments are as QEMU passes them.
#[unsafe(no_mangle)]
unsafe extern "C" fn qemu_plugin_install(
    id: ffi::qemu_plugin_id_t,
    info: *const ffi::qemu_info_t,
    argc: c_int,
    argv: *const *const c_char,
) -> c_int {
    // SAFETY: QEMU passes argc strings that end with a zero byte, and its info.
    let (arguments, processors) = unsafe {
        let argc = usize::try_from(argc).unwrap_or_default();
        let text = |index| CStr::from_ptr(*argv.add(index)).to_string_lossy().into_owned();
        ((0..argc).map(text).collect::<Vec<_>>(), (*info).max_vcpus)
    };
    match install(&arguments, processors) {
        Ok(()) => {
            // SAFETY: the callback lives as long as the program.
            unsafe { ffi::qemu_plugin_register_vcpu_tb_trans_cb(id, translate::translated) };
            0
        }
        Err(error) => {
            say(&format!("bench-plugin: {error}\n"));
            1
        }
    }
}

fn say(text: &str) {
    eprint!("{text}");
    if let Ok(text) = CString::new(text) {
        // SAFETY: a string that ends with a zero byte.
        unsafe { ffi::qemu_plugin_outs(text.as_ptr()) };
    }
}

fn install(arguments: &[String], processors: c_int) -> Result<(), String> {
    if processors != 1 {
        return Err(format!("counts one virtual processor, and there are {processors}"));
    }
    let argument = |name: &str| {
        let find =
            |argument: &String| argument.strip_prefix(name)?.strip_prefix('=').map(str::to_owned);
        arguments.iter().find_map(find).ok_or_else(|| format!("the argument `{name}` is missing"))
    };
    let path = argument("symbols")?;
    let symbols =
        Symbols::read(Path::new(&path)).map_err(|error| format!("reading {path}: {error}"))?;
    let socket = argument("socket")?;
    let stream =
        UnixStream::connect(&socket).map_err(|error| format!("connecting to {socket}: {error}"))?;
    let plugin = Plugin {
        cells: Cells::new(symbols.len()),
        events: translate::events(&symbols),
        softirqs: translate::softirqs(&symbols),
        switch: symbols.address("__switch_to_asm").and_then(|address| symbols.index(address)),
        returns: symbols.address("__entry_text_start").unwrap_or(symbols::KERNEL)
            ..symbols.address("__entry_text_end").unwrap_or(u64::MAX),
        symbols,
        tracker: Mutex::default(),
        sites: Mutex::default(),
        phases: Mutex::default(),
        begin: OnceLock::new(),
        last_rep: Mutex::default(),
    };
    PLUGIN.set(plugin).map_err(|_| "loaded twice".to_owned())?;
    std::thread::spawn(move || control::serve(stream));
    Ok(())
}
