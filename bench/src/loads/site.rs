//! A site to be crawled: files from 1 kB to some MB, and pages that link to them.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;
use host::explain_io;

/// Sizes of the files of one folder in bytes.
const SIZES: [u32; 12] = [
    1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000, 512_000, 1_000_000,
    3_000_000,
];
/// All of a folder's files.
const FOLDER_BYTES: u64 = 5_023_000;

/// Writes a site of at least so many bytes below a directory: `index.html`, which
/// links to the page of each folder, which links to the folder's files. The same
/// size makes the same bytes every time.
///
/// # Errors
/// When a file cannot be written.
pub fn write_site(dir: &Path, bytes: u64) -> Result<()> {
    let folders = bytes.div_ceil(FOLDER_BYTES).max(1);
    let mut index = page("A site");
    for number in 0..folders {
        let name = format!("part-{number:03}");
        let folder = dir.join(&name);
        std::fs::create_dir_all(&folder).map_err(|error| explain_io(error, &folder))?;
        let mut text = page(&name);
        for size in SIZES {
            let file = format!("{size:07}.bin");
            let _ = writeln!(text, "<p><a href=\"{file}\">{size} bytes</a>");
            write(&folder.join(file), &content(number, size))?;
        }
        text.push_str("<p><a href=\"../index.html\">back</a>\n");
        write(&folder.join("index.html"), text.as_bytes())?;
        let _ = writeln!(index, "<p><a href=\"{name}/index.html\">{name}</a>");
    }
    write(&dir.join("index.html"), index.as_bytes())
}

fn page(title: &str) -> String {
    format!("<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title>\n")
}

/// Bytes that differ from file to file and do not repeat within a page of memory,
/// so that no wrong file and no wrong offset looks right.
pub(super) fn content(folder: u64, size: u32) -> Vec<u8> {
    let mut state = (folder << 32) | u64::from(size);
    let mut bytes = Vec::new();
    while bytes.len() < size as usize {
        // Knuth's MMIX generator; its upper half is good enough.
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bytes.extend_from_slice(&state.to_be_bytes()[..4]);
    }
    bytes.truncate(size as usize);
    bytes
}

pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).map_err(|error| explain_io(error, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_the_bytes_that_it_is_counted_with() {
        assert_eq!(SIZES.iter().copied().map(u64::from).sum::<u64>(), FOLDER_BYTES);
    }

    #[test]
    fn files_differ_and_repeat() {
        assert_eq!(content(1, 1000), content(1, 1000));
        assert_ne!(content(1, 1000), content(2, 1000));
        assert_eq!(content(3, 4001).len(), 4001);
    }
}
