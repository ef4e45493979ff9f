//! Paths into JSON: `key.key`, `*` for all of a list or table, `[key=value]` for those of a list that have it.

use serde_json::Value;

/// The parts of a path, which points in brackets do not end.
fn parts(path: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0_usize, 0);
    for (at, c) in path.char_indices() {
        match c {
            '[' => {
                if depth == 0 && at > start {
                    parts.push(&path[start..at]);
                    start = at;
                }
                depth += 1;
            }
            ']' => depth = depth.saturating_sub(1),
            '.' if depth == 0 => {
                parts.push(&path[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&path[start..]);
    parts.retain(|part| !part.is_empty());
    parts
}

/// What a path finds, in order.
pub(super) fn find<'a>(value: &'a Value, path: &str) -> Vec<&'a Value> {
    let mut found = vec![value];
    for part in parts(path) {
        found = found.into_iter().flat_map(|value| step(value, part)).collect();
    }
    found
}

fn step<'a>(value: &'a Value, part: &str) -> Vec<&'a Value> {
    if let Some(condition) = part.strip_prefix('[').and_then(|part| part.strip_suffix(']')) {
        let Some((path, wanted)) = condition.split_once('=') else { return Vec::new() };
        let holds = |item: &&Value| find(item, path).iter().any(|found| shown(found) == wanted);
        return value.as_array().map(|items| items.iter().filter(holds).collect()).unwrap_or_default();
    }
    match (part, value) {
        ("*", Value::Array(items)) => items.iter().collect(),
        ("*", Value::Object(fields)) => fields.values().collect(),
        (index, Value::Array(items)) => {
            index.parse().ok().and_then(|index: usize| items.get(index)).into_iter().collect()
        }
        (key, Value::Object(fields)) => fields.get(key).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// A value as a scenario writes it: texts bare, others as JSON.
pub(super) fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Whether a value is what a scenario's TOML says.
pub(super) fn is(value: &Value, wanted: &toml::Value) -> bool {
    serde_json::to_value(wanted).is_ok_and(|wanted| wanted == *value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_find_what_they_say() {
        let value = json!([
            {"id": "a", "state": "agreed", "says": [{"by": "x", "n": 1}, {"by": "y", "n": 2}]},
            {"id": "b", "state": "open", "says": []},
        ]);
        let found = |path: &str| find(&value, path).into_iter().map(shown).collect::<Vec<_>>();
        assert_eq!(found("*.id"), ["a", "b"]);
        assert_eq!(found("1.state"), ["open"]);
        assert_eq!(found("[state=agreed].id"), ["a"]);
        assert_eq!(found("[id=a].says[by=y].n"), ["2"]);
        assert_eq!(found("[id=a].says.*.n"), ["1", "2"]);
        assert_eq!(found("[id=c].says.*.n"), [""; 0]);
        assert_eq!(found("*.none"), [""; 0]);
        assert_eq!(find(&value, "").len(), 1);
    }
}
