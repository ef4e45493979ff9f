//! Variables in a scenario's texts: `{name}`, in lower-case letters, digits, points, `-` and `_`.

use std::collections::BTreeMap;

/// What steps know by name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Variables(BTreeMap<String, String>);

/// The variables that a text uses.
pub(super) fn used(text: &str) -> impl Iterator<Item = &str> {
    pieces(text).filter_map(|piece| match piece {
        Piece::Variable(name) => Some(name),
        Piece::Text(_) => None,
    })
}

/// All texts in a table, but keys.
pub(super) fn texts(table: &toml::Table) -> Vec<&str> {
    let mut open = table.values().collect::<Vec<_>>();
    let mut texts = Vec::new();
    while let Some(value) = open.pop() {
        match value {
            toml::Value::String(text) => texts.push(text.as_str()),
            toml::Value::Array(items) => open.extend(items),
            toml::Value::Table(table) => open.extend(table.values()),
            _ => {}
        }
    }
    texts
}

enum Piece<'a> {
    Text(&'a str),
    Variable(&'a str),
}

fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let is_name = |name: &&str| {
            let letter =
                |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '_');
            !name.is_empty() && name.chars().all(letter)
        };
        let variable = |text: &'_ str| -> Option<usize> {
            let end = text.find('}')?;
            Some(&text[1..end]).filter(is_name).map(|_| end)
        };
        if rest.starts_with('{')
            && let Some(end) = variable(rest)
        {
            let (name, behind) = (&rest[1..end], &rest[end + 1..]);
            rest = behind;
            return Some(Piece::Variable(name));
        }
        let next = rest.char_indices().skip(1).find(|(_, c)| *c == '{').map_or(rest.len(), |(at, _)| at);
        let (before, behind) = rest.split_at(next);
        rest = behind;
        Some(Piece::Text(before))
    })
}

impl Variables {
    pub(crate) fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.insert(name.into(), value.into());
    }

    /// A text with the values of its variables; what is not known stays as it is.
    pub(crate) fn fill(&self, text: &str) -> String {
        let filled = pieces(text).map(|piece| match piece {
            Piece::Text(text) => text.to_owned(),
            Piece::Variable(name) => self.0.get(name).cloned().unwrap_or_else(|| format!("{{{name}}}")),
        });
        filled.collect()
    }

    /// A table in which the texts have the values of their variables.
    pub(crate) fn fill_table(&self, table: &toml::Table) -> toml::Table {
        table.iter().map(|(key, value)| (key.clone(), self.fill_value(value))).collect()
    }

    fn fill_value(&self, value: &toml::Value) -> toml::Value {
        match value {
            toml::Value::String(text) => self.fill(text).into(),
            toml::Value::Array(items) => {
                items.iter().map(|item| self.fill_value(item)).collect::<Vec<_>>().into()
            }
            toml::Value::Table(table) => self.fill_table(table).into(),
            other => other.clone(),
        }
    }
}
