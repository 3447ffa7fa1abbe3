//! Content types by file name.

use std::collections::BTreeMap;

/// The table: a type, then the suffixes that have it.
const TABLE: &str = include_str!("mime.types");

/// What has no type of its own.
const UNKNOWN: &str = "application/octet-stream";

/// Always listed. With 16 entries and more, lighttpd looks for the longest suffix
/// that is listed; with fewer it takes the first that fits, so that nothing could
/// be added behind the one for everything else (`stat_cache_mimetype_by_ext()` in
/// src/stat_cache.c).
const COMMON: &[&str] = &[
    ".html", ".css", ".js", ".json", ".xml", ".txt", ".md", ".pdf", ".svg", ".png", ".jpg", ".gif",
    ".webp", ".ico", ".woff2", ".wasm",
];

/// The type of a suffix, with its character set.
fn of_suffix(suffix: &str) -> Option<String> {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
    let mut rows = lines.map(str::split_ascii_whitespace).filter_map(|mut words| {
        let kind = words.next()?;
        Some((kind, words))
    });
    let (kind, _) = rows.find(|(_, suffixes)| suffixes.clone().any(|one| one == suffix))?;
    Some(if kind.starts_with("text/") { format!("{kind}; charset=utf-8") } else { kind.to_owned() })
}

/// The longest suffix of a file's name that has a type, in lower case.
fn suffix(name: &str) -> Option<(String, String)> {
    let name = name.rsplit('/').next().unwrap_or(name).to_ascii_lowercase();
    name.match_indices('.')
        .find_map(|(dot, _)| Some((name[dot..].to_owned(), of_suffix(&name[dot..])?)))
}

/// The `Content-Type` that a file of this name is served with.
pub fn content_type(name: &str) -> String {
    suffix(name).map_or_else(|| UNKNOWN.to_owned(), |(_, kind)| kind)
}

/// The types of all files of a site by suffix, then the one of everything else.
pub(super) fn table<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<(String, String)> {
    let common = COMMON.iter().filter_map(|common| suffix(common));
    let known: BTreeMap<_, _> = names.into_iter().filter_map(suffix).chain(common).collect();
    known.into_iter().chain([(String::new(), UNKNOWN.to_owned())]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_follow_the_suffix() {
        for (name, kind) in [
            ("a/b/index.HTML", "text/html; charset=utf-8"),
            ("x.tar.gz", "application/gzip"),
            ("jquery.min.js", "text/javascript; charset=utf-8"),
            ("dir.html/LICENSE", UNKNOWN),
            ("x.unknown", UNKNOWN),
            ("trailing.", UNKNOWN),
            ("ä.svg", "image/svg+xml"),
        ] {
            assert_eq!(content_type(name), kind, "{name}");
        }
    }

    #[test]
    fn the_table_has_each_suffix_once() {
        let suffixes = TABLE
            .lines()
            .filter(|line| !line.starts_with('#'))
            .flat_map(|line| line.split_ascii_whitespace().skip(1));
        let mut seen = std::collections::BTreeSet::new();
        for suffix in suffixes {
            assert!(suffix.starts_with('.') && suffix.to_ascii_lowercase() == suffix, "{suffix}");
            assert!(seen.insert(suffix), "{suffix} is there twice");
        }
        assert!(seen.len() > 150);
    }

    #[test]
    fn a_site_gets_its_types_and_enough_of_them() {
        let table = table(["a.mp4", "b.odt", "README"]);
        let of = |suffix: &str| table.iter().find(|row| row.0 == suffix).map(|row| row.1.as_str());
        assert_eq!(of(".mp4"), Some("video/mp4"));
        assert_eq!(of(".mkv"), None);
        assert_eq!(table.last(), Some(&(String::new(), UNKNOWN.to_owned())));
        assert!(super::table([]).len() >= 16);
    }
}
