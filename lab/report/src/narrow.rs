//! What would not fit a window of 400 px; for the tests of both pages.

/// Pictures may be this wide: what is left of 400 px between the margins.
const WIDTH: f64 = 360.0;

/// What of a page has no form for narrow windows.
pub fn misfits(page: &str) -> Vec<String> {
    let mut misfits = pictures(page);
    let (wide, narrow) = page.split_once("@media (max-width: 760px) {").unwrap_or((page, ""));
    if !wide.contains("svg.narrow { display: none; }") {
        misfits.push("the narrow picture is shown beside the wide one".to_owned());
    }
    if !narrow.contains("svg.wide { display: none; } svg.narrow { display: block; }") {
        misfits.push("the narrow picture is never shown".to_owned());
    }
    if !narrow.contains("code, li, p, .totals div, td:last-child { overflow-wrap: anywhere; }") {
        misfits.push("a long word has no place to break".to_owned());
    }
    for table in page.split("<table").skip(1) {
        let class =
            table.strip_prefix(" class=\"").and_then(|rest| rest.split('"').next()).unwrap_or_default();
        if class.is_empty() || !narrow.contains(&format!("table.{class} ")) {
            misfits.push(format!("a table of the class `{class}` has no narrow form"));
        }
    }
    misfits
}

/// Each picture must be there twice, and nothing in the narrow one may be beyond its edge.
fn pictures(page: &str) -> Vec<String> {
    let mut misfits = Vec::new();
    let mut before = "";
    for picture in page.split("<svg ").skip(1) {
        let class = attribute(picture, "class");
        let size = attribute(picture, "viewBox").split(' ').nth(2).and_then(|width| width.parse().ok());
        match (before, class, size) {
            ("" | "narrow", "wide", Some(_)) => {}
            ("wide", "narrow", Some(width)) if width <= WIDTH => {
                let elements = picture.split("</svg>").next().unwrap_or_default().split('<');
                let beyond = elements.filter(|element| right(element) > width);
                misfits.extend(beyond.map(|element| format!("beyond {width}: {element}")));
            }
            (before, class, size) => {
                misfits.push(format!("a picture `{class}` of {size:?} after `{before}`"))
            }
        }
        before = class;
    }
    if before != "narrow" {
        misfits.push("there is no narrow picture".to_owned());
    }
    misfits
}

fn attribute<'a>(element: &'a str, name: &str) -> &'a str {
    let value = element.split_once(&format!("{name}=\"")).and_then(|(_, rest)| rest.split('"').next());
    value.unwrap_or_default()
}

/// Where an element ends, as far as its attributes say.
fn right(element: &str) -> f64 {
    let number = |name: &str| attribute(element, name).parse::<f64>().unwrap_or(0.0);
    match element.split(' ').next() {
        Some("rect") => number(" x") + number("width"),
        Some("line") => number("x1").max(number("x2")),
        Some("circle") => number("cx") + number(" r"),
        Some("text") => number(" x"),
        _ => 0.0,
    }
}
