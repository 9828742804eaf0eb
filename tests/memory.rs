//! The tags: what is written is read back the same, and what makes no sense is an error.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use rds_route53_failover::memory::{ANNOUNCED_FOR, By, Memory, Move, Pause, SENT_VOID_AFTER, Sent, Tag};
use rds_route53_failover::model::{CheckState, HealthCheck, after};

const AT: &str = "2026-01-31T23:59:59Z";

/// The characters that Route 53 allows in a tag's value.
fn is_allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || " +-=._:/@".contains(c)
}

fn is_taken(value: &str) -> bool {
    value.chars().count() <= 256 && value.chars().all(is_allowed)
}

fn at() -> Timestamp {
    AT.parse().unwrap()
}

fn parse(tag: Tag, value: &str) -> Result<Memory, String> {
    Memory::parse([(tag.key(), value)])
}

/// The tag as it is read and written again.
fn again(tag: Tag, value: &str) -> String {
    parse(tag, value).unwrap().value_of(tag).unwrap()
}

fn moved(reason: &str) -> Move {
    Move { version: 7, by: By::Auto, at: at(), id: None, until: None, reason: reason.to_owned() }
}

#[test]
fn the_tags_are_written_as_documented() {
    assert_eq!(
        Tag::ALL.map(Tag::key),
        ["failover:routed", "failover:returned", "failover:promoted", "failover:fenced", "failover:pause"]
    );
    assert_eq!(
        moved("primary-unhealthy").to_string(),
        format!("version=7 by=auto at={AT} reason=primary-unhealthy")
    );
    let ordered = Move { by: By::Operator, ..moved("planned move") };
    assert_eq!(ordered.to_string(), format!("version=7 by=operator at={AT} reason=planned move"));
    let promotion = Sent { version: 7, at: at(), instance: "orders-replica".to_owned() };
    assert_eq!(promotion.to_string(), format!("version=7 at={AT} instance=orders-replica"));
    let fence = Sent { instance: "orders-primary".to_owned(), ..promotion };
    let memory = Memory { fenced: Some(fence), ..Memory::default() };
    assert_eq!(memory.value_of(Tag::Fenced).unwrap(), format!("version=7 at={AT} instance=orders-primary"));
    let announced = Move { id: Some("a1B2".to_owned()), until: Some(at() + ANNOUNCED_FOR), ..moved("x") };
    assert_eq!(
        announced.to_string(),
        format!("version=7 by=auto at={AT} id=a1B2 until=2026-02-01T00:14:59Z reason=x")
    );
    assert_eq!(announced.confirmed().to_string(), format!("version=7 by=auto at={AT} id=a1B2 reason=x"));
    let pause = Pause { until: Some(at()), reason: "resize".to_owned() };
    assert_eq!(pause.to_string(), format!("until={AT} reason=resize"));
    let pause = Pause { until: None, ..pause };
    assert_eq!(pause.to_string(), "until=forever reason=resize");
}

#[test]
fn tags_of_other_people_are_none_of_the_functions() {
    let others =
        [("Name", "orders"), ("failover", "x"), ("failover:other", "x"), ("Failover:Routed", "x"), ("", "")];
    assert_eq!(Memory::parse(others).unwrap(), Memory::default());
}

#[test]
fn a_tag_that_makes_no_sense_is_an_error_that_names_it() {
    let bad_moves = [
        "",
        "x",
        "version=7",
        "version= by=auto at=2026-01-31T23:59:59Z reason=x",
        "version=0 by=auto at=2026-01-31T23:59:59Z reason=x",
        "version=-7 by=auto at=2026-01-31T23:59:59Z reason=x",
        "version=99999999999999999999 by=auto at=2026-01-31T23:59:59Z reason=x",
        "version=7 by=me at=2026-01-31T23:59:59Z reason=x",
        "version=7 by=AUTO at=2026-01-31T23:59:59Z reason=x",
        "version=7 by=auto at=yesterday reason=x",
        "version=7 by=auto at=2026-01-31 reason=x",
        "version=7 by=auto at=2026-01-31T23:59:59Z",
        "version=7  by=auto at=2026-01-31T23:59:59Z reason=x",
        " version=7 by=auto at=2026-01-31T23:59:59Z reason=x",
        "by=auto version=7 at=2026-01-31T23:59:59Z reason=x",
        "version=7 by=auto at=2026-01-31T23:59:59Z because=x",
        "version=7 by=auto at=2026-01-31T23:59:59Z until=tomorrow reason=x",
        "version=7 by=auto at=2026-01-31T23:59:59Z until=forever reason=x",
        "version=7 by=auto at=2026-01-31T23:59:59Z id= reason=x",
        "version=7 by=auto at=2026-01-31T23:59:59Z id=a-b reason=x",
        "version=7 by=auto at=2026-01-31T23:59:59Z id=a id=b reason=x",
        "version=7 by=auto at=2026-01-31T23:59:59Z until=2026-01-31T23:59:59Z until=2026-01-31T23:59:59Z reason=x",
    ];
    let bad_promotions = [
        "",
        "version=7 at=2026-01-31T23:59:59Z",
        "version=7 at=2026-01-31T23:59:59Z instance=",
        "version=x at=2026-01-31T23:59:59Z instance=orders-replica",
        "version=7 instance=orders-replica",
    ];
    let bad_pauses =
        ["", "forever", "until=", "until=never reason=x", "until=2h reason=x", "until=forever because=x"];
    let all = [
        (Tag::Routed, &bad_moves[..]),
        (Tag::Returned, &bad_moves),
        (Tag::Promoted, &bad_promotions),
        (Tag::Fenced, &bad_promotions),
        (Tag::Pause, &bad_pauses),
    ];
    for (tag, values) in all {
        for value in values {
            let fault = parse(tag, value).expect_err(value);
            assert!(fault.contains(tag.key()), "{fault}");
            assert!(fault.contains(&format!("holds `{value}`")), "{fault}");
            assert!(fault.contains("it may hold"), "{fault}");
        }
    }
}

#[test]
fn one_bad_tag_spoils_the_memory_whatever_the_others_say() {
    let good = moved("x").to_string();
    assert!(Memory::parse([("failover:routed", good.as_str()), ("failover:pause", "?")]).is_err());
}

#[test]
fn a_pause_typed_in_a_hurry_holds() {
    let pause = parse(Tag::Pause, "until=forever").unwrap().pause.unwrap();
    assert!(pause.in_force(Timestamp::MAX - SignedDuration::from_secs(1)));
    assert_eq!(parse(Tag::Pause, "until=2026-01-31T23:59:59Z").unwrap().pause.unwrap().until, Some(at()));
}

#[test]
fn a_pause_says_in_words_when_it_ends_and_why() {
    let words = |value: &str| parse(Tag::Pause, value).unwrap().pause.unwrap().words();
    assert_eq!(words(&format!("until={AT} reason=resize")), format!("paused until {AT} (resize)"));
    assert_eq!(words("until=forever reason=resize"), "paused, without an end (resize)");
    assert_eq!(words("until=forever"), "paused, without an end", "typed in a hurry");
}

#[test]
fn a_pause_ends_when_it_says() {
    let pause = Pause { until: Some(at()), reason: String::new() };
    assert!(pause.in_force(at() - SignedDuration::from_nanos(1)));
    assert!(!pause.in_force(at()));
}

#[test]
fn a_claim_to_another_version_says_nothing_of_this_one() {
    let promotion = Sent { version: 7, at: at(), instance: "orders-replica".to_owned() };
    let memory = Memory { routed: Some(moved("x")), promoted: Some(promotion), ..Memory::default() };
    assert_eq!(memory.routed_by(7, at()), Some(By::Auto));
    assert!(memory.promotion_in(7).is_some());
    for version in [6, 8, 0, -7] {
        assert_eq!(memory.routed_by(version, at()), None);
        assert_eq!(memory.promotion_in(version), None);
    }
}

#[test]
fn an_announcement_claims_its_version_until_it_lapses_and_for_good_once_confirmed() {
    let until = at() + ANNOUNCED_FOR;
    let announced = Move { until: Some(until), ..moved("x") };
    let claim =
        |made: &Move, now| Memory { routed: Some(made.clone()), ..Memory::default() }.routed_by(7, now);
    assert_eq!(claim(&announced, until - SignedDuration::from_nanos(1)), Some(By::Auto));
    assert_eq!(claim(&announced, until), None, "no invocation lives longer");
    assert_eq!(claim(&announced.confirmed(), Timestamp::MAX), Some(By::Auto));
}

#[test]
fn only_the_announcement_of_the_flags_that_are_seen_waits_to_be_confirmed() {
    let until = Some(at() + ANNOUNCED_FOR);
    let returned = Move { version: 8, until, ..moved("x") };
    let memory =
        Memory { routed: Some(Move { until, ..moved("x") }), returned: Some(returned), ..Memory::default() };
    let waiting = |state, version, now| {
        let check = HealthCheck::of(state, version);
        check.unconfirmed(&memory, now).map(|(tag, _)| tag)
    };
    assert_eq!(waiting(CheckState::ForcedUnhealthy, 7, at()), Some(Tag::Routed));
    assert_eq!(waiting(CheckState::Normal, 8, at()), Some(Tag::Returned));
    assert_eq!(waiting(CheckState::Normal, 7, at()), None, "announced, and somebody else cleared the flags");
    assert_eq!(waiting(CheckState::ForcedUnhealthy, 6, at()), None, "announced and not made");
    assert_eq!(waiting(CheckState::Foreign, 7, at()), None, "somebody else's, whatever the version");
    assert_eq!(waiting(CheckState::ForcedUnhealthy, 7, at() + ANNOUNCED_FOR), None, "lapsed");
    let confirmed = Memory { routed: Some(moved("x")), ..Memory::default() };
    let check = HealthCheck::of(CheckState::ForcedUnhealthy, 7);
    assert_eq!(check.unconfirmed(&confirmed, at()), None, "confirmed already: a tick writes nothing");
}

#[test]
fn a_request_to_rds_counts_for_five_minutes() {
    let sent = Sent { version: 7, at: at(), instance: "orders-replica".to_owned() };
    assert!(sent.is_recent(at() + SENT_VOID_AFTER - SignedDuration::from_nanos(1)));
    assert!(!sent.is_recent(at() + SENT_VOID_AFTER));
    assert!(sent.is_recent(at() - SignedDuration::from_secs(1)), "clocks differ");
}

#[test]
fn an_operators_words_are_made_to_fit() {
    for (words, written) in [
        ("plain words: 1+1=2 a_b.c/d@e-f", "plain words: 1+1=2 a_b.c/d@e-f"),
        ("tabs\tand\nlines", "tabs_and_lines"),
        ("ümlaut, (brackets) & \"quotes\"", "_mlaut_ _brackets_ _ _quotes_"),
        // A service that trims the end must not make the tag look like somebody else's.
        ("trailing space ", "trailing space"),
    ] {
        let value = moved(words).to_string();
        assert_eq!(value, format!("version=7 by=auto at={AT} reason={written}"));
        assert_eq!(again(Tag::Routed, &value), value);
    }
    let value = moved(&"x".repeat(1000)).to_string();
    assert_eq!(value.len(), 256);
    assert_eq!(again(Tag::Routed, &value), value);
}

fn timestamps() -> impl Strategy<Value = Timestamp> {
    let seconds = Timestamp::MIN.as_second()..=Timestamp::MAX.as_second();
    (seconds, 0..1_000_000_000_i32)
        .prop_map(|(second, nano)| Timestamp::new(second, nano).unwrap_or(Timestamp::MAX))
}

fn moves() -> impl Strategy<Value = Move> {
    let announcement = (prop::option::of("[A-Za-z0-9]{1,16}"), prop::option::of(timestamps()));
    (1..=i64::MAX, any::<bool>(), timestamps(), announcement, ".{0,300}").prop_map(
        |(version, auto, at, (id, until), reason)| {
            let by = if auto { By::Auto } else { By::Operator };
            Move { version, by, at, id, until, reason }
        },
    )
}

proptest! {
    #[test]
    fn a_move_is_read_as_it_was_written(moved in moves()) {
        let value = moved.to_string();
        prop_assert!(is_taken(&value), "{}", value);
        for tag in [Tag::Routed, Tag::Returned] {
            let memory = parse(tag, &value).unwrap();
            let read = if tag == Tag::Routed { memory.routed.clone() } else { memory.returned.clone() }.unwrap();
            prop_assert_eq!((read.version, read.by, read.at), (moved.version, moved.by, moved.at));
            prop_assert_eq!((&read.id, read.until), (&moved.id, moved.until));
            prop_assert_eq!(memory.value_of(tag).unwrap(), value.clone());
        }
    }

    #[test]
    fn a_promotion_is_read_as_it_was_written(version in 1..=i64::MAX, at in timestamps(), instance in "[a-z][a-z0-9-]{0,62}") {
        let promotion = Sent { version, at, instance };
        let value = promotion.to_string();
        prop_assert!(is_taken(&value), "{}", value);
        prop_assert_eq!(parse(Tag::Promoted, &value).unwrap().promoted, Some(promotion.clone()));
        prop_assert_eq!(parse(Tag::Fenced, &value).unwrap().fenced, Some(promotion));
    }

    #[test]
    fn a_pause_is_read_as_it_was_written(until in prop::option::of(timestamps()), reason in ".{0,300}") {
        let value = Pause { until, reason }.to_string();
        prop_assert!(is_taken(&value), "{}", value);
        let read = parse(Tag::Pause, &value).unwrap().pause.unwrap();
        prop_assert_eq!(read.until, until);
        prop_assert_eq!(read.to_string(), value);
    }

    #[test]
    fn garbage_is_an_error_and_never_a_panic(garbage in ".*") {
        for tag in Tag::ALL {
            // Most is refused; what is taken is taken the same again.
            if let Ok(memory) = parse(tag, &garbage) {
                let value = memory.value_of(tag).unwrap();
                prop_assert!(is_taken(&value));
                prop_assert_eq!(again(tag, &value), value);
            }
        }
    }

    #[test]
    fn a_tag_that_was_damaged_is_an_error_or_another_memory(moved in moves(), cut in 0_usize..256, put in any::<char>()) {
        let mut value: Vec<char> = moved.to_string().chars().collect();
        let index = cut % value.len();
        value[index] = put;
        let value: String = value.into_iter().collect();
        if let Ok(memory) = parse(Tag::Routed, &value) {
            prop_assert!(memory.routed.is_some());
        }
    }

    #[test]
    fn no_time_is_too_far(at in timestamps(), seconds in any::<u64>()) {
        prop_assert!(after(at, Duration::from_secs(seconds)) >= at);
    }
}
