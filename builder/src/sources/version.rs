//! The order of Debian versions (Debian Policy Manual, section 5.6.12).

use std::cmp::Ordering;

/// Compares two versions, `[EPOCH:]UPSTREAM[-REVISION]`.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let ((epoch_a, rest_a), (epoch_b, rest_b)) = (epoch(a), epoch(b));
    let ((upstream_a, revision_a), (upstream_b, revision_b)) = (revision(rest_a), revision(rest_b));
    parts(epoch_a, epoch_b)
        .then_with(|| parts(upstream_a, upstream_b))
        .then_with(|| parts(revision_a, revision_b))
}

/// Whether a version belongs to a series: `6.12.117-1` to `6.12`, `6.120` not.
pub(super) fn is_in_series(version: &str, series: &str) -> bool {
    let rest = epoch(version).1.strip_prefix(series);
    rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
}

fn epoch(version: &str) -> (&str, &str) {
    version.split_once(':').unwrap_or(("0", version))
}

fn revision(version: &str) -> (&str, &str) {
    version.rsplit_once('-').unwrap_or((version, "0"))
}

/// Compares by turns what is no number, by [`weight`], and what is one.
fn parts(mut a: &str, mut b: &str) -> Ordering {
    while !a.is_empty() || !b.is_empty() {
        let (text_a, rest_a) = a.split_at(a.find(|c: char| c.is_ascii_digit()).unwrap_or(a.len()));
        let (text_b, rest_b) = b.split_at(b.find(|c: char| c.is_ascii_digit()).unwrap_or(b.len()));
        let (number_a, after_a) = number(rest_a);
        let (number_b, after_b) = number(rest_b);
        let order = texts(text_a, text_b).then_with(|| numbers(number_a, number_b));
        if order != Ordering::Equal {
            return order;
        }
        (a, b) = (after_a, after_b);
    }
    Ordering::Equal
}

fn texts(a: &str, b: &str) -> Ordering {
    let end = Some(weight('\0')).into_iter();
    a.chars().map(weight).chain(end.clone()).cmp(b.chars().map(weight).chain(end))
}

/// A tilde comes before the end, the end before letters, letters before the rest.
fn weight(c: char) -> u32 {
    match c {
        '~' => 0,
        '\0' => 1,
        c if c.is_ascii_alphabetic() => u32::from(c),
        c => u32::from(c) + 256,
    }
}

fn number(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// Compares numbers of any length.
fn numbers(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_in_the_order_of_dpkg() {
        let rising = [
            "1.0~rc1-1",
            "1.0-1",
            "1.0-1+deb12u1",
            "1.0-2",
            "1.0a-1",
            "1.0+b-1",
            "1.9-1",
            "1.10-1",
            "6.12.99-1~deb12u1",
            "6.12.117-1~deb12u1",
            "6.12.117-1",
            "1:0.1",
        ];
        for pair in rising.windows(2) {
            assert_eq!(compare(pair[0], pair[1]), Ordering::Less, "{pair:?}");
            assert_eq!(compare(pair[1], pair[0]), Ordering::Greater, "{pair:?}");
        }
        assert_eq!(compare("1.01-1", "1.1-1"), Ordering::Equal);
    }

    #[test]
    fn a_series_ends_at_a_number() {
        assert!(is_in_series("6.12.117-1~deb12u1", "6.12"));
        assert!(is_in_series("1:1.2.13.dfsg-1", "1.2.13"));
        assert!(!is_in_series("6.120-1", "6.12"));
        assert!(!is_in_series("6.1.9-1", "6.12"));
    }
}
