//! Reads requests as Route 53's schema validation does.

use roxmltree::{Document, Node};

use super::invalid;
use crate::wire::{ApiError, ApiResult, Service};

/// What Route 53's schema validation says of a body.
fn invalid_xml(why: impl std::fmt::Display) -> ApiError {
    invalid(format!(
        "Invalid XML ; javax.xml.stream.XMLStreamException: org.xml.sax.SAXParseException; {why}"
    ))
}

pub(crate) fn parse(body: &[u8]) -> ApiResult<Document<'_>> {
    let text = std::str::from_utf8(body).map_err(invalid_xml)?;
    Document::parse(text).map_err(invalid_xml)
}

/// The root, if it is the one that is wanted, in Route 53's namespace.
pub(crate) fn root<'d, 'i>(document: &'d Document<'i>, name: &str) -> ApiResult<Node<'d, 'i>> {
    let root = document.root_element();
    let namespace = root.tag_name().namespace();
    if root.tag_name().name() == name && namespace == Some(Service::Route53.namespace()) {
        return Ok(root);
    }
    let found = root.tag_name().name();
    Err(invalid_xml(format_args!("cvc-elt.1: Cannot find the declaration of element '{found}'.")))
}

/// The child elements, all of them among `allowed` and in the namespace; each once, unless `list`.
pub(crate) fn members<'d, 'i>(
    node: Node<'d, 'i>,
    allowed: &[&str],
    list: bool,
) -> ApiResult<Vec<(&'d str, Node<'d, 'i>)>> {
    let mut found: Vec<(&str, Node<'_, '_>)> = Vec::new();
    for child in node.children().filter(Node::is_element) {
        let name = child.tag_name().name();
        let known = allowed.contains(&name)
            && child.tag_name().namespace() == Some(Service::Route53.namespace())
            && (list || found.iter().all(|(other, _)| *other != name));
        if !known {
            return Err(invalid_xml(format_args!(
                "cvc-complex-type.2.4.a: Invalid content was found starting with element '{name}'. One of '{{{}}}' \
                 is expected.",
                allowed.join(", ")
            )));
        }
        found.push((name, child));
    }
    Ok(found)
}

pub(crate) fn text<'d>(node: Node<'d, '_>) -> &'d str {
    node.text().unwrap_or_default()
}

pub(crate) fn parsed<T: std::str::FromStr>(node: Node<'_, '_>) -> ApiResult<T> {
    text(node).parse().map_err(|_| {
        invalid_xml(format_args!(
            "cvc-datatype-valid.1.2.1: '{}' is not a valid value of element '{}'.",
            text(node),
            node.tag_name().name()
        ))
    })
}
