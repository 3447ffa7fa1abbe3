//! Axes: a range of figures, laid on a range of the drawing, with round ticks.

use super::super::number::{Scale, grouped};

/// A linear axis.
pub(super) struct Axis {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
    scale: Scale,
    step: f64,
}

impl Axis {
    /// An axis from `low` to at least `high`, drawn between `from` and `to`, with at
    /// most so many steps.
    pub(super) fn new(low: f64, high: f64, (from, to): (f64, f64), steps: f64) -> Self {
        let (low, high) =
            if low.is_finite() && high.is_finite() { (low, high) } else { (0.0, 1.0) };
        let high = if high > low { high } else { low + 1.0 };
        let step = round_step((high - low) / steps);
        let low = (low / step).floor() * step;
        let high = (high / step).ceil() * step;
        Self { low, high, from, to, scale: Scale::for_largest(high), step }
    }

    /// An axis from 0 that ends at `high`, though no tick may be there.
    pub(super) fn until(high: f64, range: (f64, f64), steps: f64) -> Self {
        let axis = Self::new(0.0, high, range, steps);
        if high > 0.0 && high < 0.95 * axis.high { Self { high, ..axis } } else { axis }
    }

    /// Where a value is in the drawing; one beyond the axis is at its end.
    pub(super) fn place(&self, value: f64) -> f64 {
        let part = ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        self.from + (self.to - self.from) * if part.is_finite() { part } else { 0.0 }
    }

    /// Every tick: its place and its label.
    pub(super) fn ticks(&self) -> Vec<(f64, String)> {
        let decimals = decimals_of(self.step / self.scale.divisor);
        let mut ticks = Vec::new();
        let mut value = self.low;
        while value < self.high + self.step * 1e-6 && ticks.len() < 20 {
            ticks.push((self.place(value), grouped(value / self.scale.divisor, decimals)));
            value += self.step;
        }
        ticks
    }

    /// The unit with the scale that the labels are in.
    pub(super) fn unit(&self, unit: &str) -> String {
        self.scale.unit(unit)
    }
}

/// The next larger of 1, 2 and 5 times a power of ten.
fn round_step(step: f64) -> f64 {
    let power = 10_f64.powf(step.log10().floor());
    let times = [1.0, 2.0, 5.0, 10.0];
    let fits = |times: &&f64| **times * power >= step * (1.0 - 1e-9);
    times.iter().find(fits).unwrap_or(&10.0) * power
}

/// The decimals that a step needs.
fn decimals_of(step: f64) -> usize {
    let whole = |decimals: &usize| {
        let places: f64 = std::iter::repeat_n(10.0, *decimals).product();
        ((step * places).round() - step * places).abs() < 1e-6
    };
    (0..6).find(whole).unwrap_or(6)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(low: f64, high: f64) -> Vec<String> {
        let axis = Axis::new(low, high, (0.0, 100.0), 5.0);
        axis.ticks().into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(labels(0.0, 8073.0), ["0", "2,000", "4,000", "6,000", "8,000", "10,000"]);
        assert_eq!(labels(0.0, 0.9), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(0.0, 2.896e9), ["0", "1,000", "2,000", "3,000"]);
        assert_eq!(labels(440.0, 470.0), ["440", "450", "460", "470"]);
    }

    #[test]
    fn an_axis_copes_with_every_range() {
        assert_eq!(labels(0.0, 0.0).first().unwrap(), "0.0");
        assert_eq!(labels(5.0, 5.0).len(), 6);
        assert!(!labels(f64::NAN, 1.0).is_empty());
        assert!(!labels(0.0, f64::MAX / 4.0).is_empty());
        let axis = Axis::new(0.0, 10.0, (50.0, 100.0), 5.0);
        assert!((axis.place(5.0) - 75.0).abs() < 1e-9);
        assert!((axis.place(1e9) - 100.0).abs() < 1e-9);
        assert!((axis.place(f64::NAN) - 50.0).abs() < 1e-9);
    }
}
