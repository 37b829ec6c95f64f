//! What `compare` found, as a plot: on the left one thread's overhead, on the right the speed-up of several, a pair of bars for
//! each program.

use std::fmt::Write;

use crate::compare::{BUILDS, Row, mean};

const COLOURS: [&str; 2] = ["#1f6feb", "#d29922"];
const NAMES: f64 = 170.0;
const PANEL: f64 = 330.0;
const GAP: f64 = 40.0;
const ROW: f64 = 22.0;
const TOP: f64 = 86.0;

/// A horizontal axis, and where on the page it is.
struct Axis {
    left: f64,
    low: f64,
    high: f64,
    step: f64,
}

impl Axis {
    /// One that reaches from `low` to `high` at least, with about six marks at round numbers.
    fn new(left: f64, low: f64, high: f64) -> Axis {
        let rough = ((high - low) / 6.0).max(1e-6);
        let ten = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .map(|n| n * ten)
            .into_iter()
            .find(|step| *step >= rough)
            .unwrap_or(10.0 * ten);
        Axis {
            left,
            low: (low / step).floor() * step,
            high: (high / step).ceil() * step,
            step,
        }
    }

    fn x(&self, value: f64) -> f64 {
        self.left + (value - self.low) / (self.high - self.low) * PANEL
    }

    /// Lines at round numbers, their labels below and the title below these.
    fn draw(&self, bottom: f64, title: &str, unit: &str, out: &mut String) {
        let marks = ((self.high - self.low) / self.step).round() as i32;
        let digits = usize::from(self.step < 1.0);
        for i in 0..=marks {
            let value = self.low + f64::from(i) * self.step;
            let x = self.x(value);
            let _ = writeln!(
                out,
                "<path d='M{x:.1} {TOP}V{bottom}' stroke='#ddd'/><text x='{x:.1}' y='{:.1}' text-anchor='middle'>{value:.digits$}{unit}</text>",
                bottom + 16.0
            );
        }
        text(out, self.left + PANEL / 2.0, bottom + 36.0, "middle", title);
    }

    /// A bar from `from` to `to`, with the number at its end.
    fn bar(&self, from: f64, to: f64, y: f64, height: f64, colour: &str, out: &mut String) {
        let (a, b) = (self.x(from), self.x(to));
        let _ = writeln!(
            out,
            "<rect x='{:.1}' y='{y:.1}' width='{:.1}' height='{height:.1}' fill='{colour}'/>",
            a.min(b),
            (a - b).abs().max(0.5)
        );
    }
}

fn text(out: &mut String, x: f64, y: f64, anchor: &str, words: &str) {
    let words = words
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    let _ = writeln!(
        out,
        "<text x='{x:.1}' y='{y:.1}' text-anchor='{anchor}'>{words}</text>"
    );
}

/// The whole picture.
pub fn svg(rows: &[Row], threads: usize) -> String {
    let percent = |row: &Row| (row.overhead - 1.0) * 100.0;
    let bounds = |of: &mut dyn Iterator<Item = f64>, low: f64, high: f64| {
        of.fold((low, high), |(low, high), x| (low.min(x), high.max(x)))
    };
    let (low, high) = bounds(&mut rows.iter().map(percent), -2.0, 2.0);
    let cost = Axis::new(NAMES, low, high);
    let (low, high) = bounds(
        &mut rows.iter().filter_map(|row| row.speedup).flatten(),
        0.0,
        threads as f64,
    );
    let gain = Axis::new(NAMES + PANEL + GAP, low, high);
    let bottom = TOP + ROW * (rows.len() + 1) as f64 + 6.0;
    let (width, height) = (NAMES + 2.0 * PANEL + GAP + 30.0, bottom + 52.0);
    let mut out = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' width='{width}' height='{height}' font-family='sans-serif' font-size='12'>\n<rect width='100%' height='100%' fill='white'/>\n"
    );
    heading(rows, threads, &mut out);
    cost.draw(
        bottom,
        "one thread's overhead over the gil build",
        "%",
        &mut out,
    );
    let title = format!("work of {threads} threads in the time of one thread's");
    gain.draw(bottom, &title, "", &mut out);
    for (i, row) in rows.iter().enumerate() {
        let y = TOP + 6.0 + ROW * i as f64;
        one(
            &row.name,
            percent(row),
            row.speedup,
            y,
            &cost,
            &gain,
            &mut out,
        );
    }
    let means = [0, 1].map(|i| mean(rows.iter().filter_map(|row| Some(row.speedup?[i]))));
    if let (Some(overhead), [a, b]) = (mean(rows.iter().map(|row| row.overhead)), means) {
        let y = TOP + 6.0 + ROW * rows.len() as f64;
        let both = a.zip(b).map(|(a, b)| [a, b]);
        let percent = (overhead - 1.0) * 100.0;
        one("geometric mean", percent, both, y, &cost, &gain, &mut out);
    }
    // Where nothing is gained or lost, and where all is gained that there is.
    for (axis, value, dash) in [
        (&cost, 0.0, "none"),
        (&gain, 1.0, "4 3"),
        (&gain, threads as f64, "4 3"),
    ] {
        let x = axis.x(value);
        let _ = writeln!(
            out,
            "<path d='M{x:.1} {TOP}V{bottom}' stroke='#333' stroke-dasharray='{dash}'/>"
        );
    }
    out.push_str("</svg>\n");
    out
}

fn heading(rows: &[Row], threads: usize, out: &mut String) {
    let title = format!(
        "The default build and the gil build: {} programs, 1 and {threads} threads",
        rows.len()
    );
    let _ = writeln!(out, "<text x='16' y='28' font-size='16'>{title}</text>");
    for (i, (build, colour)) in BUILDS.iter().zip(COLOURS).enumerate() {
        let x = NAMES + PANEL + GAP + 90.0 * i as f64;
        let _ = writeln!(
            out,
            "<rect x='{x}' y='48' width='14' height='14' fill='{colour}'/><text x='{}' y='60'>{build}</text>",
            x + 20.0
        );
    }
}

/// A program's line: its name and its bars.
fn one(
    name: &str,
    percent: f64,
    speedup: Option<[f64; 2]>,
    y: f64,
    cost: &Axis,
    gain: &Axis,
    out: &mut String,
) {
    text(out, NAMES - 8.0, y + 13.0, "end", name);
    cost.bar(0.0, percent, y + 4.0, 10.0, COLOURS[0], out);
    for (i, value) in speedup.into_iter().flatten().enumerate() {
        gain.bar(0.0, value, y + 1.0 + 9.0 * i as f64, 8.0, COLOURS[i], out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_at_round_numbers() {
        let axis = Axis::new(0.0, -3.0, 21.0);
        assert_eq!((axis.low, axis.high, axis.step), (-5.0, 25.0, 5.0));
        assert_eq!(axis.x(-5.0), 0.0);
        assert_eq!(axis.x(25.0), PANEL);
    }
}
