//! The crawl, counted: ten walkers on a site with files from 1 kB to some MB.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use host::explain_io;
use qemu::{Disk, DiskFormat};

use crate::loads::{self, Crawl, in_guest};
use crate::{Subject, Tools, ext3};

use super::requests::{Counted, complete, per_request, speed};

/// The name of the load in a report.
pub const CRAWL: &str = "crawl";
/// The bytes of the site.
const SITE: u64 = 5_000_000;
/// Those of its disk.
const DISK: u64 = 24 << 20;

/// Boots a subject with the site in the place of its own and counts what a request of
/// the crawl costs. Nothing for one that has no disk, or a whole machine on it. `scratch`
/// is a directory for files of the moment.
///
/// # Errors
/// When the guest does not come up or dies, an answer is wrong, or the user interrupts.
pub fn crawl(
    subject: &Subject,
    tools: &Tools,
    link: &loads::Link,
    scratch: &Path,
) -> Result<Option<Counted>> {
    let mut subject = subject.clone();
    let (Some(disk), Some(uuid)) = (&mut subject.machine.disk, &subject.disk_uuid) else {
        return Ok(None);
    };
    let (site, image) = (scratch.join("crawl.site"), scratch.join("crawl.ext3"));
    loads::write_site(&site, SITE)?;
    ext3::make(&site, &image, DISK, uuid)?;
    *disk = Disk { bus: disk.bus, ..Disk::new(image, DiskFormat::Raw) };
    subject.site = files(&site)?;
    let mut counter = super::count(&mut subject, tools)?;
    let (mut guest, target) = loads::boot(&subject, link)?;
    in_guest(&mut guest, &subject.name, |guest| {
        if let Some(counter) = &mut counter {
            counter.start()?;
        }
        let run = || loads::crawl(&target, &Crawl::default(), &mut |_, _| {});
        let outcome = complete(guest.in_its_network(run)??)?;
        let counts = match &mut counter {
            Some(counter) => {
                counter.stop()?;
                Some(counter.read()?)
            }
            None => None,
        };
        // The files differ, and so do the requests: the mean of all is taken.
        let requests = match &counts {
            Some(counts) => per_request(counts, outcome.requests, speed(&outcome)),
            None => speed(&outcome),
        };
        Ok(Some(Counted { requests, counts }))
    })
}

/// Every file below a directory by its path in a URL; none of the names needs escaping.
fn files(site: &Path) -> Result<std::collections::BTreeMap<String, std::path::PathBuf>> {
    let mut found = std::collections::BTreeMap::new();
    let mut dirs = vec![site.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).map_err(|error| explain_io(error, &dir))? {
            let path = entry.with_context(|| format!("reading {}", dir.display()))?.path();
            if path.is_dir() {
                dirs.push(path);
                continue;
            }
            let name = path.strip_prefix(site).context("a file outside of its site")?;
            found.insert(format!("/{}", name.display()), path);
        }
    }
    Ok(found)
}
