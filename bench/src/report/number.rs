//! Figures as a reader sees them.

/// A power of a thousand that keeps figures short, with its name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scale {
    /// What a figure is divided by.
    pub(crate) divisor: f64,
    /// What goes before the unit: `thousand`, `million`, or nothing.
    pub(crate) name: &'static str,
}

impl Scale {
    /// The scale in which `largest` is ten thousand at most.
    pub(crate) fn for_largest(largest: f64) -> Self {
        let scales = [
            (1.0, ""),
            (1e3, "thousand"),
            (1e6, "million"),
            (1e9, "thousand million"),
            (1e12, "million million"),
        ];
        let fits = |&&(divisor, _): &&(f64, &str)| largest.abs() / divisor <= 10_000.0;
        let (divisor, name) = *scales.iter().find(fits).unwrap_or(&scales[4]);
        Self { divisor, name }
    }

    /// The unit with the scale before it.
    pub(crate) fn unit(self, unit: &str) -> String {
        if self.name.is_empty() { unit.to_owned() } else { format!("{} {unit}", self.name) }
    }
}

/// A figure with a comma at every thousand.
pub(crate) fn grouped(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return "not a number".to_owned();
    }
    // Beyond this a double no longer holds every whole number.
    if value.abs() >= 1e15 {
        return format!("{value:.3e}");
    }
    let text = format!("{:.decimals$}", value.abs());
    let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut grouped = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let zero = text.chars().all(|c| c == '0' || c == '.');
    let sign = if value < 0.0 && !zero { "\u{2212}" } else { "" };
    format!("{sign}{grouped}{fraction}")
}

/// A figure with three digits or more: no decimals from a hundred on, or where it
/// is whole.
pub(crate) fn short(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 100.0 || value.fract() == 0.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    grouped(value, decimals)
}

/// How many times less `value` is than `reference`, as `2.14`; nothing without two
/// figures above 0.
pub(crate) fn times(reference: f64, value: f64) -> Option<String> {
    let ratio = reference / value;
    (reference > 0.0 && value > 0.0 && ratio.is_finite()).then(|| {
        let decimals = if ratio >= 100.0 { 0 } else { 1 + usize::from(ratio < 10.0) };
        grouped(ratio, decimals)
    })
}

/// The change from `before` to `after` in per cent, where there is something before.
pub(crate) fn change(before: f64, after: f64) -> Option<f64> {
    (before > 0.0).then(|| 100.0 * (after - before) / before).filter(|change| change.is_finite())
}

/// A change in per cent with its sign; small ones keep two decimals.
pub(crate) fn percent(change: f64) -> String {
    let decimals = if change.abs() < 1.0 && change != 0.0 { 2 } else { 1 };
    let text = grouped(change, decimals);
    if change > 0.0 { format!("+{text} %") } else { format!("{text} %") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_separated() {
        assert_eq!(grouped(0.0, 0), "0");
        assert_eq!(grouped(999.0, 0), "999");
        assert_eq!(grouped(1_000.0, 0), "1,000");
        assert_eq!(grouped(-1_234_567.89, 1), "\u{2212}1,234,567.9");
        assert_eq!(grouped(-0.001, 2), "0.00");
        assert_eq!(grouped(f64::NAN, 0), "not a number");
        assert_eq!(grouped(1e300, 0), "1.000e300");
    }

    #[test]
    fn a_scale_keeps_figures_short() {
        assert_eq!(Scale::for_largest(10_000.0).unit("bytes"), "bytes");
        assert_eq!(Scale::for_largest(26_200.0).unit("instructions"), "thousand instructions");
        assert_eq!(Scale::for_largest(2.9e9).name, "million");
        assert_eq!(Scale::for_largest(1e300).name, "million million");
    }

    #[test]
    fn ratios_need_two_figures() {
        assert_eq!(times(1106.0, 449.0).as_deref(), Some("2.46"));
        assert_eq!(times(2896e6, 53e6).as_deref(), Some("54.6"));
        assert_eq!(times(0.0, 449.0), None);
        assert_eq!(times(449.0, 0.0), None);
        assert_eq!(times(f64::NAN, 1.0), None);
    }

    #[test]
    fn changes_carry_their_sign() {
        assert_eq!(change(200.0, 150.0).map(percent).as_deref(), Some("\u{2212}25.0 %"));
        assert_eq!(percent(-0.04), "\u{2212}0.04 %");
        assert_eq!(percent(3.21), "+3.2 %");
        assert_eq!(change(0.0, 1.0), None);
    }
}
