//! The step cache: a step that has run with the same inputs does not run again.
//!
//! A step's place is `steps/NAME/KEY`, where KEY is the digest of *all* its
//! inputs. Beside the results stands `step.json` with the inputs, so that a miss
//! can say what changed, and with a digest of every result, which is checked
//! each time the step is used.
//!
//! ```text
//! CACHE/steps/NAME/KEY/step.json   inputs and digests of the results
//! CACHE/steps/NAME/KEY/out/        results
//! CACHE/logs/NAME.log              output of the last run's commands
//! CACHE/work/                      trees that are built in, for example the kernel's
//! CACHE/sources/, CACHE/apt/       archives and how they came here
//! CACHE/ccache/                    the compile cache
//! ```

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};
use host::{Job, Lock, StagedDir, digest_bytes, digest_file, remove_tree, write_atomically};
use serde::{Deserialize, Serialize};

use crate::progress::Progress;

/// How many results of one step are kept, the most recently used ones.
const KEPT: usize = 6;
/// The same of a kernel: a measurement of every step of tailoring compiles some twenty,
/// each for minutes.
const KEPT_KERNELS: usize = 24;
/// The description beside a step's results.
const RECORD: &str = "step.json";

/// The directories of a cache.
const PARTS: &[&str] = &["steps", "work", "ccache", "logs", "tools", "sources", "apt"];
/// Those that came over the network or took long to set up.
const FETCHED: &[&str] = &["sources", "apt", "tools"];

/// The inputs of a step by name: versions, digests, settings.
pub type Inputs = BTreeMap<String, String>;

/// What `step.json` holds.
#[derive(Serialize, Deserialize)]
struct Record {
    inputs: Inputs,
    results: BTreeMap<PathBuf, String>,
}

/// A directory that keeps the results of steps.
#[derive(Clone, Debug)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// The cache below `root`, which need not exist.
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The directory of the cache.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The directory of the compile cache.
    pub fn ccache(&self) -> PathBuf {
        self.root.join("ccache")
    }

    /// The log of a step's last run.
    pub fn log(&self, step: &str) -> PathBuf {
        self.root.join("logs").join(format!("{step}.log"))
    }

    /// Keeps `appliance clean` away for as long as the lock is held.
    ///
    /// # Errors
    /// When the lock cannot be made or the wait is interrupted.
    pub fn share(&self, progress: &Progress) -> Result<Lock> {
        Lock::share(&self.root, || progress.notice("waiting for `appliance clean` to end"))
    }

    /// Takes the lock `name` of the cache, which one build at a time can hold.
    ///
    /// # Errors
    /// As [`Cache::share`].
    pub fn lock(&self, name: &str, progress: &Progress) -> Result<Lock> {
        Lock::acquire(&self.root.join(name), || {
            progress.notice(&format!("waiting for another build to leave {name} of the cache"));
        })
    }

    /// What the cache holds, by the use of it, in bytes.
    ///
    /// # Errors
    /// When a directory of it cannot be read.
    pub fn sizes(&self) -> Result<Vec<(&'static str, u64)>> {
        PARTS.iter().map(|part| Ok((*part, size_of(&self.root.join(part))?))).collect()
    }

    /// Deletes what builds have made; with `sources` also what was fetched for
    /// them. Waits for builds that run.
    ///
    /// # Errors
    /// When something cannot be deleted or the wait is interrupted.
    pub fn clear(&self, sources: bool, progress: &Progress) -> Result<()> {
        let _lock = Lock::acquire(&self.root, || progress.notice("waiting for a build to end"))?;
        let kept = if sources { &[][..] } else { FETCHED };
        let mut parts = PARTS.iter().filter(|part| !kept.contains(part));
        parts.try_for_each(|part| remove_tree(&self.root.join(part)))
    }

    /// The results of the step `name` with these inputs, if they are there; `what`
    /// says what the step does, for progress.
    pub fn find(
        &self,
        name: &str,
        what: &str,
        inputs: &Inputs,
        progress: &Progress,
    ) -> Option<PathBuf> {
        let place = self.place(name, inputs);
        is_sound(&place).then(|| {
            progress.cached(what);
            place.join("out")
        })
    }

    fn place(&self, name: &str, inputs: &Inputs) -> PathBuf {
        self.root.join("steps").join(name).join(key(inputs))
    }

    /// The results of the step `name` with these inputs; `work` makes them if
    /// they are not there yet. `what` says what the step does, for progress.
    ///
    /// # Errors
    /// Those of `work`; also when the cache cannot be read or written.
    pub fn step(
        &self,
        name: &str,
        what: &str,
        inputs: &Inputs,
        progress: &Progress,
        work: impl FnOnce(&mut Job) -> Result<()>,
    ) -> Result<PathBuf> {
        if let Some(out) = self.find(name, what, inputs, progress) {
            return Ok(out);
        }
        let steps = format!("steps/{name}");
        let _lock = self.lock(&steps, progress)?;
        // Another build may have made them while this one waited.
        if let Some(out) = self.find(name, what, inputs, progress) {
            return Ok(out);
        }
        let place = self.place(name, inputs);
        progress.reason(what, &self.why(&steps, &place, inputs));
        self.run(name, &place, inputs, what, progress, work)?;
        let kept = if name == "kernel" { KEPT_KERNELS } else { KEPT };
        prune(&self.root.join(&steps), kept)?;
        Ok(place.join("out"))
    }

    fn run(
        &self,
        name: &str,
        place: &Path,
        inputs: &Inputs,
        what: &str,
        progress: &Progress,
        work: impl FnOnce(&mut Job) -> Result<()>,
    ) -> Result<()> {
        let staged = StagedDir::new(place)?;
        let (out, scratch) = (staged.path().join("out"), staged.path().join("scratch"));
        fs::create_dir(&out).with_context(|| format!("creating {}", out.display()))?;
        fs::create_dir(&scratch).with_context(|| format!("creating {}", scratch.display()))?;
        let log = self.log(name);
        write_atomically(&log, b"")?;
        let line = progress.begin(what);
        let mut job = Job {
            log,
            scratch: scratch.clone(),
            out: out.clone(),
            progress: &mut |done, total| line.update(done, total),
        };
        work(&mut job)?;
        remove_tree(&scratch)?;
        let record = Record { inputs: inputs.clone(), results: digests(&out)? };
        write_atomically(&staged.path().join(RECORD), &serde_json::to_vec_pretty(&record)?)?;
        staged.commit()?;
        line.done();
        Ok(())
    }

    /// Why a step has to run, against its most recent results.
    fn why(&self, steps: &str, place: &Path, inputs: &Inputs) -> String {
        if place.exists() {
            return "its results in the cache are damaged".into();
        }
        let Some(last) = by_use(&self.root.join(steps)).pop() else {
            return "it has no results yet".into();
        };
        let Some(record) = read_record(&last) else {
            return "its last results are unreadable".into();
        };
        let names: std::collections::BTreeSet<_> =
            inputs.keys().chain(record.inputs.keys()).collect();
        let changed: Vec<&str> = names
            .into_iter()
            .filter(|name| inputs.get(*name) != record.inputs.get(*name))
            .map(String::as_str)
            .collect();
        format!("changed: {}", changed.join(", "))
    }
}

/// The digest of all inputs, in hexadecimal.
pub fn key(inputs: &Inputs) -> String {
    let mut text = String::new();
    for (name, value) in inputs {
        // Lengths, so that no value can look like the beginning of another.
        text.push_str(&format!("{} {name} {} {value}\n", name.len(), value.len()));
    }
    digest_bytes(text.as_bytes()).to_string()[..32].to_owned()
}

/// Whether the results are all there, byte for byte. Marks them as used.
fn is_sound(place: &Path) -> bool {
    let Some(record) = read_record(place) else { return false };
    if digests(&place.join("out")).ok().as_ref() != Some(&record.results) {
        return false;
    }
    if let Ok(file) = File::options().append(true).open(place.join(RECORD)) {
        // Only the order of pruning depends on it.
        let _ = file.set_modified(SystemTime::now());
    }
    true
}

fn read_record(place: &Path) -> Option<Record> {
    serde_json::from_slice(&fs::read(place.join(RECORD)).ok()?).ok()
}

/// The digest of every file below `root`, by relative path.
pub fn digests(root: &Path) -> Result<BTreeMap<PathBuf, String>> {
    let mut found = BTreeMap::new();
    let mut dirs = vec![root.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in dir.read_dir().with_context(|| format!("reading {}", dir.display()))? {
            let path = entry?.path();
            if path.is_dir() && !path.is_symlink() {
                dirs.push(path);
                continue;
            }
            let name = path.strip_prefix(root).unwrap_or(&path).to_owned();
            found.insert(name, digest_file(&path)?.to_string());
        }
    }
    Ok(found)
}

/// The results of a step, the one used longest ago first.
fn by_use(steps: &Path) -> Vec<PathBuf> {
    let Ok(entries) = steps.read_dir() else { return Vec::new() };
    let mut places: Vec<(SystemTime, PathBuf)> = entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            Some((path.join(RECORD).metadata().ok()?.modified().ok()?, path))
        })
        .collect();
    places.sort();
    places.into_iter().map(|(_, path)| path).collect()
}

/// Bytes that the files below `root` take on their file system.
fn size_of(root: &Path) -> Result<u64> {
    if !root.is_dir() {
        return Ok(0);
    }
    let mut sum = 0;
    for entry in root.read_dir().with_context(|| format!("reading {}", root.display()))? {
        let entry = entry?;
        sum += match entry.metadata()? {
            meta if meta.is_dir() => size_of(&entry.path())?,
            meta => meta.blocks() * 512,
        };
    }
    Ok(sum)
}

fn prune(steps: &Path, kept: usize) -> Result<()> {
    let places = by_use(steps);
    let surplus = places.len().saturating_sub(kept);
    places[..surplus].iter().try_for_each(|place| remove_tree(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(pairs: &[(&str, &str)]) -> Inputs {
        pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }

    /// Runs a step that writes `content`; says whether it ran.
    fn step(cache: &Cache, inputs: &Inputs, content: &str) -> (PathBuf, bool) {
        let mut ran = false;
        let out = cache
            .step("test", "test", inputs, &Progress::silent(), |job| {
                ran = true;
                Ok(fs::write(job.out.join("file"), content)?)
            })
            .unwrap();
        (out, ran)
    }

    #[test]
    fn a_step_runs_once_for_the_same_inputs() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path().into());
        assert!(step(&cache, &inputs(&[("a", "1")]), "x").1);
        assert!(!step(&cache, &inputs(&[("a", "1")]), "x").1);
        assert!(step(&cache, &inputs(&[("a", "2")]), "x").1);
    }

    #[test]
    fn damaged_results_are_made_again() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path().into());
        let (out, _) = step(&cache, &inputs(&[("a", "1")]), "x");
        fs::write(out.join("file"), "y").unwrap();
        assert!(step(&cache, &inputs(&[("a", "1")]), "x").1);
        assert_eq!(fs::read(out.join("file")).unwrap(), b"x");
    }

    #[test]
    fn a_failed_step_leaves_nothing_and_can_run_again() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path().into());
        let failed = cache.step("test", "test", &inputs(&[]), &Progress::silent(), |job| {
            fs::write(job.out.join("half"), "x")?;
            anyhow::bail!("no")
        });
        assert!(failed.is_err());
        let left: Vec<_> = dir.path().join("steps/test").read_dir().unwrap().collect();
        assert_eq!(left.len(), 1, "only the lock: {left:?}");
        assert!(step(&cache, &inputs(&[]), "x").1);
    }

    #[test]
    fn a_miss_says_what_changed() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path().into());
        step(&cache, &inputs(&[("a", "1"), ("b", "1")]), "x");
        let new = inputs(&[("a", "1"), ("b", "2"), ("c", "1")]);
        let why = cache.why("steps/test", &dir.path().join("steps/test").join(key(&new)), &new);
        assert_eq!(why, "changed: b, c");
    }

    #[test]
    fn keys_tell_names_from_values() {
        assert_ne!(key(&inputs(&[("a", "b c")])), key(&inputs(&[("a b", "c")])));
    }

    #[test]
    fn old_results_are_pruned() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path().into());
        for n in 0..KEPT + 3 {
            step(&cache, &inputs(&[("n", &n.to_string())]), "x");
        }
        assert_eq!(by_use(&dir.path().join("steps/test")).len(), KEPT);
    }
}
