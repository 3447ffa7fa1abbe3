//! What an answer has to be, byte for byte.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context, Result};
use host::failed;

use super::Expected;

/// Files up to this size are kept in memory; larger ones are read again beside
/// each answer, which costs little against what the answer does.
const SMALL: u64 = 64 * 1024;

/// An expected answer, ready to be compared with many.
pub(super) enum Reference {
    Bytes(Vec<u8>),
    File(PathBuf),
    /// The first answer, for a server whose files are not known.
    First(OnceLock<Vec<u8>>),
}

impl Reference {
    pub(super) fn new(expected: &Expected) -> Result<Self> {
        let path = match expected {
            Expected::First => return Ok(Self::First(OnceLock::new())),
            Expected::File(path) => path,
        };
        let read = || -> io::Result<Self> {
            if fs::metadata(path)?.len() > SMALL {
                return Ok(Self::File(path.clone()));
            }
            Ok(Self::Bytes(fs::read(path)?))
        };
        read().with_context(|| reading(path))
    }

    /// A comparison with one answer.
    pub(super) fn compare(&self) -> Result<Comparison<'_>> {
        let with = match self {
            Self::Bytes(bytes) => With::Bytes(bytes),
            Self::File(path) => {
                With::File(File::open(path).with_context(|| reading(path))?, Vec::new())
            }
            Self::First(first) => match first.get() {
                Some(bytes) => With::Bytes(bytes),
                None => With::Nothing(first, Vec::new()),
            },
        };
        Ok(Comparison { with, at: 0, differs: None })
    }
}

/// The comparison of one answer, piece by piece.
pub(super) struct Comparison<'a> {
    with: With<'a>,
    /// Bytes of the answer so far.
    at: u64,
    /// Where the answer differs first.
    differs: Option<u64>,
}

enum With<'a> {
    /// What of it has not come yet.
    Bytes(&'a [u8]),
    /// The file, and room to read from it.
    File(File, Vec<u8>),
    /// Nothing was known; what came so far.
    Nothing(&'a OnceLock<Vec<u8>>, Vec<u8>),
}

impl Comparison<'_> {
    pub(super) fn piece(&mut self, piece: &[u8]) -> io::Result<()> {
        let same = match &mut self.with {
            With::Nothing(_, bytes) => {
                bytes.extend_from_slice(piece);
                piece.len()
            }
            With::Bytes(left) => {
                let expected = &left[..piece.len().min(left.len())];
                *left = &left[expected.len()..];
                same(piece, expected)
            }
            With::File(file, room) => {
                room.clear();
                file.take(piece.len() as u64).read_to_end(room)?;
                same(piece, room)
            }
        };
        if same < piece.len() {
            self.differs.get_or_insert(self.at + same as u64);
        }
        self.at += piece.len() as u64;
        Ok(())
    }

    /// The number of bytes, all as expected.
    ///
    /// # Errors
    /// When they are not, or are too few.
    pub(super) fn finish(mut self, path: &str) -> Result<u64> {
        let missing = match &mut self.with {
            With::Bytes(left) => !left.is_empty(),
            With::File(file, _) => file.read(&mut [0])? > 0,
            With::Nothing(first, bytes) => {
                // Another client may have been first: then this answer stands beside
                // that one and is compared with it.
                let bytes = std::mem::take(bytes);
                let first = first.get_or_init(|| bytes.clone());
                let same = same(&bytes, first);
                if same < bytes.len() {
                    self.differs = Some(same as u64);
                }
                same < first.len()
            }
        };
        let at = match self.differs {
            Some(at) => at,
            None if missing => self.at,
            None => return Ok(self.at),
        };
        Err(failed(format!("the server answers with wrong bytes for {path}, from byte {at} on"))
            .hint("a wrong answer is no result: fetch it with curl and compare")
            .into())
    }
}

/// How many bytes are the same from the beginning on.
fn same(a: &[u8], b: &[u8]) -> usize {
    if a == b {
        return a.len();
    }
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

fn reading(path: &Path) -> String {
    format!("reading {}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(reference: &Reference, pieces: &[&[u8]]) -> Result<u64> {
        let mut comparison = reference.compare()?;
        for piece in pieces {
            comparison.piece(piece)?;
        }
        comparison.finish("/x")
    }

    fn check(reference: &Reference, content: &[u8]) {
        let half = content.len() / 2;
        let whole = content.len() as u64;
        assert_eq!(compare(reference, &[content]).unwrap(), whole);
        assert_eq!(compare(reference, &[&content[..half], &content[half..]]).unwrap(), whole);
        let mut wrong = content.to_vec();
        wrong[half] ^= 1;
        let error = compare(reference, &[&wrong]).unwrap_err().to_string();
        assert!(error.ends_with(&format!("from byte {half} on")), "{error}");
        let error = compare(reference, &[&content[..half]]).unwrap_err().to_string();
        assert!(error.ends_with(&format!("from byte {half} on")), "{error}");
        wrong = [content, b"x"].concat();
        let error = compare(reference, &[&wrong]).unwrap_err().to_string();
        assert!(error.ends_with(&format!("from byte {whole} on")), "{error}");
    }

    #[test]
    fn a_wrong_a_missing_and_a_surplus_byte_are_found() {
        let dir = tempfile::tempdir().unwrap();
        for size in [100, 100_000] {
            let content: Vec<u8> = (0..=250).cycle().take(size).collect();
            let path = dir.path().join(size.to_string());
            fs::write(&path, &content).unwrap();
            check(&Reference::new(&Expected::File(path)).unwrap(), &content);
            let first = Reference::new(&Expected::First).unwrap();
            assert_eq!(compare(&first, &[&content]).unwrap(), size as u64);
            check(&first, &content);
        }
    }

    #[test]
    fn an_empty_file_is_an_answer() {
        assert_eq!(compare(&Reference::Bytes(Vec::new()), &[]).unwrap(), 0);
        assert!(compare(&Reference::Bytes(Vec::new()), &[b"x"]).is_err());
    }
}
