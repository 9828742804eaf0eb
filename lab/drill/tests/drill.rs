//! The drill: what its first command promises to whoever tries it.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use drill::cli::{BROKEN, HELD, MISUSED, run};
use drill::scenario::{Expect, Handler, Scenario, primary};
use serde_json::Value;

struct Printed {
    code: u8,
    out: String,
    err: String,
}

/// The program itself, as `cargo drill` runs it.
fn drill(arguments: &[&str]) -> Printed {
    let output = Command::new(env!("CARGO_BIN_EXE_drill")).args(arguments).output().unwrap();
    Printed {
        code: u8::try_from(output.status.code().unwrap()).unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The same with other scenarios, and with colours.
fn drill_of(scenarios: &[Scenario], arguments: &[&str]) -> Printed {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = run([&["drill"], arguments].concat(), scenarios, &mut out, &mut err);
    Printed { code, out: String::from_utf8(out).unwrap(), err: String::from_utf8(err).unwrap() }
}

/// The report about all scenarios, played once for all tests.
fn page() -> &'static str {
    static PAGE: OnceLock<String> = OnceLock::new();
    PAGE.get_or_init(|| {
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("drill.html");
        // Of an older, longer report nothing is left.
        std::fs::write(&file, "x".repeat(10_000_000)).unwrap();
        let Printed { code, out, err } = drill(&["--all", "--report", file.to_str().unwrap()]);
        assert_eq!(code, HELD, "{out}{err}");
        assert!(err.is_empty(), "{err}");
        assert!(!out.contains('\x1b'), "colours without a terminal");
        no_wider_than_80(
            &out.lines().filter(|line| !line.starts_with("Report: ")).collect::<Vec<_>>().join("\n"),
        );
        std::fs::read_to_string(file).unwrap()
    })
}

fn json_lines(arguments: &[&str]) -> Vec<Value> {
    let Printed { code, out, err } = drill(arguments);
    assert_eq!(code, HELD, "{out}{err}");
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn summaries(lines: &[Value]) -> Vec<&Value> {
    lines.iter().filter(|line| line["event"] == "summary").collect()
}

fn names() -> Vec<&'static str> {
    drill::scenarios::all().iter().map(|scenario| scenario.name).collect()
}

fn no_wider_than_80(text: &str) {
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{} columns: {line}", line.chars().count());
    }
}

#[test]
fn every_scenario_is_listed_once() {
    let Printed { code, out, .. } = drill(&["--list"]);
    assert_eq!(code, HELD);
    no_wider_than_80(&out);
    let listed: Vec<_> = out.lines().filter(|line| !line.starts_with(' ')).collect();
    assert_eq!(listed, names());
    assert_eq!(listed.iter().collect::<BTreeSet<_>>().len(), listed.len(), "{listed:?}");
}

#[test]
fn every_scenario_is_as_expected_and_the_page_about_them_needs_nothing_else() {
    let page = page();
    for name in names() {
        assert!(page.contains(&format!("id=\"{name}\"")), "{name} is not in the report");
    }
    assert!(page.contains("<svg") && page.contains("prefers-color-scheme: dark"));
    assert!(page.ends_with("</html>\n"));
    for outside in ["http://", "https://", "src=", "url(", "@import", "<link", "<script", "<iframe"] {
        assert!(!page.contains(outside), "the page refers to something outside: {outside}");
    }
}

#[test]
fn the_closing_sentence_comes_before_the_first_event() {
    // One function in full, and two side by side.
    for name in ["storage-full-and-recovery", "fenced"] {
        let scenario = drill::scenarios::all().into_iter().find(|scenario| scenario.name == name).unwrap();
        let moral = scenario.moral.split_whitespace().next().unwrap();
        let Printed { out, .. } = drill(&["--scenario", name]);
        let (told, happened) =
            (out.find(&format!("\n  {moral} ")).unwrap(), out.find("\n  00:00  ").unwrap());
        assert!(told < happened, "{out}");
        // Nothing but the name and the title comes before it.
        let before: Vec<_> = out[..told].split_whitespace().collect();
        assert_eq!(before.join(" "), format!("{name} {}", scenario.title));
    }
    for section in page().split("<section id=").skip(1) {
        let at = |what: &str| section.find(what).unwrap_or(usize::MAX);
        let moral = at("class=\"moral\"");
        assert!(
            moral < at("class=\"story\"") && moral < at("<svg") && moral < at("class=\"events\""),
            "{section}"
        );
    }
}

#[test]
fn the_page_fits_a_window_of_400_pixels() {
    assert_eq!(report::narrow::misfits(page()), [""; 0]);
}

#[test]
fn no_row_is_wider_than_eighty_columns() {
    for name in names() {
        no_wider_than_80(&drill(&["--scenario", name]).out);
    }
}

#[test]
fn each_line_for_a_machine_is_an_object_that_says_where_it_belongs() {
    let lines = json_lines(&["--json", "--scenario", "common-recipe"]);
    for line in &lines {
        for field in ["event", "scenario", "handler"] {
            assert!(line[field].is_string(), "{field} is missing: {line}");
        }
        assert!(line["event"] == "summary" || line["at"].is_number(), "{line}");
    }
    let summaries = summaries(&lines);
    let outcomes: Vec<_> = summaries.iter().map(|summary| &summary["outcome"]).collect();
    assert_eq!(outcomes, ["unserved", "served"], "the recipe, then this function");
}

const MOVED_BY_A_PERSON: &[&str] =
    &["operators-own-setting", "fenced", "fence-refused", "split-brain-without-a-fence"];

/// The legs of an outage follow from each other, so none can come before what it follows from.
#[test]
fn every_leg_comes_after_the_one_it_follows_from() {
    for summary in summaries(&json_lines(&["--json", "--all"])) {
        for outage in summary["totals"]["outages"].as_array().unwrap() {
            let says = format!("{} {outage}", summary["scenario"]);
            let in_order = |legs: &[&str]| {
                let times: Vec<_> = legs.iter().filter_map(|leg| outage[leg].as_f64()).collect();
                assert!(times.is_sorted(), "{legs:?} in {says}");
            };
            in_order(&["rerouted", "promotion_sent", "promoted"]);
            in_order(&["began", "over"]);
            if MOVED_BY_A_PERSON.iter().any(|name| summary["scenario"] == *name) {
                // The move comes first: what clients miss, they miss because of it.
                in_order(&["rerouted", "followed", "returned"]);
                continue;
            }
            in_order(&["began", "detected", "rerouted", "followed", "returned"]);
            in_order(&["began", "detected", "asked", "rerouted"]);
            if outage["followed"].is_number() {
                assert!(outage["detected"].is_number(), "nobody detected what moved: {says}");
            }
        }
    }
}

#[test]
fn an_open_connection_writes_to_the_old_primary_without_end_unless_a_fence_stops_it() {
    let lines = json_lines(&["--json", "--scenario", "fenced"]);
    let summaries = summaries(&lines);
    let stale: Vec<_> =
        summaries.iter().map(|summary| summary["totals"]["open_stale_writes"].as_f64().unwrap()).collect();
    let [bare, fenced] = stale[..] else { panic!("{stale:?}") };
    assert_eq!(summaries[1]["handler"], "this function");
    let track = |summary: &Value, name: &str| {
        let tracks = summary["tracks"].as_array().unwrap();
        tracks.iter().find(|track| track["name"] == name).unwrap()["spans"].as_array().unwrap().clone()
    };
    let promoted = track(summaries[0], "RDS: replica").last().unwrap()["from"].as_f64().unwrap();
    assert!((bare - (14.0 * 60.0 - promoted)).abs() < 2.0, "{bare} s, promoted at {promoted}");
    // A tick and the time that the emulator's RDS takes to stop an instance.
    assert!(fenced > 0.0 && fenced <= 120.0, "{fenced}");
    let stopped = track(summaries[1], "RDS: primary").last().unwrap().clone();
    let open = track(summaries[1], "writes (open)").last().unwrap().clone();
    assert_eq!((&stopped["value"], &open["value"]), (&"stopped".into(), &"served".into()));
    assert_eq!(stopped["from"], open["from"], "stale writes end with the old primary");
}

#[test]
fn a_fence_that_sends_nothing_is_not_as_expected() {
    let fenced = drill::scenarios::fence::fenced();
    let bound = |expect: &Expect| matches!(expect, Expect::StaleWritesFor { .. });
    let expects: Vec<_> = fenced.expects.iter().filter(|expect| bound(expect)).cloned().collect();
    let broken = Scenario {
        variables: vec![("PROMOTE_REPLICA", "true")],
        handlers: vec![Handler::Function],
        expects,
        ..fenced
    };
    let Printed { code, out, .. } = drill_of(&[broken], &[]);
    assert_eq!(code, BROKEN, "{out}");
    assert!(out.contains("NOT AS EXPECTED: open connections wrote to the stale primary"), "{out}");
}

#[test]
fn dips_are_outages_of_their_own() {
    let lines = json_lines(&["--json", "--scenario", "flapping"]);
    let outages = &summaries(&lines)[0]["totals"]["outages"];
    let lengths: Vec<_> = outages
        .as_array()
        .unwrap()
        .iter()
        .map(|outage| (outage["began"].as_f64().unwrap() as u64, outage["rerouted"].is_number()))
        .collect();
    assert_eq!(lengths, [(55, false), (178, false), (290, true)]);
}

#[test]
fn what_moves_traffic_without_the_control_plane_has_a_row() {
    let Printed { out, .. } = drill(&["--scenario", "control-plane-down"]);
    assert!(out.contains("RouteToSecondary is 1") && out.contains("  metric "), "{out}");
    assert!(out.contains("the metric asks for the secondary"), "{out}");
}

#[test]
fn nothing_is_green_about_a_run_that_serves_nobody() {
    let recipe = Scenario::new("dead", "Only the recipe", 4)
        .at((1, 30), "The primary is down", [primary("failed")])
        .beside_the_recipe([Expect::DnsNeverMoved]);
    let recipe = Scenario { handlers: recipe.handlers[..1].to_vec(), ..recipe };
    let Printed { out, .. } = drill_of(std::slice::from_ref(&recipe), &[]);
    let end = out.split("Outage").last().unwrap();
    assert!(!end.contains("\x1b[32m"), "green: {end}");
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("dead.html");
    drill_of(&[recipe], &["--report", file.to_str().unwrap()]);
    let page = std::fs::read_to_string(file).unwrap();
    assert!(!page.contains("pill good") && page.contains("reads are failing"), "{page}");
}

#[test]
fn simulated_time_passes_between_observations_and_nowhere_else() {
    // Also with probes, whose sockets are real.
    for name in ["storage-full-and-recovery", "grey-failure"] {
        let lines = json_lines(&["--json", "--scenario", name]);
        let invocations: Vec<_> = lines.iter().filter(|line| line["event"] == "invocation").collect();
        assert!(invocations.len() > 10);
        for invocation in invocations {
            // Two intervals of ten seconds between three observations, or none.
            let seconds = invocation["seconds"].as_f64().unwrap();
            let changed = !invocation["outcome"]["actions"].as_array().unwrap().is_empty();
            let waited = if changed { 20.0 } else { 0.0 };
            assert!((seconds - waited).abs() < 0.1, "{invocation}");
        }
    }
}

#[test]
fn the_same_scenario_is_played_the_same_twice() {
    for name in ["region-unreachable", "two-triggers-at-once"] {
        let played = || {
            let lines = json_lines(&["--json", "--scenario", name]);
            let events = lines.iter().filter(|line| line["event"] != "summary").cloned();
            let tracks = summaries(&lines).into_iter().map(|summary| summary["tracks"].clone());
            events.chain(tracks).collect::<Vec<_>>()
        };
        // The ports that are probed differ from run to run; nothing shows them.
        assert_eq!(played(), played(), "{name}");
    }
}

#[test]
fn a_broken_promise_gives_a_non_zero_exit() {
    let broken = Scenario::new("broken", "The recipe is held to this function's promises", 4)
        .at((1, 30), "The primary is down", [primary("storage-full")])
        .beside_the_recipe([Expect::PromisesKept]);
    let Printed { code, out, .. } = drill_of(&[broken], &["--all"]);
    assert_eq!(code, BROKEN, "{out}");
    assert!(out.contains("CleanSwitch") && out.contains("0 of 1 scenarios"), "{out}");
}

#[test]
fn an_expectation_that_is_not_met_gives_a_non_zero_exit() {
    let broken = Scenario::new("broken", "An outage that is expected to move nothing", 4)
        .at((0, 30), "The primary is down", [primary("storage-full")])
        .expect([Expect::DnsNeverMoved]);
    let Printed { code, out, .. } = drill_of(&[broken], &[]);
    assert_eq!(code, BROKEN, "{out}");
    assert!(out.contains("NOT AS EXPECTED: DNS never moved"), "{out}");
}

#[test]
fn an_invalid_command_line_plays_nothing() {
    let invalid: [(&[&str], &str); 6] = [
        (&["--scenario", "floppy"], "floppy"),
        (&["--scenario"], "--scenario"),
        (&["--report"], "--report"),
        (&["--verbose"], "--verbose"),
        (&["--all", "--scenario", "flapping"], "cannot be used with"),
        (&["--all", "--report", "/nonexistent/x"], "/nonexistent/x"),
    ];
    for (arguments, word) in invalid {
        let Printed { code, out, err } = drill(arguments);
        assert_eq!(code, MISUSED, "{arguments:?}");
        assert!(out.is_empty(), "{arguments:?} played something: {out}");
        assert!(err.contains(word), "{arguments:?}: {err}");
    }
}
