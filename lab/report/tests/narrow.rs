//! What finds out that a page does not fit a narrow window must not miss it.

use report::narrow::misfits;
use report::picture::{Format, Picture, both};

fn draw(format: Format) -> String {
    let mut picture = Picture::new(format, 60.0, 1, 50.0, "a test");
    let top = picture.top(0);
    picture.name("a row", top);
    picture.bar((0.0, 60.0), top, "good", "well", "all the time");
    picture.step(60.0, 10.0, "the end");
    picture.done()
}

const TABLE: &str = "<table class=\"cards\"></table>";

#[test]
fn a_page_with_both_pictures_and_known_tables_fits() {
    let page = report::page("A page", &(both(draw) + TABLE));
    assert_eq!(misfits(&page), [""; 0]);
}

#[test]
fn a_wide_picture_alone_does_not_fit() {
    let pictures = both(draw);
    let wide = pictures.split_inclusive("</svg>").next().unwrap_or_default();
    assert!(misfits(&report::page("A page", wide)).len() == 1);
}

#[test]
fn a_table_without_a_narrow_form_does_not_fit() {
    for table in ["<table></table>", "<table class=\"wider\"></table>"] {
        assert!(misfits(&report::page("A page", &(both(draw) + table))).len() == 1, "{table}");
    }
}

#[test]
fn what_is_beyond_the_edge_of_the_narrow_picture_does_not_fit() {
    let page = report::page("A page", &both(draw)).replace("width=\"326.0\"", "width=\"400.0\"");
    assert!(misfits(&page).len() == 1, "{:?}", misfits(&page));
}

#[test]
fn a_style_that_never_shows_the_narrow_picture_does_not_fit() {
    let page = report::page("A page", &both(draw)).replace("svg.narrow { display: block; }", "");
    assert!(misfits(&page).len() == 1);
}
