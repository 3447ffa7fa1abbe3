//! Walkers that follow the links of a site, as ten `wget --recursive` with
//! `--wait` and `--random-wait` do.
//!
//! Each walker asks for the target's page, then for what the pages link to, in the
//! order in which it met the links, then for the files that no page links to. What
//! is asked, and how long a walker waits in between, is the same each time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use host::check_interrupt;

use super::client::{Connection, Failure};
use super::reference::Reference;
use super::{Expected, Outcome, Progress, Target};
use crate::measure::quantity;

mod links;

/// How often a wait looks whether it should end.
const POLL: Duration = Duration::from_millis(20);

/// How a site is crawled.
#[derive(Clone, Copy, Debug)]
pub struct Crawl {
    /// Walkers at a time.
    pub walkers: u32,
    /// How long a walker waits before each request: half to one and a half of this.
    pub wait: Duration,
    /// The most requests that a walker makes.
    pub limit: u64,
}

impl Default for Crawl {
    /// The thesis's crawl; of a site without end, an hour.
    fn default() -> Self {
        Self { walkers: 10, wait: Duration::from_secs(1), limit: 3600 }
    }
}

/// Crawls the target. `progress` is told answers, and files times walkers.
///
/// # Errors
/// When an answer has wrong bytes, a walker's requests fail ten times in a row, or
/// the user interrupts.
pub fn crawl(target: &Target, how: &Crawl, progress: Progress) -> Result<Outcome> {
    let mut references = BTreeMap::new();
    for (path, expected) in &target.files {
        references.insert(path.as_str(), Reference::new(expected)?);
    }
    let only_known = target.files.values().all(|expected| matches!(expected, Expected::File(_)));
    let site = Site { target, references, only_known, how, stop: AtomicBool::new(false) };
    let most = if only_known { site.references.len() as u64 } else { 0 };
    let total = most.min(how.limit) * u64::from(how.walkers);
    let start = Instant::now();
    let (sender, answers) = mpsc::channel();
    let mut outcome = thread::scope(|scope| {
        let mut walkers = Vec::new();
        for number in 0..how.walkers {
            let (site, sender) = (&site, sender.clone());
            walkers.push(scope.spawn(move || site.walk(number, &sender)));
        }
        drop(sender);
        let mut done = 0;
        loop {
            match answers.recv_timeout(POLL) {
                Ok(()) => done += 1,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if check_interrupt().is_err() {
                site.stop.store(true, Ordering::Relaxed);
            }
            progress(done, total);
        }
        let mut all = Outcome::default();
        for walker in walkers {
            all.add(&walker.join().map_err(|_| anyhow!("a walker panicked"))??);
        }
        Ok::<_, anyhow::Error>(all)
    })?;
    check_interrupt()?;
    outcome.time = start.elapsed();
    Ok(outcome)
}

struct Site<'a> {
    target: &'a Target,
    references: BTreeMap<&'a str, Reference>,
    /// Whether a path that is not among the files is none of the site's.
    only_known: bool,
    how: &'a Crawl,
    stop: AtomicBool,
}

impl Site<'_> {
    fn walk(&self, number: u32, sender: &Sender<()>) -> Result<Outcome> {
        let result = Walker::new(self, number).walk(sender);
        if result.is_err() {
            self.stop.store(true, Ordering::Relaxed);
        }
        result
    }

    /// Waits; says whether to go on.
    fn wait(&self, time: Duration) -> bool {
        let start = Instant::now();
        loop {
            let left = time.saturating_sub(start.elapsed());
            if self.stop.load(Ordering::Relaxed) {
                return false;
            }
            if left.is_zero() {
                return true;
            }
            thread::sleep(left.min(POLL));
        }
    }
}

struct Walker<'a> {
    site: &'a Site<'a>,
    /// First answers of paths that are not among the files.
    met: BTreeMap<String, Reference>,
    next: VecDeque<String>,
    seen: BTreeSet<String>,
    random: Random,
    kept: Option<Connection>,
    outcome: Outcome,
}

impl<'a> Walker<'a> {
    fn new(site: &'a Site<'a>, number: u32) -> Self {
        let page = site.target.page.clone();
        Self {
            site,
            met: BTreeMap::new(),
            next: [page.clone()].into(),
            seen: [page].into(),
            random: Random(u64::from(number)),
            kept: None,
            outcome: Outcome::default(),
        }
    }

    fn walk(mut self, sender: &Sender<()>) -> Result<Outcome> {
        let mut rest = self.site.references.keys();
        for _ in 0..self.site.how.limit {
            let path = match self.next.pop_front() {
                Some(path) => path,
                None => match rest.find(|path| !self.seen.contains(**path)) {
                    Some(path) => {
                        self.seen.insert((*path).to_owned());
                        (*path).to_owned()
                    }
                    None => break,
                },
            };
            let wait = self.site.how.wait.mul_f64(0.5 + self.random.next());
            if !self.site.wait(wait) {
                break;
            }
            if let Some(html) = self.ask(&path)? {
                self.follow(&path, &html);
            }
            // Nobody listens after an interrupt.
            let _ = sender.send(());
        }
        Ok(self.outcome)
    }

    /// Asks for a file and compares it; gives its text back if that is HTML.
    fn ask(&mut self, path: &str) -> Result<Option<Vec<u8>>> {
        let request = self.site.target.request(path);
        let reference = match self.site.references.get(path) {
            Some(reference) => reference,
            None => self.met.entry(path.to_owned()).or_insert(Reference::new(&Expected::First)?),
        };
        let mut comparison = reference.compare()?;
        let mut html = None;
        let mut receive = |connection: Option<Connection>| -> Result<_, Failure> {
            let mut connection = match connection {
                Some(connection) => connection,
                None => Connection::open(self.site.target.address)?,
            };
            connection.send(&request)?;
            let head = connection.receive(|head, piece| {
                if head.is_html {
                    html.get_or_insert_with(Vec::new).extend_from_slice(piece);
                }
                comparison.piece(piece)
            })?;
            Ok((!head.closes).then_some(connection))
        };
        let kept = self.kept.take();
        let is_new = kept.is_none();
        match receive(kept) {
            Ok(kept) => {
                self.kept = kept;
                self.outcome.connections += u64::from(is_new);
                self.outcome.answered(comparison.finish(path)?);
                Ok(html)
            }
            Err(failure) => {
                self.outcome.missed(&failure)?;
                Ok(None)
            }
        }
    }

    fn follow(&mut self, path: &str, html: &[u8]) {
        for link in links::of(&String::from_utf8_lossy(html), path) {
            let ours = !self.site.only_known || self.site.references.contains_key(link.as_str());
            if ours && self.seen.insert(link.clone()) {
                self.next.push_back(link);
            }
        }
    }
}

/// SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators,
/// 2014): the same numbers in every version of this program.
struct Random(u64);

impl Random {
    /// From 0 to 1.
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        quantity(z >> 11) / quantity(1 << 53)
    }
}
