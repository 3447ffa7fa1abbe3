//! Removes what a world leaves behind, relative to descriptors: its directories may be
//! deeper than a path is long.

use core::ffi::CStr;

use crate::files::HERE;
use crate::names::{self, make};

const AT_REMOVEDIR: usize = 0x200;
/// `O_DIRECTORY | O_NOFOLLOW`.
const DIRECTORY: usize = 0o600_000;
const MNT_DETACH: usize = 2;
const EBUSY: i64 = -16;

/// Removes a directory and all that is in it, or mounted there.
pub(crate) fn tree(path: &CStr) {
    remove_directory(HERE, path.as_ptr().expose_provenance());
}

fn remove_directory(parent: usize, name: usize) {
    let fd = make(names::OPENAT, [parent, name, DIRECTORY, 0, 0, 0]);
    let Ok(fd) = usize::try_from(fd) else { return };
    while empty_once(fd) {}
    make(names::CLOSE, [fd, 0, 0, 0, 0, 0]);
    if make(names::UNLINKAT, [parent, name, AT_REMOVEDIR, 0, 0, 0]) != EBUSY {
        return;
    }
    if parent != HERE {
        make(names::FCHDIR, [parent, 0, 0, 0, 0, 0]);
    }
    if make(names::UMOUNT, [name, MNT_DETACH, 0, 0, 0, 0]) == 0 {
        remove_directory(parent, name);
    }
}

/// Removes what one listing shows; whether there was anything.
fn empty_once(fd: usize) -> bool {
    const START: usize = 0;
    let mut room = [0_u8; 1024];
    make(names::LSEEK, [fd, START, 0, 0, 0, 0]);
    let at = room.as_mut_ptr().expose_provenance();
    let length = make(names::GETDENTS, [fd, at, room.len(), 0, 0, 0]);
    let mut rest = &room[..usize::try_from(length).unwrap_or(0).min(room.len())];
    let mut removed = false;
    while rest.len() > 19 {
        let length = usize::from(u16::from_le_bytes([rest[16], rest[17]])).clamp(19, rest.len());
        let name = CStr::from_bytes_until_nul(&rest[19..length]).unwrap_or_default();
        if name != c"." && name != c".." && !name.is_empty() {
            let at = name.as_ptr().expose_provenance();
            if make(names::UNLINKAT, [fd, at, 0, 0, 0, 0]) < 0 {
                remove_directory(fd, at);
            }
            removed = true;
        }
        rest = &rest[length..];
    }
    removed
}
