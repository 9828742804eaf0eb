//! A timeline as a picture: a row for what lasted, dots for invocations, a numbered line for each step of the story.

use std::fmt::Write;

use crate::escape;

const ROW: f64 = 26.0;
/// How high a bar is.
pub const BAR: f64 = 17.0;
const TOP: f64 = 34.0;

/// How wide a picture is, and where the names of its rows are.
#[derive(Clone, Copy)]
pub struct Format {
    class: &'static str,
    width: f64,
    /// Where the bars begin; left of it are the names, or, where there is no room, above.
    left: f64,
    /// Room above a bar for its name.
    above: f64,
}

const WIDE: Format = Format { class: "wide", width: 1080.0, left: 128.0, above: 0.0 };
const NARROW: Format = Format { class: "narrow", width: 340.0, left: 6.0, above: 15.0 };

/// A picture for wide and one for narrow windows; the style shows the one that fits.
pub fn both(draw: impl Fn(Format) -> String) -> String {
    [WIDE, NARROW].map(draw).concat()
}

impl Format {
    pub fn is_narrow(self) -> bool {
        self.above > 0.0
    }
}

pub struct Picture {
    pub format: Format,
    seconds: f64,
    /// Where the rows end.
    pub bottom: f64,
    height: f64,
    steps: usize,
    /// Where the last step's badge ends.
    right: f64,
    svg: String,
}

impl Picture {
    /// So many rows, and room below them.
    pub fn new(format: Format, seconds: f64, rows: usize, below: f64, of: &str) -> Self {
        let bottom = TOP + rows as f64 * (ROW + format.above) + format.above;
        let height = bottom + below;
        let svg = format!(
            r#"<svg class="{}" viewBox="0 0 {} {height}" role="img" aria-label="Timeline of {}">"#,
            format.class,
            format.width,
            escape(of)
        );
        Self { format, seconds: seconds.max(1.0), bottom, height, steps: 0, right: 0.0, svg }
    }

    /// Where a second is.
    pub fn x(&self, at: f64) -> f64 {
        let Format { width, left, .. } = self.format;
        left + (width - left - 8.0) * (at / self.seconds).clamp(0.0, 1.0)
    }

    /// Where the bar of a row begins.
    pub fn top(&self, row: usize) -> f64 {
        TOP + row as f64 * (ROW + self.format.above) + self.format.above
    }

    pub fn add(&mut self, element: std::fmt::Arguments<'_>) {
        // Writing into a string does not fail.
        let _ = self.svg.write_fmt(element);
    }

    /// The name of a row whose bar begins at `top`.
    pub fn name(&mut self, name: &str, top: f64) {
        let Format { left, above, .. } = self.format;
        let (x, y) = if above > 0.0 { (left, top - 4.0) } else { (left - 10.0, top + BAR - 4.0) };
        self.add(format_args!(r#"<text class="name" x="{x:.1}" y="{y:.1}">{}</text>"#, escape(name)));
    }

    /// A line of the axis, down to below the rows, with its number.
    pub fn grid(&mut self, at: f64, below: f64, number: Option<usize>) {
        let (x, to) = (self.x(at), self.bottom + below);
        self.add(format_args!(
            r#"<line class="grid" x1="{x:.1}" y1="{:.1}" x2="{x:.1}" y2="{to:.1}"/>"#,
            TOP - 4.0
        ));
        if let Some(number) = number {
            let y = self.height - 4.0;
            self.add(format_args!(r#"<text class="tick" x="{x:.1}" y="{y:.1}">{number}</text>"#));
        }
    }

    /// What the axis counts; in a narrow picture there is no room for it.
    pub fn unit(&mut self, name: &str) {
        if !self.format.is_narrow() {
            self.name(name, self.height - BAR);
        }
    }

    /// A value that lasted.
    pub fn bar(&mut self, (from, to): (f64, f64), top: f64, class: &str, value: &str, title: &str) {
        let (from, to) = (self.x(from), self.x(to));
        let (width, text) = ((to - from).max(1.0), escape(value));
        self.add(format_args!(
            r#"<g><title>{}</title><rect class="{class}" x="{from:.1}" y="{top:.1}" width="{width:.1}" height="{BAR}" rx="3"/>"#,
            escape(title)
        ));
        // What does not fit is in the title.
        if width > 6.2 * value.len() as f64 + 10.0 {
            let (x, y) = (from + 6.0, top + BAR - 4.5);
            self.add(format_args!(r#"<text class="value" x="{x:.1}" y="{y:.1}">{text}</text>"#));
        }
        self.svg.push_str("</g>");
    }

    /// An invocation.
    pub fn dot(&mut self, (from, to): (f64, f64), class: &str, title: &str) {
        let (x, end, y) = (self.x(from), self.x(to), self.bottom + 10.0);
        self.add(format_args!(
            r#"<g><title>{}</title><rect class="{class}" x="{:.1}" y="{y:.1}" width="{:.1}" height="9" rx="4.5"/></g>"#,
            escape(title),
            x - 4.5,
            (end - x) + 9.0
        ));
    }

    /// A line at `x`, from one height to another.
    pub fn line(&mut self, x: f64, (from, to): (f64, f64), class: &str, title: &str) {
        self.add(format_args!(
            r#"<line class="{class}" x1="{x:.1}" y1="{from:.1}" x2="{x:.1}" y2="{to:.1}"><title>{}</title></line>"#,
            escape(title)
        ));
    }

    /// A step of the story, in the order of time; the badges of steps that coincide are side by side.
    pub fn step(&mut self, at: f64, below: f64, title: &str) {
        let (x, to) = (self.x(at), self.bottom + below);
        self.add(format_args!(r#"<line class="step" x1="{x:.1}" y1="22" x2="{x:.1}" y2="{to:.1}"/>"#));
        let badge = x.max(self.right).min(self.format.width - 9.0);
        self.right = badge + 19.0;
        self.steps += 1;
        let number = self.steps;
        self.add(format_args!(
            r#"<g><title>{}</title><circle class="badge" cx="{badge:.1}" cy="13" r="9"/><text class="number" x="{badge:.1}" y="17">{number}</text></g>"#,
            escape(title)
        ));
    }

    pub fn done(mut self) -> String {
        self.svg.push_str("</svg>");
        self.svg
    }
}
