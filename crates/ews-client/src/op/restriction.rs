//! Search restrictions (MS-OXWSSRCH 2.2.3).

use crate::element;
use crate::model::PropertyPath;
use crate::model::property::named;
use crate::xml::Writer;

named! {
    /// Where in the property the text must stand (`ContainmentModeType`, MS-OXWSSRCH 2.2.5.2).
    ContainmentMode {
        FullString, Prefixed, Substring, PrefixOnWords, ExactPhrase,
    }
}

named! {
    /// How texts compare (`ContainmentComparisonType`, MS-OXWSSRCH 2.2.5.1).
    ContainmentComparison {
        Exact, IgnoreCase, IgnoreNonSpacingCharacters, Loose, IgnoreCaseAndNonSpacingCharacters,
    }
}

/// Which rows a search returns (`RestrictionType`, MS-OXWSSRCH 2.2.4.30). Constants are in
/// XML's lexical form.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Restriction {
    /// All of them hold; at least one, and one alone is written without the wrapper.
    And(Vec<Restriction>),
    /// One of them holds; the same.
    Or(Vec<Restriction>),
    /// It does not hold.
    Not(Box<Restriction>),
    /// The property is there.
    Exists(PropertyPath),
    /// The property equals the constant.
    IsEqualTo(PropertyPath, String),
    /// The property differs from the constant.
    IsNotEqualTo(PropertyPath, String),
    /// The property is greater.
    IsGreaterThan(PropertyPath, String),
    /// The property is greater or equal.
    IsGreaterThanOrEqualTo(PropertyPath, String),
    /// The property is less.
    IsLessThan(PropertyPath, String),
    /// The property is less or equal.
    IsLessThanOrEqualTo(PropertyPath, String),
    /// The property contains the text.
    Contains {
        /// The property.
        path: PropertyPath,
        /// The text.
        value: String,
        /// Where.
        mode: ContainmentMode,
        /// Compared how.
        comparison: ContainmentComparison,
    },
}

impl Restriction {
    /// Writes the `Restriction` element, or nothing where no condition remains.
    pub(crate) fn write(&self, writer: &mut Writer) {
        if self.is_empty() {
            return;
        }
        writer.open("m:Restriction");
        self.expression(writer);
        writer.close();
    }

    /// Whether it is a conjunction or disjunction of nothing.
    fn is_empty(&self) -> bool {
        match self {
            Restriction::And(list) | Restriction::Or(list) => {
                list.iter().all(Restriction::is_empty)
            }
            Restriction::Not(inner) => inner.is_empty(),
            _ => false,
        }
    }

    fn expression(&self, writer: &mut Writer) {
        match self {
            Restriction::And(list) => many(writer, "t:And", list),
            Restriction::Or(list) => many(writer, "t:Or", list),
            Restriction::Not(inner) => {
                writer.open("t:Not");
                inner.expression(writer);
                writer.close();
            }
            Restriction::Exists(path) => {
                writer.open("t:Exists");
                element::property_path(writer, path);
                writer.close();
            }
            Restriction::IsEqualTo(path, value) => compare(writer, "t:IsEqualTo", path, value),
            Restriction::IsNotEqualTo(path, value) => {
                compare(writer, "t:IsNotEqualTo", path, value)
            }
            Restriction::IsGreaterThan(path, value) => {
                compare(writer, "t:IsGreaterThan", path, value)
            }
            Restriction::IsGreaterThanOrEqualTo(path, value) => {
                compare(writer, "t:IsGreaterThanOrEqualTo", path, value);
            }
            Restriction::IsLessThan(path, value) => compare(writer, "t:IsLessThan", path, value),
            Restriction::IsLessThanOrEqualTo(path, value) => {
                compare(writer, "t:IsLessThanOrEqualTo", path, value);
            }
            Restriction::Contains {
                path,
                value,
                mode,
                comparison,
            } => {
                writer
                    .open("t:Contains")
                    .attribute("ContainmentMode", mode.as_str())
                    .attribute("ContainmentComparison", comparison.as_str());
                element::property_path(writer, path);
                writer
                    .open("t:Constant")
                    .attribute("Value", value)
                    .close()
                    .close();
            }
        }
    }
}

fn many(writer: &mut Writer, name: &'static str, list: &[Restriction]) {
    let parts: Vec<&Restriction> = list.iter().filter(|part| !part.is_empty()).collect();
    match parts.as_slice() {
        [only] => only.expression(writer),
        parts => {
            writer.open(name);
            for part in parts {
                part.expression(writer);
            }
            writer.close();
        }
    }
}

fn compare(writer: &mut Writer, name: &'static str, path: &PropertyPath, value: &str) {
    writer.open(name);
    element::property_path(writer, path);
    writer
        .open("t:FieldURIOrConstant")
        .open("t:Constant")
        .attribute("Value", value);
    writer.close().close().close();
}
