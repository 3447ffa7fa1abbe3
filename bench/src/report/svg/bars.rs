//! Lying bars in groups, each of one part or of several.

use super::super::number::short;
use super::canvas::{Anchor, Canvas};
use super::ticks::Axis;
use super::{COLOURS, LETTER, LINE, WIDTH, fit, text_width};

/// The thickness of a bar.
const THICK: f64 = 12.0;
/// The room between the bars of a group.
const GAP: f64 = 3.0;
/// The room between groups.
const GROUP_GAP: f64 = 10.0;

/// Bars over one axis that begins at 0.
pub(crate) struct Bars<'a> {
    /// What the axis counts.
    pub(crate) unit: &'a str,
    /// The name of each colour.
    pub(crate) legend: Vec<String>,
    pub(crate) groups: Vec<Group>,
}

/// Bars that belong together.
pub(crate) struct Group {
    pub(crate) label: String,
    pub(crate) bars: Vec<Bar>,
}

/// A bar.
pub(crate) struct Bar {
    /// Colour and length of each part, from the left.
    pub(crate) parts: Vec<(usize, f64)>,
    /// What stands at its end.
    pub(crate) note: String,
}

impl Bar {
    /// A bar of one part.
    pub(crate) fn plain(colour: usize, length: f64, note: String) -> Self {
        Self { parts: vec![(colour, length)], note }
    }

    fn length(&self) -> f64 {
        self.parts.iter().map(|(_, length)| length).sum()
    }
}

impl Bars<'_> {
    /// The drawing.
    pub(crate) fn draw(&self) -> String {
        let mut canvas = Canvas::new();
        let legend: Vec<_> = self
            .legend
            .iter()
            .enumerate()
            .map(|(colour, name)| (Some(colour), name.as_str()))
            .collect();
        let top = if legend.len() > 1 { canvas.legend(&legend) } else { 0.0 };
        let (left, right) = self.margins();
        let longest = self.bars().map(Bar::length).fold(0.0, f64::max);
        let axis = Axis::until(longest, (left, WIDTH - right), 4.0);
        let bottom = top + self.groups.iter().map(height).sum::<f64>();
        for (place, label) in axis.ticks() {
            canvas.line((place, top), (place, bottom), "grid");
            canvas.text((place, bottom + LINE), Anchor::Middle, "tick", &label);
        }
        let mut y = top;
        for group in &self.groups {
            self.draw_group(&mut canvas, &axis, group, y, left);
            y += height(group);
        }
        canvas.line((left, top), (left, bottom), "axis");
        let unit = axis.unit(self.unit);
        canvas.text(((left + WIDTH) / 2.0, bottom + 2.2 * LINE), Anchor::Middle, "unit", &unit);
        canvas.finish(bottom + 2.5 * LINE, &format!("Bars: {unit}"))
    }

    fn draw_group(&self, canvas: &mut Canvas, axis: &Axis, group: &Group, y: f64, left: f64) {
        let middle = y + (height(group) + GAP) / 2.0;
        let label = fit(&group.label, left - LETTER);
        canvas.text((left - LETTER, middle + 2.0), Anchor::End, "", &label);
        let mut y = y + GROUP_GAP / 2.0;
        for bar in &group.bars {
            let mut sum = 0.0;
            for &(colour, length) in &bar.parts {
                let (from, to) = (axis.place(sum), axis.place(sum + length));
                let name = self.legend.get(colour).map_or("", String::as_str);
                let title = format!("{}, {name}: {} {}", group.label, short(length), self.unit);
                let class = format!("c{}", colour % COLOURS);
                canvas.rect((from, y), (to - from, THICK), &class, &title);
                sum += length;
            }
            let end = (axis.place(sum) + 4.0, y + THICK - 2.0);
            canvas.text(end, Anchor::Start, "note", &bar.note);
            y += THICK + GAP;
        }
    }

    /// The room that labels and notes need.
    fn margins(&self) -> (f64, f64) {
        let label = self.groups.iter().map(|group| text_width(&group.label)).fold(0.0, f64::max);
        let note = self.bars().map(|bar| text_width(&bar.note)).fold(0.0, f64::max);
        (label.min(WIDTH * 0.38) + 2.0 * LETTER, note.clamp(2.0 * LETTER, WIDTH / 3.0) + 6.0)
    }

    fn bars(&self) -> impl Iterator<Item = &Bar> {
        self.groups.iter().flat_map(|group| &group.bars)
    }
}

fn height(group: &Group) -> f64 {
    group.bars.len() as f64 * (THICK + GAP) - GAP + GROUP_GAP
}
