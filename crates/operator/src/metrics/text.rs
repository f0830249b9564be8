//! Prometheus's text form.

use std::fmt::Write as _;

/// A page being written.
#[derive(Default)]
pub(super) struct Page {
    text: String,
    family: String,
}

impl Page {
    /// Begins the samples of one name.
    pub(super) fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.family = format!("postkeep_{name}");
        let family = &self.family;
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "# HELP {family} {help}\n# TYPE {family} {kind}");
    }

    /// Adds a sample.
    pub(super) fn sample(&mut self, labels: &[(&str, &str)], value: f64) {
        self.text.push_str(&self.family);
        for (n, (name, label)) in labels.iter().enumerate() {
            self.text.push(if n == 0 { '{' } else { ',' });
            let _ = write!(self.text, "{name}=\"{}\"", escaped(label));
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }

    pub(super) fn finish(self) -> String {
        self.text
    }
}

fn escaped(label: &str) -> String {
    let label = label.replace('\\', "\\\\").replace('"', "\\\"");
    label.replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped_and_times_keep_their_milliseconds() {
        let mut page = Page::default();
        page.family("x", "gauge", "Help.");
        page.sample(&[], 1.0);
        page.sample(&[("a", "q\"\\\n"), ("b", "c")], 1_790_000_000.123);
        let expected = "# HELP postkeep_x Help.\n# TYPE postkeep_x gauge\npostkeep_x 1\n\
                        postkeep_x{a=\"q\\\"\\\\\\n\",b=\"c\"} 1790000000.123\n";
        assert_eq!(page.finish(), expected);
    }
}
