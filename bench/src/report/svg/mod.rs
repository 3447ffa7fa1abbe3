//! Plots as SVG inside the page: bars, lines and histograms.
//!
//! The page's style sheet gives the colours by class, so that a plot follows the
//! page into the dark. A plot scales with the column that it stands in; its text
//! stays readable on a phone because the drawing is no wider than that.

mod bars;
mod canvas;
mod histogram;
mod lines;
mod ticks;

pub(crate) use bars::{Bar, Bars, Group};
pub(crate) use histogram::histogram;
pub(crate) use lines::{Lines, Point, Series};

/// The width of every plot.
const WIDTH: f64 = 400.0;
/// The colours that the style sheet has.
const COLOURS: usize = 8;
/// The mean width of a letter.
const LETTER: f64 = 6.8;
/// The height of a line of text.
const LINE: f64 = 16.0;

/// The width that a text takes, roughly.
fn text_width(text: &str) -> f64 {
    // A label is short: its length is exact as a double.
    LETTER * text.chars().count() as f64
}

/// A text that fits into a width, with an ellipsis where it was cut.
fn fit(text: &str, width: f64) -> String {
    if text_width(text) <= width {
        return text.to_owned();
    }
    let mut cut = String::new();
    for c in text.chars() {
        if text_width(&cut) + 2.0 * LETTER > width {
            break;
        }
        cut.push(c);
    }
    cut + "…"
}
