//! What can be tested without servers: the table of planted faults, and the page.

use rehearsal::cases::ALL;
use rehearsal::fault::{Fault, PLANTED};
use rehearsal::html;
use rehearsal::record::{Event, Outcome, What};

#[test]
fn every_planted_fault_is_understood_and_planted_in_cases_that_exist() {
    for (fault, cases) in PLANTED {
        assert!(fault.parse().is_ok_and(|fault: Fault| fault != Fault::None), "{fault}");
        for case in *cases {
            assert!(ALL.iter().any(|known| known.name == *case), "{fault} in {case}");
        }
    }
}

#[test]
fn in_every_case_a_fault_is_planted() {
    for case in ALL {
        assert!(PLANTED.iter().any(|(_, cases)| cases.contains(&case.name)), "{}", case.name);
    }
}

fn outcome() -> Outcome {
    let ack = |at, n| Event { at, what: What::Ack { client: "common".into(), n, server: "a1".into() } };
    Outcome {
        name: "killed".into(),
        title: "The <primary> is killed".into(),
        events: vec![ack(1.0, 6), ack(1.05, 7)],
        lost: vec![("common".into(), 7, 1.05)],
        seconds: 10.0,
        ..Outcome::default()
    }
}

#[test]
fn a_lost_row_is_drawn_on_the_client_that_wrote_it() {
    let page = html::page(&[outcome()], "a machine", 1.0);
    assert!(page.contains("row 7 is lost"));
    assert!(!page.contains("row 6 is lost"));
}

#[test]
fn a_case_without_a_single_assertion_has_not_held() {
    assert!(!outcome().held());
}

#[test]
fn a_case_that_broke_off_has_not_held_whatever_held_before() {
    let mut outcome = outcome();
    outcome.check("the sky is up", true, "");
    assert!(outcome.held());
    outcome.broken = Some("a server did not start".into());
    assert!(!outcome.held());
}

#[test]
fn what_servers_say_is_text_on_the_page_and_no_markup() {
    let page = html::page(&[outcome()], "<b>machine</b>", 1.0);
    assert!(page.contains("The &lt;primary&gt; is killed"));
    assert!(!page.contains("<b>machine"));
}

#[test]
fn the_page_fits_a_window_of_400_pixels() {
    let mut outcome = outcome();
    outcome.figure("writes down", "1.0 s");
    let answer = serde_json::json!({"reason": "primary-healthy", "message": "a".repeat(500)});
    let invocation = What::Invocation { action: "tick".into(), until: 10.5, answer, failed: false };
    outcome.events.push(Event { at: 9.9, what: invocation });
    for at in 0..10 {
        outcome
            .events
            .push(Event { at: 9.0 + f64::from(at) / 10.0, what: What::Step { text: "a step".into() } });
    }
    let page = html::page(&[outcome], "a machine", 1.0);
    assert_eq!(report::narrow::misfits(&page), [""; 0]);
}
