//! Microsoft's tables: CSV with quoted fields that may hold line ends.

use crate::Result;

/// A requirement that can be verified.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Requirement {
    pub(crate) number: u64,
    pub(crate) section: String,
    pub(crate) verification: String,
}

/// The requirements that a test case or an adapter verifies, in the order of the table.
pub(crate) fn read(csv: &str) -> Result<Vec<Requirement>> {
    let mut rows = rows(csv.trim_start_matches('\u{feff}')).into_iter();
    let head = rows.next().ok_or("the table is empty")?;
    let column = |name: &str| {
        let found = head.iter().position(|cell| cell == name);
        found.ok_or_else(|| format!("the table has no column {name}"))
    };
    let (id, section, how) = (
        column("req_id")?,
        column("doc_sect")?,
        column("verification")?,
    );
    let mut found = Vec::new();
    for row in rows {
        let cell = |index: usize| row.get(index).map(String::as_str).unwrap_or_default();
        if !matches!(cell(how), "Test Case" | "Adapter") {
            continue;
        }
        let number = cell(id)
            .rsplit_once("_R")
            .and_then(|(_, number)| number.parse().ok());
        found.push(Requirement {
            number: number.ok_or_else(|| format!("'{}' is no requirement", cell(id)))?,
            section: cell(section).to_owned(),
            verification: cell(how).to_owned(),
        });
    }
    Ok(found)
}

fn rows(csv: &str) -> Vec<Vec<String>> {
    let mut rows = vec![vec![String::new()]];
    let mut quoted = false;
    let mut characters = csv.chars().peekable();
    while let Some(character) = characters.next() {
        let Some(row) = rows.last_mut() else { break };
        match (character, quoted) {
            ('"', true) if characters.next_if_eq(&'"').is_some() => push(row, '"'),
            ('"', _) => quoted = !quoted,
            (',', false) => row.push(String::new()),
            ('\r', false) => {}
            ('\n', false) => rows.push(vec![String::new()]),
            (character, _) => push(row, character),
        }
    }
    rows.retain(|row| row.iter().any(|cell| !cell.is_empty()));
    rows
}

fn push(row: &mut [String], character: char) {
    if let Some(cell) = row.last_mut() {
        cell.push(character);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_cells_hold_commas_quotes_and_line_ends() {
        let csv = "a,b\r\n\"1,\n\"\"2\"\"\",3\r\n";
        assert_eq!(rows(csv), [["a", "b"], ["1,\n\"2\"", "3"]]);
    }
}
