//! The elements of a drawing, and its legend.

use std::fmt::Write as _;

use super::super::escape;
use super::{COLOURS, LINE, WIDTH, fit, text_width};

/// Where a text stands at its point.
#[derive(Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// A drawing under construction.
pub(super) struct Canvas {
    body: String,
}

impl Canvas {
    pub(super) fn new() -> Self {
        Self { body: String::new() }
    }

    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), class: &str) {
        let _ = write!(
            self.body,
            r#"<line x1="{:.1}" y1="{:.1}" x2="{:.1}" y2="{:.1}" class="{class}"/>"#,
            from.0, from.1, to.0, to.1
        );
    }

    /// A rectangle that says `title` to a pointer or a screen reader.
    pub(super) fn rect(&mut self, at: (f64, f64), size: (f64, f64), class: &str, title: &str) {
        let _ = write!(
            self.body,
            r#"<rect x="{:.1}" y="{:.1}" width="{:.1}" height="{:.1}" class="{class}"><title>{}</title></rect>"#,
            at.0,
            at.1,
            size.0,
            size.1,
            escape::html(title)
        );
    }

    pub(super) fn circle(&mut self, at: (f64, f64), radius: f64, class: &str, title: &str) {
        let _ = write!(
            self.body,
            r#"<circle cx="{:.1}" cy="{:.1}" r="{radius}" class="{class}"><title>{}</title></circle>"#,
            at.0,
            at.1,
            escape::html(title)
        );
    }

    pub(super) fn text(&mut self, at: (f64, f64), anchor: Anchor, class: &str, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let _ = write!(
            self.body,
            r#"<text x="{:.1}" y="{:.1}" text-anchor="{anchor}" class="{class}">{}</text>"#,
            at.0,
            at.1,
            escape::html(text)
        );
    }

    /// Draws the legend from the top on, and gives the height that it took. An
    /// entry without a colour explains the hollow points.
    pub(super) fn legend(&mut self, entries: &[(Option<usize>, &str)]) -> f64 {
        let (mut x, mut y) = (0.0, 0.0);
        for (colour, name) in entries {
            let name = fit(name, WIDTH - 16.0);
            let width = 16.0 + text_width(&name) + 14.0;
            if x > 0.0 && x + width > WIDTH + 14.0 {
                x = 0.0;
                y += LINE;
            }
            match colour {
                Some(colour) => {
                    self.rect((x, y + 3.0), (10.0, 10.0), &format!("c{}", colour % COLOURS), &name);
                }
                None => self.circle((x + 5.0, y + 8.0), 3.5, "hollow", &name),
            }
            self.text((x + 16.0, y + 12.0), Anchor::Start, "", &name);
            x += width;
        }
        if entries.is_empty() { 0.0 } else { y + LINE + 6.0 }
    }

    /// The drawing as an element that says `label` to a screen reader.
    pub(super) fn finish(self, height: f64, label: &str) -> String {
        format!(
            r#"<svg viewBox="0 0 {WIDTH:.0} {height:.0}" role="img" aria-label="{}">{}</svg>"#,
            escape::html(label),
            self.body
        )
    }
}
