//! The template as values, and what is asked of it again and again.

use serde_json::{Map, Value};

/// The template in CloudFormation's long form: `!Ref x` becomes `{"Ref": "x"}`.
pub(crate) fn template() -> Value {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/template.yaml")).unwrap();
    long_form(serde_yaml_ng::from_str(&text).unwrap())
}

pub(crate) fn long_form(yaml: serde_yaml_ng::Value) -> Value {
    use serde_yaml_ng::Value as Yaml;
    match yaml {
        Yaml::Null => Value::Null,
        Yaml::Bool(value) => Value::Bool(value),
        Yaml::Number(value) => serde_json::to_value(value).unwrap(),
        Yaml::String(value) => Value::String(value),
        Yaml::Sequence(items) => items.into_iter().map(long_form).collect(),
        Yaml::Mapping(entries) => entries
            .into_iter()
            .map(|(key, value)| (key.as_str().unwrap().to_owned(), long_form(value)))
            .collect(),
        Yaml::Tagged(tagged) => {
            let tag = tagged.tag.to_string();
            let function = match tag.trim_start_matches('!') {
                name @ ("Ref" | "Condition") => name.to_owned(),
                name => format!("Fn::{name}"),
            };
            Value::Object(Map::from_iter([(function, long_form(tagged.value))]))
        }
    }
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}"))
}

/// A parameter's default as CloudFormation hands it to the function.
pub(crate) fn default_of(template: &Value, parameter: &str) -> Option<String> {
    match &template["Parameters"][parameter]["Default"] {
        Value::Null => None,
        Value::String(value) => Some(value.clone()),
        other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            Some(other.to_string())
        }
    }
}

pub(crate) fn resources<'t>(template: &'t Value, kind: &str) -> Vec<(&'t str, &'t Value)> {
    let found: Vec<_> = template["Resources"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(_, resource)| resource["Type"] == kind)
        .map(|(name, resource)| (name.as_str(), resource))
        .collect();
    assert!(!found.is_empty(), "no resource of type {kind}");
    found
}

pub(crate) fn environment(template: &Value) -> &Map<String, Value> {
    template["Resources"]["Function"]["Properties"]["Environment"]["Variables"].as_object().unwrap()
}

/// A policy statement with the conditions under which it exists.
pub(crate) struct Statement<'t> {
    pub(crate) body: &'t Value,
    pub(crate) conditions: Vec<&'t str>,
}

impl Statement<'_> {
    pub(crate) fn allows(&self, action: &str) -> bool {
        self.body["Effect"] == "Allow" && list(&self.body["Action"]).contains(&&Value::from(action))
    }

    pub(crate) fn sid(&self) -> &str {
        self.body["Sid"].as_str().unwrap_or("without Sid")
    }
}

pub(crate) fn list(value: &Value) -> Vec<&Value> {
    value.as_array().map_or_else(|| vec![value], |items| items.iter().collect())
}

/// Every policy statement of the template, wherever it stands.
pub(crate) fn statements(template: &Value) -> Vec<Statement<'_>> {
    fn walk<'t>(value: &'t Value, conditions: &[&'t str], found: &mut Vec<Statement<'t>>) {
        match value {
            Value::Object(entries) => {
                if entries.get("Effect").is_some_and(Value::is_string) {
                    found.push(Statement { body: value, conditions: conditions.to_vec() });
                }
                for (key, child) in entries {
                    if key == "Fn::If" {
                        let with = [conditions, &[text(&child[0])]].concat();
                        walk(&child[1], &with, found);
                        walk(&child[2], conditions, found);
                    } else {
                        walk(child, conditions, found);
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| walk(item, conditions, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut found = Vec::new();
    for resource in template["Resources"].as_object().unwrap().values() {
        let conditions: Vec<_> = resource["Condition"].as_str().into_iter().collect();
        walk(resource, &conditions, &mut found);
    }
    found
}

/// The one statement that allows an action.
pub(crate) fn statement_for<'s, 't>(statements: &'s [Statement<'t>], action: &str) -> &'s Statement<'t> {
    let mut found = statements.iter().filter(|statement| statement.allows(action));
    let first = found.next().unwrap_or_else(|| panic!("nothing allows {action}"));
    assert!(found.next().is_none(), "more than one statement allows {action}");
    first
}

/// All texts inside a value, of `Fn::Sub` and `Fn::Join` too.
pub(crate) fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(value) => vec![value],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(entries) => entries.values().flat_map(texts).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

pub(crate) fn seconds(duration: &str) -> u64 {
    let (number, unit) = duration.split_at(duration.find(|c: char| !c.is_ascii_digit()).unwrap());
    let number: u64 = number.parse().unwrap();
    match unit {
        "s" => number,
        "m" => number * 60,
        other => panic!("a default in {other}"),
    }
}
