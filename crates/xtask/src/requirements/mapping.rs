//! The lists beside the tests, which say what becomes of each requirement.

use crate::Result;

/// Requirements of which the same is true.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) standing: Standing,
    pub(crate) numbers: Vec<u64>,
}

/// What becomes of a requirement.
#[derive(Debug)]
pub(crate) enum Standing {
    /// Tests, as CRATE/MODULE::TEST.
    Covered(Vec<String>),
    /// Why it does not apply.
    Foreign(String),
}

impl Group {
    pub(crate) fn tests(&self) -> impl Iterator<Item = &str> {
        let tests = match &self.standing {
            Standing::Covered(tests) => tests.as_slice(),
            Standing::Foreign(_) => &[],
        };
        tests.iter().map(String::as_str)
    }
}

impl Standing {
    /// The cell of the page.
    pub(crate) fn told(&self) -> String {
        match self {
            Standing::Covered(tests) => {
                let quoted: Vec<String> = tests.iter().map(|test| format!("`{test}`")).collect();
                quoted.join(", ")
            }
            Standing::Foreign(reason) => format!("does not apply: {reason}"),
        }
    }
}

pub(crate) fn read(list: &str) -> Result<Vec<Group>> {
    let mut groups: Vec<Group> = Vec::new();
    for (number, line) in (1..).zip(list.lines()) {
        let wrong = |what: &str| format!("line {number}: {what}");
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        if line.starts_with(' ') {
            let group = groups
                .last_mut()
                .ok_or_else(|| wrong("numbers without a group"))?;
            for word in line.split_whitespace() {
                let parsed = word.parse().map_err(|_| wrong("not a number"))?;
                if group.numbers.contains(&parsed) {
                    return Err(wrong("a number twice"));
                }
                group.numbers.push(parsed);
            }
            continue;
        }
        let standing = if let Some(tests) = line.strip_prefix("covered by ") {
            Standing::Covered(
                tests
                    .split(',')
                    .map(|test| test.trim().to_owned())
                    .collect(),
            )
        } else if let Some(reason) = line.strip_prefix("does not apply: ") {
            Standing::Foreign(reason.trim().to_owned())
        } else {
            return Err(wrong("neither 'covered by' nor 'does not apply:'"));
        };
        groups.push(Group {
            standing,
            numbers: Vec::new(),
        });
    }
    Ok(groups)
}
