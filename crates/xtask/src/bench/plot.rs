//! A plot with two logarithmic axes, as SVG.

use std::fmt::Write as _;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 420.0;
const MARGIN: f64 = 60.0;
/// Told apart in print and by those who see no red or no green.
const COLOURS: [&str; 4] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7"];

/// One curve: its name, and size and processor seconds of each point.
pub(super) type Curve = (&'static str, Vec<(f64, f64)>);

/// Draws curves of positive numbers, with a line a decade.
pub(super) fn svg(curves: &[Curve]) -> String {
    let points = || curves.iter().flat_map(|(_, points)| points.iter().copied());
    let across = Axis::over(points().map(|(size, _)| size), MARGIN, WIDTH - MARGIN);
    let up = Axis::over(points().map(|(_, cost)| cost), HEIGHT - MARGIN, MARGIN);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    let (left, right, bottom, top) = (MARGIN, WIDTH - MARGIN, HEIGHT - MARGIN, MARGIN);
    for decade in across.decades() {
        let (x, label) = (across.place(decade), decade);
        let _ = writeln!(
            svg,
            "<path d=\"M{x:.1} {top}V{bottom}\" stroke=\"#ddd\"/><text x=\"{x:.1}\" y=\"{:.1}\" \
             text-anchor=\"middle\">{label}</text>",
            bottom + 18.0
        );
    }
    for decade in up.decades() {
        let (y, label) = (up.place(decade), decade);
        let _ = writeln!(
            svg,
            "<path d=\"M{left} {y:.1}H{right}\" stroke=\"#ddd\"/><text x=\"{:.1}\" y=\"{:.1}\" \
             text-anchor=\"end\">{label}</text>",
            left - 6.0,
            y + 4.0
        );
    }
    for (number, (name, points)) in curves.iter().enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        let mut path = String::new();
        for (at, (size, cost)) in points.iter().enumerate() {
            let step = if at == 0 { 'M' } else { 'L' };
            let _ = write!(
                path,
                "{step}{:.1} {:.1}",
                across.place(*size),
                up.place(*cost)
            );
        }
        let y = 12.0 + 14.0 * number as f64;
        let _ = writeln!(
            svg,
            "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\
             <text x=\"{left}\" y=\"{y}\" fill=\"{colour}\">{name}, processor seconds</text>"
        );
    }
    svg.push_str("</svg>\n");
    svg
}

struct Axis {
    /// Exponents of ten.
    from: i32,
    to: i32,
    start: f64,
    end: f64,
}

impl Axis {
    fn over(values: impl Iterator<Item = f64>, start: f64, end: f64) -> Self {
        let logs = values.map(|value| value.max(1e-3).log10());
        let (least, most) = logs.fold((f64::MAX, f64::MIN), |(a, b), v| (a.min(v), b.max(v)));
        let from = least.min(3.0).floor() as i32;
        Axis {
            from,
            to: (most.max(-3.0).ceil() as i32).max(from + 1),
            start,
            end,
        }
    }

    fn decades(&self) -> impl Iterator<Item = f64> + '_ {
        (self.from..=self.to).map(|exponent| 10f64.powi(exponent))
    }

    fn place(&self, value: f64) -> f64 {
        let share =
            (value.max(1e-3).log10() - f64::from(self.from)) / f64::from(self.to - self.from);
        self.start + share * (self.end - self.start)
    }
}

#[cfg(test)]
mod tests {
    use super::svg;

    #[test]
    fn ten_times_as_much_is_as_far_everywhere() {
        let text = svg(&[("x", vec![(1.0, 0.01), (10.0, 0.1), (100.0, 1.0)])]);
        assert!(
            text.contains("M60.0 360.0L360.0 210.0L660.0 60.0"),
            "{text}"
        );
    }
}
