//! A container image that holds a disk and nothing else, as a directory in the
//! layout of OCI (image-spec 1.0): what KubeVirt calls a containerDisk.

use std::fs::{self, File};
use std::path::Path;

use anyhow::{Context, Result};
use host::{Staged, digest_bytes, digest_file, explain_io, write_atomically};
use images::tar::{Ownership, Writer};
use serde_json::{Value, json};

use super::Image;
use crate::disk::{TIME, explain};

/// Whom a disk belongs to: the user that KubeVirt's QEMU runs as.
const OWNER: Ownership = Ownership { id: 107, name: "qemu", mode: 0o440, time: TIME };
/// The directory in which KubeVirt looks for the disk.
const DIRECTORY: &str = "disk";
/// [`TIME`] as image-spec writes it.
const CREATED: &str = "2026-01-01T00:00:00Z";

/// A blob: its digest, and its length in bytes.
struct Blob {
    digest: String,
    len: u64,
}

impl Blob {
    /// The descriptor of a blob of this type.
    fn describe(&self, kind: &str) -> Value {
        let kind = format!("application/vnd.oci.image.{kind}");
        json!({ "mediaType": kind, "digest": self.digest, "size": self.len })
    }
}

/// Writes the image into a new directory.
pub(super) fn write(disk: &Image, dir: &Path) -> Result<()> {
    let blobs = dir.join("blobs/sha256");
    fs::create_dir_all(&blobs).map_err(|error| explain_io(error, &blobs))?;
    let layer = layer(disk, &blobs)?;
    let config = json!({
        "created": CREATED,
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": { "type": "layers", "diff_ids": [layer.digest] },
        "history": [{ "created": CREATED, "created_by": "appliance export kubevirt" }],
    });
    let config = document(&config, &blobs)?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config.describe("config.v1+json"),
        "layers": [layer.describe("layer.v1.tar")],
    });
    let manifest = document(&manifest, &blobs)?;
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [manifest.describe("manifest.v1+json")],
    });
    write_json(&dir.join("oci-layout"), &json!({ "imageLayoutVersion": "1.0.0" }))?;
    write_json(&dir.join("index.json"), &index)
}

/// Writes the layer with the disk.
fn layer(disk: &Image, blobs: &Path) -> Result<Blob> {
    let reading = || format!("reading {}", disk.path.display());
    let mut file = File::open(&disk.path).with_context(reading)?;
    let len = file.metadata().with_context(reading)?.len();
    let place = blobs.join("layer");
    let mut staged = Staged::new(&place)?;
    let mut archive = Writer::new(staged.file(), OWNER);
    archive
        .directory(DIRECTORY)
        .and_then(|()| archive.file(&format!("{DIRECTORY}/{}", disk.name), len, &mut file))
        .and_then(|()| Ok(archive.finish()?))
        .map_err(|error| explain(error, &place))?;
    staged.commit()?;
    let digest = digest_file(&place)?.to_string();
    let len = place.metadata().context("reading the layer")?.len();
    fs::rename(&place, blobs.join(&digest)).context("naming the layer")?;
    Ok(Blob { digest: format!("sha256:{digest}"), len })
}

/// Writes a document as a blob.
fn document(value: &Value, blobs: &Path) -> Result<Blob> {
    let text = serde_json::to_vec(value)?;
    let digest = digest_bytes(&text).to_string();
    write_atomically(&blobs.join(&digest), &text)?;
    Ok(Blob { digest: format!("sha256:{digest}"), len: text.len() as u64 })
}

fn write_json(place: &Path, value: &Value) -> Result<()> {
    write_atomically(place, &serde_json::to_vec(value)?)
}
