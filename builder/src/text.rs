//! Sizes and durations for people.

use std::time::Duration;

/// A size in bytes as a person reads it: `3.1 MB`, in powers of ten.
pub fn size(bytes: u64) -> String {
    let units = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    for (unit, name) in units {
        if bytes >= unit {
            let tenths = (bytes * 10 + unit / 2) / unit;
            return format!("{}.{} {name}", tenths / 10, tenths % 10);
        }
    }
    format!("{bytes} B")
}

/// A duration as a person reads it: `0.4 s`, `12 s`, `3 min 7 s`.
pub fn duration(time: Duration) -> String {
    match time.as_secs() {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        seconds @ 10..60 => format!("{seconds} s"),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_round_to_a_tenth() {
        assert_eq!(size(999), "999 B");
        assert_eq!(size(1_250), "1.3 kB");
        assert_eq!(size(6_000_000), "6.0 MB");
    }

    #[test]
    fn durations() {
        assert_eq!(duration(Duration::from_millis(420)), "0.4 s");
        assert_eq!(duration(Duration::from_secs(187)), "3 min 7 s");
    }
}
