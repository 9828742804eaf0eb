//! Every generated block says what the code holds.
#![allow(clippy::unwrap_used)]

use docs::{COMMAND, documents, generated, root};

#[test]
fn every_generated_block_is_as_the_code_has_it() {
    let mut blocks = 0;
    for document in documents(&root()).unwrap() {
        let text = std::fs::read_to_string(&document).unwrap();
        let wanted = generated(&text).unwrap_or_else(|why| panic!("{}: {why}", document.display()));
        let first = text.lines().zip(wanted.lines()).find(|(stated, wanted)| stated != wanted);
        assert!(text == wanted, "{} differs from the code at {first:?}: run `{COMMAND}`", document.display());
        blocks += text.matches("<!-- generated: ").count();
    }
    assert!(blocks >= 2, "the README's variables and the rules, at least: {blocks}");
}

#[test]
fn what_stands_around_a_block_is_left_alone_and_a_wrong_block_is_replaced() {
    let text = "before\n<!-- generated: codes -->\nwrong\n<!-- end -->\nafter\n";
    let once = generated(text).unwrap();
    assert!(once.starts_with("before\n<!-- generated: codes -->\n| code | next step |\n"), "{once}");
    assert!(once.ends_with("\n<!-- end -->\nafter\n") && !once.contains("wrong"));
    assert_eq!(generated(&once).unwrap(), once);
    assert_eq!(generated("no block\n").unwrap(), "no block\n");
}

#[test]
fn a_block_that_nobody_writes_is_an_error() {
    assert!(generated("<!-- generated: nothing -->\n<!-- end -->").unwrap_err().contains("`nothing`"));
    assert!(generated("<!-- generated: codes -->\n").unwrap_err().contains("<!-- end -->"));
}
