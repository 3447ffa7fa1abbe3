//! `/init` for a kernel with modules: loads what `/modules/order` lists, one path
//! a line, and becomes `/init.next`.
//!
//! What cannot be loaded is told with its error number and the rest goes on: the
//! next program says what it misses.

#![no_std]
#![no_main]

use core::ffi::CStr;

use bench_guest::sys::{self, Errno};
use bench_guest::{say, start};

/// The list of modules.
const ORDER: &CStr = c"/modules/order";
/// The program that follows.
const NEXT: &CStr = c"/init.next";
/// The longest list in bytes.
const ORDER_MAX: usize = 16384;
/// The longest path in bytes, with its closing zero byte.
const PATH_MAX: usize = 256;

const ENAMETOOLONG: Errno = Errno(36);
const EEXIST: Errno = Errno(17);

start!(main);

extern "C" fn main() -> ! {
    let mut text = [0; ORDER_MAX];
    match sys::read_file(ORDER, &mut text) {
        Ok(order) => {
            for path in order.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                if let Err(Errno(errno)) = load(path) {
                    say!("load-modules: loading {}: errno {errno}", path.escape_ascii());
                }
                sys::settle();
            }
        }
        Err(Errno(errno)) => say!("load-modules: reading /modules/order: errno {errno}"),
    }
    let Errno(errno) = sys::execute(NEXT);
    say!("load-modules: executing /init.next: errno {errno}");
    sys::power_off()
}

/// Loads one module; one that is there already is loaded.
fn load(path: &[u8]) -> sys::Result<()> {
    let mut buffer = [0; PATH_MAX];
    buffer[..PATH_MAX - 1].get_mut(..path.len()).ok_or(ENAMETOOLONG)?.copy_from_slice(path);
    let path = CStr::from_bytes_until_nul(&buffer).map_err(|_| ENAMETOOLONG)?;
    match sys::load_module(&sys::open(path, sys::O_RDONLY)?) {
        Err(EEXIST) => Ok(()),
        result => result,
    }
}
