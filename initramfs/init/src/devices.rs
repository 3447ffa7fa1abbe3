//! The block devices that the kernel has found.

/// The names of the devices in the text of `/proc/partitions`, whole disks and
/// partitions alike.
pub fn names(partitions: &str) -> impl Iterator<Item = &str> {
    // Source: block/genhd.c, show_partition(): a title, an empty line, then
    // major, minor, 1 KiB blocks and name.
    partitions.lines().skip(2).filter_map(|line| line.split_ascii_whitespace().nth(3))
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    #[test]
    fn names_follow_the_title() {
        let text = "major minor  #blocks  name\n\n 254        0      10240 vda\n 254        1       5120 vda1\n";
        assert_eq!(names(text).collect::<Vec<_>>(), ["vda", "vda1"]);
        assert_eq!(names("major minor  #blocks  name\n\n").count(), 0);
    }
}
