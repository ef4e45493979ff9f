//! A scenario's charter: the draft of a template with what the scenario says in place of it, as TOML.

use toml::{Table, Value};

/// The text of `draft` with `changes`: tables are merged, lists of named tables are merged by name, and everything else is
/// replaced. Where the changes are the `whole` charter, each of their top-level keys stands in place of the draft's.
pub(crate) fn changed(draft: &str, changes: &Table, whole: bool) -> Result<String, String> {
    let mut charter: Table = draft.parse().map_err(|error: toml::de::Error| error.to_string())?;
    if whole {
        charter.extend(changes.clone());
    } else {
        merge(&mut charter, changes);
    }
    toml::to_string(&charter).map_err(|error| error.to_string())
}

fn name(value: &Value) -> Option<&str> {
    value.as_table()?.get("name")?.as_str()
}

fn merge(table: &mut Table, changes: &Table) {
    for (key, change) in changes {
        match (table.get_mut(key), change) {
            (Some(Value::Table(table)), Value::Table(changes)) => merge(table, changes),
            (Some(Value::Array(items)), Value::Array(changes))
                if !changes.is_empty() && changes.iter().all(|change| name(change).is_some()) =>
            {
                for change in changes {
                    match items.iter_mut().find(|item| name(item) == name(change)) {
                        Some(Value::Table(item)) => merge(item, change.as_table().expect("it has a name")),
                        _ => items.push(change.clone()),
                    }
                }
            }
            _ => {
                table.insert(key.clone(), change.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_tables_are_merged_by_name_and_the_rest_is_replaced() {
        let draft =
            "step = 1\n[[op]]\nname = \"a\"\nlist = [1, 2]\n[op.rule]\nx = 1\ny = 2\n[[op]]\nname = \"b\"\n";
        let changes = "step = 2\n[[op]]\nname = \"a\"\nlist = [3]\n[op.rule]\ny = 3\n[[op]]\nname = \"c\"\n";
        let changes: Table = changes.parse().expect("TOML");
        let merged: Table = changed(draft, &changes, false).expect("merges").parse().expect("TOML");
        let wanted = "step = 2\n[[op]]\nname = \"a\"\nlist = [3]\n[op.rule]\nx = 1\ny = 3\n[[op]]\nname = \"b\"\n[[op]]\nname = \"c\"\n";
        assert_eq!(merged, wanted.parse::<Table>().expect("TOML"));
        let whole: Table = changed(draft, &changes, true).expect("merges").parse().expect("TOML");
        assert_eq!(whole, changes);
    }
}
