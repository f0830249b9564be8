//! Charts as inline SVG, without script: growth, duration, deduplication, failures.

use std::fmt::Write;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::history::Point;
use super::text::{bytes, count, duration};
use crate::plan::Outcome;

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 190.0;
/// Room for the labels of the axes.
const LEFT: f64 = 64.0;
const RIGHT: f64 = 10.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 24.0;
/// Lines across, besides the zero line.
const STEPS: u64 = 4;

/// The four charts of a history, each in a figure of its own.
pub(super) fn charts(points: &[Point], zone: &TimeZone) -> String {
    if points.len() < 2 {
        return "<p class=\"quiet\">Charts appear after the second run.</p>".to_owned();
    }
    let frame = |title: &str, note: &str, body: String| {
        format!(
            "<figure><figcaption>{title}<span>{note}</span></figcaption>\
             <svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title}\">{body}</svg>\
             </figure>"
        )
    };
    let draw = Draw { points, zone };
    let last = points.last().copied().unwrap_or_default();
    let failed = points.iter().filter(|point| point.failures > 0).count();
    let legend = "<i class=\"stored\"></i>stored <i class=\"spared\"></i>was there already";
    [
        frame(
            "Size of the repository",
            &last
                .size_bytes
                .map_or_else(String::new, |size| format!("now {}", bytes(size))),
            draw.growth(),
        ),
        frame(
            "Duration",
            &format!("last {}", duration(last.elapsed_ms)),
            draw.durations(),
        ),
        frame("Deduplication", legend, draw.deduplication()),
        frame(
            "Failures",
            &format!("in {failed} of {} runs", points.len()),
            draw.failures(),
        ),
    ]
    .concat()
}

struct Draw<'a> {
    points: &'a [Point],
    zone: &'a TimeZone,
}

impl Draw<'_> {
    fn growth(&self) -> String {
        let top = nice(self.max(|point| point.size_bytes.unwrap_or(0)), 1000);
        let mut svg = self.axes(top, bytes);
        let first = self.points.first().map_or(0, |point| point.time_unix_ms);
        let last = self.points.last().map_or(1, |point| point.time_unix_ms);
        let span = (last - first).max(1) as f64;
        // A run that could not open the repository says nothing of its size.
        let places = self.points.iter().filter_map(|point| {
            let x = LEFT + (point.time_unix_ms - first) as f64 / span * (WIDTH - LEFT - RIGHT);
            Some((x, y(point.size_bytes?, top)))
        });
        let places: Vec<_> = places.collect();
        let line: Vec<String> = places
            .iter()
            .map(|(x, y)| format!("{x:.1},{y:.1}"))
            .collect();
        let line = line.join(" ");
        let (start_x, _) = places.first().copied().unwrap_or((LEFT, 0.0));
        let (end_x, end_y) = places.last().copied().unwrap_or((LEFT, y(0, top)));
        let base = y(0, top);
        let _ = write!(
            svg,
            "<polygon class=\"area\" points=\"{start_x:.1},{base:.1} {line} {end_x:.1},{base:.1}\"/>\
             <polyline class=\"line\" points=\"{line}\"/>\
             <circle class=\"dot\" cx=\"{end_x:.1}\" cy=\"{end_y:.1}\" r=\"3.5\"/>"
        );
        svg
    }

    fn durations(&self) -> String {
        let top = nice(self.max(|point| point.elapsed_ms), 0);
        let mut svg = self.axes(top, duration);
        self.bars(&mut svg, top, |point| {
            let class = match point.outcome {
                Some(Outcome::Success) | None => "stored",
                Some(Outcome::Warning) => "warning",
                Some(Outcome::Stopped) => "stopped",
                Some(Outcome::Failure) => "failure",
            };
            let title = duration(point.elapsed_ms);
            vec![(point.elapsed_ms, class, title)]
        });
        svg
    }

    fn deduplication(&self) -> String {
        let top = nice(
            self.max(|point| point.stored_bytes + point.deduplicated_bytes),
            1000,
        );
        let mut svg = self.axes(top, bytes);
        self.bars(&mut svg, top, |point| {
            vec![
                (
                    point.stored_bytes,
                    "stored",
                    format!("{} stored", bytes(point.stored_bytes)),
                ),
                (
                    point.deduplicated_bytes,
                    "spared",
                    format!("{} were there already", bytes(point.deduplicated_bytes)),
                ),
            ]
        });
        svg
    }

    fn failures(&self) -> String {
        let top = nice(self.max(|point| point.failures).max(STEPS), 1000);
        let mut svg = self.axes(top, count);
        self.bars(&mut svg, top, |point| {
            let title = format!("{} not read", count(point.failures));
            vec![(point.failures, "failure", title)]
        });
        svg
    }

    fn max(&self, of: impl Fn(&Point) -> u64) -> u64 {
        self.points.iter().map(of).max().unwrap_or(0)
    }

    /// The lines across with their values, and the days of the first and the last run.
    fn axes(&self, top: u64, label: fn(u64) -> String) -> String {
        let mut svg = String::new();
        for step in 0..=STEPS {
            let value = top / STEPS * step;
            let at = y(value, top);
            let class = if step == 0 { "zero" } else { "grid" };
            let text = match value {
                0 => "0".to_owned(),
                value => label(value),
            };
            let _ = write!(
                svg,
                "<line class=\"{class}\" x1=\"{LEFT}\" y1=\"{at:.1}\" x2=\"{}\" y2=\"{at:.1}\"/>\
                 <text class=\"value\" x=\"{}\" y=\"{:.1}\">{text}</text>",
                WIDTH - RIGHT,
                LEFT - 8.0,
                at + 4.0
            );
        }
        let ends = [self.points.first(), self.points.last()];
        for (point, (x, anchor)) in ends
            .into_iter()
            .zip([(LEFT, "start"), (WIDTH - RIGHT, "end")])
        {
            let day = point.map_or(String::new(), |point| self.day(point));
            let _ = write!(
                svg,
                "<text class=\"day\" x=\"{x}\" y=\"{}\" text-anchor=\"{anchor}\">{day}</text>",
                HEIGHT - 6.0
            );
        }
        svg
    }

    /// A bar for each run, its parts one above the other.
    fn bars<'a>(
        &self,
        svg: &mut String,
        top: u64,
        parts: impl Fn(&Point) -> Vec<(u64, &'a str, String)>,
    ) {
        let step = (WIDTH - LEFT - RIGHT) / self.points.len() as f64;
        let width = (step * 0.72).clamp(1.0, 26.0);
        for (n, point) in self.points.iter().enumerate() {
            let x = LEFT + step * (n as f64 + 0.5) - width / 2.0;
            let mut below = 0;
            for (value, class, title) in parts(point) {
                if value == 0 {
                    continue;
                }
                let (from, to) = (y(below, top), y(below + value, top));
                below += value;
                // Whatever there is can be seen.
                let height = (from - to).max(1.0);
                let _ = write!(
                    svg,
                    "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{:.1}\" width=\"{width:.1}\" \
                     height=\"{height:.1}\" rx=\"1.5\"><title>{}: {title}</title></rect>",
                    from - height,
                    self.day(point)
                );
            }
        }
    }

    /// The day of a run; its time where all runs are of one day.
    fn day(&self, point: &Point) -> String {
        let zoned = |point: &Point| {
            let time = Timestamp::from_millisecond(point.time_unix_ms).ok()?;
            Some(time.to_zoned(self.zone.clone()))
        };
        let ends = [self.points.first(), self.points.last()];
        let [first, last] = ends.map(|point| point.and_then(zoned).map(|time| time.date()));
        let format = if first == last { "%H:%M" } else { "%-d %b %Y" };
        zoned(point).map_or(String::new(), |time| time.strftime(format).to_string())
    }
}

fn y(value: u64, top: u64) -> f64 {
    let share = value as f64 / top.max(1) as f64;
    TOP + (1.0 - share.min(1.0)) * (HEIGHT - TOP - BOTTOM)
}

/// A round number at or above the largest value, so that the lines across have round values too.
/// Base 0 is for milliseconds, which are round at seconds, minutes and hours.
fn nice(max: u64, base: u64) -> u64 {
    if base == 0 {
        const STEPS_MS: [u64; 22] = [
            100,
            200,
            500,
            1_000,
            2_000,
            5_000,
            10_000,
            15_000,
            30_000,
            60_000,
            120_000,
            300_000,
            600_000,
            900_000,
            1_800_000,
            3_600_000,
            7_200_000,
            10_800_000,
            21_600_000,
            43_200_000,
            86_400_000,
            172_800_000,
        ];
        let step = STEPS_MS.iter().find(|step| *step * STEPS >= max);
        return step.map_or(max.max(STEPS), |step| step * STEPS);
    }
    let mut unit = 1_u64;
    loop {
        for factor in [1, 2, 3, 5] {
            let top = unit.saturating_mul(factor * STEPS);
            if top >= max {
                return top;
            }
        }
        match unit.checked_mul(10) {
            Some(more) => unit = more,
            None => return max,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_numbers_above_the_largest_value() {
        assert_eq!(nice(0, 1000), 4);
        assert_eq!(nice(4, 1000), 4);
        assert_eq!(nice(7_200_000, 1000), 8_000_000);
        assert_eq!(nice(9_000_001, 1000), 12_000_000);
        assert_eq!(nice(50_000, 0), 60_000);
        assert_eq!(nice(u64::MAX, 1000), u64::MAX);
    }
}
