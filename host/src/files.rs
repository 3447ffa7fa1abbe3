//! Files that appear whole or not at all, and locks between builds.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use rustix::fs::{CWD, FlockOperation, RenameFlags, flock, renameat_with};

use crate::{check_interrupt, failed};

/// The prefix of everything that is written beside its place. A build that was
/// killed leaves such names; the next one that holds the lock deletes them.
const STAGED_PREFIX: &str = ".staged-";

/// How often a waiting build tries the lock again.
const LOCK_POLL: Duration = Duration::from_millis(100);

fn parent_of(path: &Path) -> Result<&Path> {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Ok(Path::new(".")),
        Some(parent) => Ok(parent),
        None => Err(anyhow!("{} has no parent directory", path.display())),
    }
}

/// Turns "no space left" into an error that names the place and the way out.
pub fn explain_io(error: io::Error, path: &Path) -> anyhow::Error {
    if error.kind() == io::ErrorKind::StorageFull {
        return failed(format!("no space left on the file system of {}", path.display()))
            .hint("free some space, for example with `appliance clean`, and run the same command again")
            .into();
    }
    anyhow::Error::new(error).context(format!("writing {}", path.display()))
}

/// A file that is written beside its place and renamed into it by
/// [`Staged::commit`]; dropped without that, it is deleted.
pub struct Staged {
    file: tempfile::NamedTempFile,
    place: PathBuf,
}

impl Staged {
    /// Opens a staged file for `place`, creating its directory if need be.
    ///
    /// # Errors
    /// When the directory cannot be created or written.
    pub fn new(place: &Path) -> Result<Self> {
        let parent = parent_of(place)?;
        fs::create_dir_all(parent).map_err(|error| explain_io(error, parent))?;
        let file = tempfile::Builder::new()
            .prefix(STAGED_PREFIX)
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
            .tempfile_in(parent)
            .map_err(|error| explain_io(error, parent))?;
        Ok(Self { file, place: place.to_owned() })
    }

    /// Where the bytes are until the commit, for a command that writes them.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// The open file.
    pub fn file(&mut self) -> &mut File {
        self.file.as_file_mut()
    }

    /// Puts the file into its place in one step.
    ///
    /// # Errors
    /// When the bytes cannot be flushed or the rename fails.
    pub fn commit(self) -> Result<()> {
        let place = self.place;
        self.file.as_file().sync_data().map_err(|error| explain_io(error, &place))?;
        self.file.persist(&place).map_err(|error| explain_io(error.error, &place))?;
        Ok(())
    }
}

/// A directory that is filled beside its place and then takes it; dropped before
/// that, it is deleted. Whoever makes one holds a lock that no other build of the
/// same place can hold.
pub struct StagedDir {
    path: PathBuf,
    place: PathBuf,
}

impl StagedDir {
    /// Creates an empty staged directory for `place`; one that a killed build
    /// left there is deleted first.
    ///
    /// # Errors
    /// When the parent cannot be created or written.
    pub fn new(place: &Path) -> Result<Self> {
        let mut name = OsString::from(STAGED_PREFIX);
        name.push(place.file_name().with_context(|| format!("{} has no name", place.display()))?);
        let path = parent_of(place)?.join(name);
        remove_tree(&path)?;
        fs::create_dir_all(&path).map_err(|error| explain_io(error, &path))?;
        Ok(Self { path, place: place.to_owned() })
    }

    /// Where the content is until the commit.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts the directory into its place in one step; what was there is deleted.
    ///
    /// # Errors
    /// When the rename fails or the old directory cannot be removed.
    pub fn commit(self) -> Result<()> {
        let flags =
            if self.place.exists() { RenameFlags::EXCHANGE } else { RenameFlags::NOREPLACE };
        renameat_with(CWD, &self.path, CWD, &self.place, flags)
            .map_err(|error| explain_io(error.into(), &self.place))
    }
}

impl Drop for StagedDir {
    fn drop(&mut self) {
        // After a commit this is the directory that was replaced, if there was
        // one. What cannot be deleted now is deleted by the next build.
        let _ = remove_tree(&self.path);
    }
}

/// Deletes a directory with all that is in it; one that is not there is no error.
///
/// # Errors
/// When something in it cannot be deleted.
pub fn remove_tree(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Writes a file so that a reader sees the old content or the new, never a part.
///
/// # Errors
/// When it cannot be written; a full disk is named as such.
pub fn write_atomically(place: &Path, bytes: &[u8]) -> Result<()> {
    let mut staged = Staged::new(place)?;
    staged.file().write_all(bytes).map_err(|error| explain_io(error, place))?;
    staged.commit()
}

/// A lock on a directory, held until dropped or until the process dies.
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of `dir` alone, waiting for its holders; `waiting` is called
    /// once if there is one. What a killed holder left half-written directly in
    /// `dir` is deleted.
    ///
    /// # Errors
    /// When the lock file cannot be made, or the user interrupts the wait.
    pub fn acquire(dir: &Path, waiting: impl FnOnce()) -> Result<Self> {
        let lock = Self::take(dir, FlockOperation::NonBlockingLockExclusive, waiting)?;
        remove_stale(dir)?;
        Ok(lock)
    }

    /// Takes the lock of `dir` together with others that share it.
    ///
    /// # Errors
    /// As [`Lock::acquire`].
    pub fn share(dir: &Path, waiting: impl FnOnce()) -> Result<Self> {
        Self::take(dir, FlockOperation::NonBlockingLockShared, waiting)
    }

    fn take(dir: &Path, operation: FlockOperation, waiting: impl FnOnce()) -> Result<Self> {
        fs::create_dir_all(dir).map_err(|error| explain_io(error, dir))?;
        let path = dir.join(".lock");
        let file = File::create(&path).map_err(|error| explain_io(error, &path))?;
        let mut waiting = Some(waiting);
        while let Err(error) = flock(&file, operation) {
            if error != rustix::io::Errno::WOULDBLOCK {
                return Err(io::Error::from(error))
                    .with_context(|| format!("locking {}", path.display()));
            }
            if let Some(waiting) = waiting.take() {
                waiting();
            }
            check_interrupt()?;
            std::thread::sleep(LOCK_POLL);
        }
        Ok(Self { _file: file })
    }
}

fn remove_stale(dir: &Path) -> Result<()> {
    for entry in dir.read_dir().with_context(|| format!("reading {}", dir.display()))? {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with(STAGED_PREFIX) {
            continue;
        }
        let path = entry.path();
        if path.is_dir() {
            remove_tree(&path)?;
        } else {
            fs::remove_file(&path)
                .with_context(|| format!("removing the half-written {}", path.display()))?;
        }
    }
    Ok(())
}
