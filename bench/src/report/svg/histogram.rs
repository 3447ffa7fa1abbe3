//! How often which value was seen, with a logarithmic count, so that one call among
//! thousands is seen too.

use super::super::number::short;
use super::canvas::{Anchor, Canvas};
use super::ticks::Axis;
use super::{COLOURS, LETTER, LINE, WIDTH};

const HEIGHT: f64 = 150.0;
const LEFT: f64 = 46.0;
/// The number of classes that values are put into.
const CLASSES: usize = 48;

/// The histogram of values and their counts; `unit` is the values'.
pub(crate) fn histogram(values: &[(u64, u64)], unit: &str, colour: usize) -> String {
    let (top, bottom) = (LINE + 4.0, LINE + 4.0 + HEIGHT);
    let low = values.iter().map(|(value, _)| *value).min().unwrap_or(0);
    let high = values.iter().map(|(value, _)| *value).max().unwrap_or(0);
    let x = Axis::new(low as f64, high as f64, (LEFT, WIDTH - 2.0 * LETTER), 5.0);
    let width = (WIDTH - 2.0 * LETTER - LEFT) / CLASSES as f64;
    let classes = classes(values, |value| (x.place(value as f64) - LEFT) / width);
    // A decade is a step of the axis, and a single call is half a step high.
    let decades = classes.iter().max().map_or(1, |most| most.max(&1).ilog10() + 1);
    let decade = HEIGHT / (f64::from(decades) + 0.5);
    let height = |count: u64| (count as f64).log10() * decade + decade / 2.0;
    let mut canvas = Canvas::new();
    for power in 0..=decades {
        let (y, label) =
            (bottom - decade / 2.0 - f64::from(power) * decade, 10_f64.powi(power.cast_signed()));
        canvas.line((LEFT, y), (WIDTH - 2.0 * LETTER, y), "grid");
        canvas.text((LEFT - LETTER, y + 4.0), Anchor::End, "tick", &short(label));
    }
    for (place, count) in classes.iter().enumerate().filter(|(_, count)| **count > 0) {
        let at = (LEFT + place as f64 * width, bottom - height(*count));
        let size = (width - 0.5, height(*count));
        canvas.rect(at, size, &format!("c{}", colour % COLOURS), &format!("{count} calls"));
    }
    for (place, label) in x.ticks() {
        canvas.line((place, bottom), (place, bottom + 4.0), "axis");
        canvas.text((place, bottom + LINE + 2.0), Anchor::Middle, "tick", &label);
    }
    canvas.line((LEFT, bottom), (WIDTH - 2.0 * LETTER, bottom), "axis");
    canvas.text((0.0, top - 10.0), Anchor::Start, "unit", "calls (logarithmic)");
    let unit = x.unit(unit);
    let middle = (LEFT + WIDTH) / 2.0;
    canvas.text((middle, bottom + 2.3 * LINE), Anchor::Middle, "unit", &unit);
    canvas.finish(bottom + 2.6 * LINE, &format!("Histogram: calls by {unit}"))
}

/// The counts in each class; `place` says, in classes, where a value belongs.
fn classes(values: &[(u64, u64)], place: impl Fn(u64) -> f64) -> Vec<u64> {
    let mut classes = vec![0_u64; CLASSES];
    for &(value, count) in values {
        let place = place(value);
        let class = (1..CLASSES).take_while(|class| *class as f64 <= place).count();
        classes[class] = classes[class].saturating_add(count);
    }
    classes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_in_a_class() {
        let values = [(0, 3), (47, 4), (48, 5), (1_000, 6)];
        let classes = classes(&values, |value| value as f64);
        assert_eq!((classes[0], classes[47]), (3, 15));
        assert_eq!(classes.iter().sum::<u64>(), 18);
    }

    #[test]
    fn one_value_and_none_are_drawn() {
        assert!(histogram(&[(449, 200)], "instructions", 0).contains("200 calls"));
        assert!(histogram(&[], "instructions", 0).starts_with("<svg"));
        assert!(histogram(&[(u64::MAX, u64::MAX), (0, u64::MAX)], "i", 0).starts_with("<svg"));
    }
}
