//! Lines through measured points.

use super::super::number::short;
use super::canvas::{Anchor, Canvas};
use super::ticks::Axis;
use super::{COLOURS, LETTER, LINE, WIDTH};

/// The height between the axes' ends.
const HEIGHT: f64 = 190.0;
/// The room left of the axis for its labels.
const LEFT: f64 = 52.0;

/// Lines over two axes that begin at 0.
pub(crate) struct Lines<'a> {
    /// What the horizontal axis counts.
    pub(crate) x: &'a str,
    /// What the vertical axis counts.
    pub(crate) y: &'a str,
    /// What a hollow point means.
    pub(crate) hollow: &'a str,
    pub(crate) series: Vec<Series>,
}

/// Points that belong together, by rising `x`.
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) points: Vec<Point>,
}

/// A measured point.
#[derive(Clone, Copy)]
pub(crate) struct Point {
    pub(crate) x: f64,
    pub(crate) y: f64,
    /// Whether it says nothing of what was measured.
    pub(crate) hollow: bool,
}

impl Lines<'_> {
    /// The drawing.
    pub(crate) fn draw(&self) -> String {
        let mut canvas = Canvas::new();
        let top = self.draw_legend(&mut canvas) + LINE + 4.0;
        let bottom = top + HEIGHT;
        let largest = |of: fn(&Point) -> f64| self.points().map(of).fold(0.0, f64::max);
        let x = Axis::new(0.0, largest(|point| point.x), (LEFT, WIDTH - 2.0 * LETTER), 5.0);
        let y = Axis::new(0.0, largest(|point| point.y), (bottom, top), 5.0);
        for (place, label) in y.ticks() {
            canvas.line((LEFT, place), (WIDTH - 2.0 * LETTER, place), "grid");
            canvas.text((LEFT - LETTER, place + 4.0), Anchor::End, "tick", &label);
        }
        for (place, label) in x.ticks() {
            canvas.line((place, bottom), (place, bottom + 4.0), "axis");
            canvas.text((place, bottom + LINE + 2.0), Anchor::Middle, "tick", &label);
        }
        canvas.line((LEFT, bottom), (WIDTH - 2.0 * LETTER, bottom), "axis");
        // The first is drawn last: it is the one that the reader looks for.
        for (colour, series) in self.series.iter().enumerate().rev() {
            draw_series(&mut canvas, series, colour % COLOURS, &x, &y);
        }
        canvas.text((0.0, top - 10.0), Anchor::Start, "unit", &y.unit(self.y));
        let unit = x.unit(self.x);
        let middle = (LEFT + WIDTH) / 2.0;
        canvas.text((middle, bottom + 2.3 * LINE), Anchor::Middle, "unit", &unit);
        canvas.finish(bottom + 2.6 * LINE, &format!("Lines: {} by {unit}", self.y))
    }

    fn draw_legend(&self, canvas: &mut Canvas) -> f64 {
        let names = self.series.iter().map(|series| series.name.as_str());
        let mut legend: Vec<_> =
            names.enumerate().map(|(colour, name)| (Some(colour), name)).collect();
        if self.points().any(|point| point.hollow) {
            legend.push((None, self.hollow));
        }
        canvas.legend(&legend)
    }

    fn points(&self) -> impl Iterator<Item = &Point> {
        self.series.iter().flat_map(|series| &series.points)
    }
}

fn draw_series(canvas: &mut Canvas, series: &Series, colour: usize, x: &Axis, y: &Axis) {
    let place = |point: &Point| (x.place(point.x), y.place(point.y));
    for pair in series.points.windows(2) {
        let faint = if pair.iter().any(|point| point.hollow) { " faint" } else { "" };
        canvas.line(place(&pair[0]), place(&pair[1]), &format!("l{colour}{faint}"));
    }
    for point in &series.points {
        let title = format!("{}: {} at {}", series.name, short(point.y), short(point.x));
        let class = if point.hollow { "hollow".to_owned() } else { format!("c{colour}") };
        canvas.circle(place(point), 3.0, &class, &title);
    }
}
