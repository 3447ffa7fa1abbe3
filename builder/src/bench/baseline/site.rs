//! The content of the site, out of the image.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail, ensure};
use ext4_view::Ext4;
use host::{check_interrupt, digest_bytes};
use initramfs::Tree;
use lighttpd_static::DOCUMENT_ROOT;

use super::Baselines;
use crate::cache::Inputs;
use crate::check::escape;
use crate::inspect;
use crate::manifest::{SiteFile, Storage};

/// Where an image keeps its site.
enum Place {
    Disk(Ext4),
    Ram(Tree),
}

impl Place {
    fn read(&self, path: &[u8]) -> Result<Vec<u8>> {
        match self {
            Self::Disk(ext) => {
                let path = ext4_view::PathBuf::try_from([b"/", path].concat().as_slice())
                    .map_err(|error| anyhow!("{error:?}"))?;
                ext.read(&path).map_err(|error| anyhow!(error))
            }
            Self::Ram(tree) => {
                let path = [DOCUMENT_ROOT.as_bytes(), b"/", path].concat();
                Ok(tree.content(path).context("the initramfs does not hold it")?.to_owned())
            }
        }
    }
}

impl Baselines<'_> {
    /// Every file of the site by its path in a URL.
    pub(super) fn site(&self) -> Result<BTreeMap<String, PathBuf>> {
        let files = &self.manifest.site;
        let list = files.iter().map(|file| format!("{} {}\n", file.sha256, file.path)).collect();
        let inputs = Inputs::from([("site".to_owned(), list)]);
        let (what, recipe) = ("take the site out of the image", include_str!("site.rs"));
        let out = self.step("bench-site", what, recipe, inputs, |job| {
            let place = self.place()?;
            for (number, file) in files.iter().enumerate() {
                check_interrupt()?;
                write(&place, file, &job.out.join(number.to_string()))
                    .with_context(|| format!("reading {} of the image", file.path))?;
            }
            Ok(())
        })?;
        let path = |file: &SiteFile| format!("/{}", escape(&file.path));
        let numbered = files.iter().enumerate();
        Ok(numbered.map(|(number, file)| (path(file), out.join(number.to_string()))).collect())
    }

    fn place(&self) -> Result<Place> {
        match (&self.manifest.storage, self.machine()?.disk) {
            (Storage::Disk { .. }, Some(disk)) => {
                Ok(Place::Disk(inspect::ext::of_image(&disk.path)?))
            }
            (Storage::Disk { .. }, None) => bail!("the image has no disk"),
            (Storage::Ram, _) => Ok(Place::Ram(self.initramfs()?)),
        }
    }
}

/// Writes a file whose name can be anything to a path of ours.
fn write(place: &Place, file: &SiteFile, to: &Path) -> Result<()> {
    let content = place.read(&decode(&file.path)?)?;
    let digest = digest_bytes(&content).to_string();
    ensure!(digest == file.sha256, "its SHA-256 is {digest}, and the manifest has another");
    fs::write(to, content).map_err(|error| host::explain_io(error, to))
}

/// The bytes of a path of the manifest, where `%XX` stands for a byte; the reverse
/// of [`crate::manifest::encode_path`].
pub(super) fn decode(path: &str) -> Result<Vec<u8>> {
    let mut pieces = path.split('%');
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_owned();
    for piece in pieces {
        let (digits, rest) = piece.split_at_checked(2).context("a percent sign without a byte")?;
        bytes.push(u8::from_str_radix(digits, 16).context("a percent sign without a byte")?);
        bytes.extend(rest.as_bytes());
    }
    Ok(bytes)
}
