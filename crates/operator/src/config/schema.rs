//! The table of settings as a JSON schema for editors, and as text for people.

use serde_json::{Map, Value, json};

use super::spec::{Field, Kind, Need, ROOT, Section};

/// The JSON schema (draft 2020-12) of `postkeep.toml`.
pub fn json_schema() -> Value {
    let mut schema = section(&ROOT);
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema["title"] = "postkeep.toml".into();
    schema
}

fn section(section: &Section) -> Value {
    let mut properties = Map::new();
    for field in section.fields {
        properties.insert(field.name.to_owned(), property(field));
    }
    let required: Vec<_> = section
        .fields
        .iter()
        .filter(|field| matches!(field.need, Need::Required))
        .map(|field| field.name)
        .collect();
    json!({
        "type": "object",
        "description": section.about,
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn property(field: &Field) -> Value {
    let mut value = kind(&field.kind);
    value["description"] = field.help.into();
    if let Need::Default(default) = field.need
        && let Ok(default) = format!("value = {default}").parse::<toml::Table>()
        && let Some(default) = default.get("value")
        && let Ok(default) = serde_json::to_value(default)
    {
        value["default"] = default;
    }
    value
}

fn kind(of: &Kind) -> Value {
    match of {
        Kind::Text => json!({"type": "string", "minLength": 1}),
        Kind::Flag => json!({"type": "boolean"}),
        Kind::Number(min, max) => json!({"type": "integer", "minimum": min, "maximum": max}),
        Kind::OneOf(words) => json!({"enum": words}),
        Kind::Form(form) => json!({"type": "string", "examples": [form.example]}),
        Kind::List(one) => json!({"oneOf": [kind(one), {"type": "array", "items": kind(one)}]}),
        Kind::Command => {
            json!({"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1}})
        }
        Kind::Section(of) => section(of),
        Kind::Named(of) => json!({
            "type": "object",
            "minProperties": 1,
            "propertyNames": {"pattern": "^[A-Za-z0-9_-]{1,64}$"},
            "additionalProperties": section(of),
        }),
        Kind::Many(of) => json!({"type": "array", "items": section(of)}),
    }
}

/// All settings as Markdown, one table for each table of the file.
pub fn settings_as_markdown() -> String {
    let mut text = String::new();
    describe(&mut text, "", &ROOT);
    text
}

fn describe(text: &mut String, path: &str, section: &Section) {
    let heading = match path {
        "" => "The top of the file".to_owned(),
        path => format!("`{path}`"),
    };
    text.push_str(&format!("### {heading}\n\n{}\n\n", section.about));
    text.push_str("| setting | value | without it | meaning |\n| --- | --- | --- | --- |\n");
    let mut below = Vec::new();
    for field in section.fields {
        if let Some((inner, name)) = inner(path, field) {
            below.push((name, inner));
            continue;
        }
        let without = match field.need {
            Need::Required => "must be there".to_owned(),
            Need::Optional => String::new(),
            Need::Default(default) => format!("`{default}`"),
        };
        text.push_str(&format!(
            "| `{}` | {} | {without} | {} |\n",
            field.name,
            value(&field.kind),
            field.help
        ));
    }
    text.push('\n');
    for (name, section) in below {
        describe(text, &name, section);
    }
}

/// The table that a setting opens, with its heading.
fn inner(path: &str, field: &Field) -> Option<(&'static Section, String)> {
    let bare = path.trim_matches(['[', ']']);
    let joined = match bare {
        "" => field.name.to_owned(),
        bare => format!("{bare}.{}", field.name),
    };
    match field.kind {
        Kind::Section(section) => Some((section, format!("[{joined}]"))),
        Kind::Named(section) => Some((section, format!("[{joined}.NAME]"))),
        Kind::Many(section) => Some((section, format!("[[{joined}]]"))),
        _ => None,
    }
}

fn value(kind: &Kind) -> String {
    match kind {
        Kind::Text => "text".to_owned(),
        Kind::Flag => "`true` or `false`".to_owned(),
        Kind::Number(min, max) => format!("{min} to {max}"),
        Kind::OneOf(words) => words
            .iter()
            .map(|word| format!("`\"{word}\"`"))
            .collect::<Vec<_>>()
            .join(", "),
        Kind::Form(form) => format!("{}: `\"{}\"`", form.what, form.example),
        Kind::List(one) => format!("one or several: {}", value(one)),
        Kind::Command => "`[\"program\", \"argument\"]`".to_owned(),
        Kind::Section(_) | Kind::Named(_) | Kind::Many(_) => "table".to_owned(),
    }
}
