//! YAML documents of what JSON can say (YAML 1.2, of which JSON is a part): blocks
//! for maps and lists, everything else as JSON has it.

use serde_json::Value;

/// The document of a map.
pub(super) fn document(value: &Value) -> String {
    let mut text = String::new();
    block(value, 0, &mut text);
    text
}

fn block(value: &Value, depth: usize, out: &mut String) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                out.push_str(&format!("{indent}{}:", Value::from(key.as_str())));
                below(value, depth + 1, out);
            }
        }
        Value::Array(items) => {
            for item in items {
                out.push_str(&format!("{indent}-"));
                below(item, depth + 1, out);
            }
        }
        plain => out.push_str(&format!("{indent}{plain}\n")),
    }
}

/// What stands behind a key or the mark of an item: in the same line if it is short.
fn below(value: &Value, depth: usize, out: &mut String) {
    let is_block = match value {
        Value::Object(map) => !map.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    };
    if is_block {
        out.push('\n');
        block(value, depth, out);
    } else {
        out.push_str(&format!(" {value}\n"));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn blocks_and_what_is_short() {
        let value = json!({ "a": { "b": [1, { "c": "d: e" }] }, "f": {}, "g": true });
        let expected =
            "\"a\":\n  \"b\":\n    - 1\n    -\n      \"c\": \"d: e\"\n\"f\": {}\n\"g\": true\n";
        assert_eq!(document(&value), expected);
    }
}
