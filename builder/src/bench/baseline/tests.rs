//! What is decided without a mirror.

use super::DebianKernel;
use super::site::decode;
use super::symbols::{announced, symbol};
use crate::sources::Package;

fn packages(list: &[(&str, &str)]) -> Vec<Package> {
    list.iter()
        .map(|(name, version)| Package { name: (*name).into(), version: (*version).into() })
        .collect()
}

fn chosen(kernel: DebianKernel, release: &str, list: &[(&str, &str)]) -> Vec<String> {
    let packages = kernel.choose(release, packages(list)).unwrap();
    packages.into_iter().map(|package| package.version).collect()
}

/// As the mirrors have them, the newest first.
const LISTED: &[(&str, &str)] = &[
    ("linux-image-6.12.119+deb12-cloud-amd64", "6.12.119-1~deb12u1"),
    ("linux-image-6.12.117+deb12-cloud-amd64", "6.12.117-1~deb12u1"),
    ("linux-image-6.12.117+deb12-cloud-amd64-unsigned", "6.12.117-1~deb12u1"),
    ("linux-image-6.12.117+deb12-amd64", "6.12.117-1~deb12u1"),
    ("linux-image-6.12.117+deb12-rt-amd64", "6.12.117-1~deb12u1"),
    ("linux-image-6.12.115+deb12-cloud-amd64", "6.12.115-1~deb12u1"),
    ("linux-image-6.1.0-56-cloud-amd64", "6.1.192-2"),
    ("linux-image-6.1.0-55-cloud-amd64", "6.1.190-1"),
];

#[test]
fn the_kernel_of_the_same_release_comes_first() {
    let versions = ["6.12.117-1~deb12u1", "6.12.119-1~deb12u1", "6.12.115-1~deb12u1"];
    assert_eq!(chosen(DebianKernel::Cloud, "6.12.117", LISTED), versions);
    assert_eq!(chosen(DebianKernel::Cloud, "6.12.114", LISTED)[0], "6.12.115-1~deb12u1");
    assert_eq!(chosen(DebianKernel::Generic, "6.12.117", LISTED), ["6.12.117-1~deb12u1"]);
}

#[test]
fn of_debians_own_series_the_newest_comes_first() {
    assert_eq!(chosen(DebianKernel::OldCloud, "6.12.117", LISTED), ["6.1.192-2", "6.1.190-1"]);
    assert!(chosen(DebianKernel::OldGeneric, "6.12.117", LISTED).is_empty());
}

#[test]
fn lines_of_the_console_become_symbols() {
    let line = "ffffffffc0000120 t virtnet_poll\t[virtio_net]";
    assert_eq!(symbol(line).unwrap(), "ffffffffc0000120 t virtnet_poll\n");
    for line in ["", "0000000000000000 t hidden", "ffffffff81000000 T", "[    1.0] t message here"]
    {
        assert_eq!(symbol(line), None, "{line}");
    }
    let line = "appliance: symbols of 41 functions, 7 modules";
    assert_eq!(announced(line), Some((41, 7)));
    assert_eq!(announced("appliance: symbols of"), None);
}

#[test]
fn paths_of_a_manifest_are_bytes_again() {
    let path = std::path::PathBuf::from("100%/ä");
    assert_eq!(decode(&crate::manifest::encode_path(&path)).unwrap(), "100%/ä".as_bytes());
    assert_eq!(decode("%FF").unwrap(), [0xff]);
    assert!(decode("%").is_err() && decode("%zz").is_err());
}
