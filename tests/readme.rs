//! What the documents claim and link to is there.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};

use rds_route53_failover::decide::Section;
use rds_route53_failover::memory::Tag;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(document: &Path) -> String {
    std::fs::read_to_string(document).unwrap_or_else(|error| panic!("{}: {error}", document.display()))
}

fn documents() -> Vec<PathBuf> {
    let mut documents: Vec<_> = ["README.md", "CONTRIBUTING.md"].map(|name| root().join(name)).into();
    documents.extend(std::fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path()));
    documents
}

/// The anchor that a heading gets: lower case, hyphens for spaces, punctuation dropped.
fn anchor(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().to_lowercase();
    kept.chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

#[test]
fn every_file_and_heading_that_the_documents_link_to_exists() {
    let mut seen = 0;
    let mut broken = Vec::new();
    for document in documents() {
        let text = read(&document);
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.contains("://") {
                continue;
            }
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let file = if file.is_empty() { document.clone() } else { document.parent().unwrap().join(file) };
            let is_there = file.exists()
                && (heading.is_empty()
                    || read(&file).lines().any(|line| line.starts_with('#') && anchor(line) == heading));
            if !is_there {
                broken.push(format!("{} links to {target}", document.display()));
            }
            seen += 1;
        }
    }
    assert_eq!(broken, Vec::<String>::new());
    assert!(seen > 20, "{seen}");
}

#[test]
fn the_readme_has_the_five_sections_and_the_five_tags() {
    let readme = read(&root().join("README.md"));
    let sections: Vec<_> =
        readme.lines().filter_map(|line| line.strip_prefix("- **")?.split("**").next()).collect();
    assert_eq!(sections, Section::ALL.iter().map(|section| section.title()).collect::<Vec<_>>());
    for tag in Tag::ALL {
        assert!(readme.contains(&format!("`{}`", tag.key())), "{}", tag.key());
    }
}

#[test]
fn a_command_of_cargo_s_own_in_the_documents_is_an_alias_of_this_repository() {
    let aliases = read(&root().join(".cargo/config.toml"));
    let known = [
        "build", "check", "clippy", "doc", "fmt", "install", "lambda", "run", "test", "fuzz", "deny",
        "mutants",
    ];
    for document in documents() {
        for line in read(&document).lines() {
            let Some(words) =
                line.split_once("cargo ").filter(|(before, _)| before.is_empty() || before.ends_with('`'))
            else {
                continue;
            };
            let verb = words.1.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').next().unwrap();
            if verb.is_empty() {
                continue;
            }
            let is_alias = aliases.lines().any(|line| line.starts_with(&format!("{verb} = ")));
            assert!(known.contains(&verb) || is_alias, "{}: cargo {verb}", document.display());
        }
    }
}
