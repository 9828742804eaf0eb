//! The tags of health checks.

use bytes::Bytes;

use super::check::HealthCheck;
use super::xml::{members, parse, root, text};
use super::{find, invalid};
use crate::wire::{ApiError, ApiResult, Service, Xml};
use crate::world::World;

/// How many tags a request may add or remove, and a health check may have.
const MOST: usize = 10;

pub(crate) fn list(check: &HealthCheck) -> ApiResult<Bytes> {
    let mut xml = Xml::new("ListTagsForResourceResponse", Service::Route53.namespace());
    xml.open("ResourceTagSet").leaf("ResourceType", "healthcheck").leaf("ResourceId", &check.id).open("Tags");
    for (key, value) in &check.tags {
        xml.open("Tag").leaf("Key", key).leaf("Value", value).close();
    }
    Ok(xml.finish())
}

pub(crate) fn change(world: &mut World, id: &str, body: &[u8]) -> ApiResult<Bytes> {
    let document = parse(body)?;
    let root = root(&document, "ChangeTagsForResourceRequest")?;
    let mut add = Vec::new();
    let mut remove = Vec::new();
    for (name, list) in members(root, &["AddTags", "RemoveTagKeys"], false)? {
        if name == "AddTags" {
            for (_, tag) in members(list, &["Tag"], true)? {
                let parts = members(tag, &["Key", "Value"], false)?;
                let part = |name: &str| {
                    let found = parts.iter().find(|(part, _)| *part == name);
                    found.map_or("", |(_, node)| text(*node))
                };
                add.push((part("Key"), part("Value")));
            }
        } else {
            let keys = members(list, &["Key"], true)?;
            remove.extend(keys.iter().map(|(_, key)| text(*key)));
        }
    }
    check(find(world, id)?, &add, &remove)?;
    for (key, value) in &add {
        world.set_tag(id, key, value);
    }
    for key in &remove {
        world.remove_tag(id, key);
    }
    let mut xml = Xml::new("ChangeTagsForResourceResponse", Service::Route53.namespace());
    Ok(xml.finish())
}

fn check(check: &HealthCheck, add: &[(&str, &str)], remove: &[&str]) -> ApiResult<()> {
    if add.is_empty() && remove.is_empty() {
        return Err(invalid("Either AddTags or RemoveTagKeys must be specified and not empty."));
    }
    if add.len() > MOST || remove.len() > MOST {
        return Err(invalid(format!("A request may add and remove at most {MOST} tags.")));
    }
    for key in add.iter().map(|(key, _)| key).chain(remove) {
        let reserved = key.to_ascii_lowercase().starts_with("aws:");
        if key.is_empty() || reserved || !is_allowed(key, 128) {
            return Err(refused("key", key));
        }
    }
    for (_, value) in add {
        if !is_allowed(value, 256) {
            return Err(refused("value", value));
        }
    }
    let mut keys: Vec<&str> = add.iter().map(|(key, _)| *key).chain(remove.iter().copied()).collect();
    let given = keys.len();
    keys.sort_unstable();
    keys.dedup();
    if keys.len() != given {
        return Err(invalid("A tag key was given twice."));
    }
    let new = add.iter().filter(|(key, _)| !check.tags.contains_key(*key));
    let gone = remove.iter().filter(|key| check.tags.contains_key(**key));
    if check.tags.len() + new.count() - gone.count() > MOST {
        return Err(invalid(format!("A health check may have at most {MOST} tags.")));
    }
    Ok(())
}

fn is_allowed(text: &str, longest: usize) -> bool {
    text.chars().count() <= longest && text.chars().all(|c| c.is_alphanumeric() || " +-=._:/@".contains(c))
}

fn refused(what: &str, given: &str) -> ApiError {
    invalid(format!(
        "1 validation error detected: Value '{given}' at 'addTags.1.member.{what}' failed to satisfy constraint: \
         Member must satisfy regular expression pattern: ^([\\p{{L}}\\p{{Z}}\\p{{N}}_.:/=+\\-@]*)$"
    ))
}
