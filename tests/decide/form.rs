//! The list itself is well formed.

use std::collections::BTreeSet;

use rds_route53_failover::decide::explain::{refused_failover, refused_promotion};
use rds_route53_failover::decide::{
    Asked, Check, Code, Effect, Force, Rule, Section, Sees, UNREADABLE, rules,
};

fn every_row() -> impl Iterator<Item = &'static Rule> {
    rules().chain(UNREADABLE)
}

#[test]
fn sections_dont_mix() {
    for section in Section::ALL {
        for rule in section.rules() {
            let belongs = match section {
                Section::Evidence => matches!(rule.check, Check::Any | Check::Foreign),
                Section::OnPrimary => rule.check == Check::Normal,
                Section::OnSecondary | Section::Promotion | Section::Failback => {
                    matches!(rule.check, Check::Forced | Check::ForcedByUs)
                }
            };
            assert!(belongs, "{} in {}", rule.code, section.title());
        }
    }
}

/// Whether the columns of `wide` match wherever those of `narrow` do, as far as a table can tell.
fn covers(wide: &Rule, narrow: &Rule) -> bool {
    let check = wide.check == Check::Any
        || wide.check == narrow.check
        || (wide.check == Check::Forced && narrow.check == Check::ForcedByUs);
    let asked = match wide.asked {
        Asked::Any => true,
        Asked::TickOrFailover => {
            matches!(
                narrow.asked,
                Asked::Tick
                    | Asked::Failover
                    | Asked::Promotion
                    | Asked::TickOrFailover
                    | Asked::TickOrPromotion
            )
        }
        Asked::Failover => matches!(narrow.asked, Asked::Failover | Asked::Promotion),
        Asked::TickOrPromotion => matches!(narrow.asked, Asked::Promotion | Asked::TickOrPromotion),
        Asked::Tick | Asked::Promotion | Asked::Failback => wide.asked == narrow.asked,
    };
    let force = wide.force == Force::Respects || wide.force == narrow.force;
    check && asked && (wide.sees == Sees::Any || wide.sees == narrow.sees) && force
}

#[test]
fn no_row_stands_after_an_unconditional_one_that_always_applies_first() {
    for section in Section::ALL {
        let rules = section.rules();
        for (at, narrow) in rules.iter().enumerate() {
            for wide in rules[..at].iter().filter(|rule| rule.when.is_empty()) {
                assert!(!covers(wide, narrow), "{} is never reached after {}", narrow.code, wide.code);
            }
        }
    }
}

#[test]
fn every_row_that_changes_something_says_what_it_requires() {
    for rule in every_row().filter(|rule| matches!(rule.effect, Effect::Change(_))) {
        assert!(matches!(rule.check, Check::Normal | Check::Forced | Check::ForcedByUs), "{}", rule.code);
        assert_ne!(rule.asked, Asked::Any, "{}", rule.code);
        assert!(rule.sees != Sees::Any || !rule.when.is_empty(), "{}", rule.code);
        assert_eq!(rule.force, Force::Respects, "{}: a change is no guard", rule.code);
        if rule.asked == Asked::Tick {
            assert_ne!(rule.sees, Sees::Any, "{}", rule.code);
        }
    }
}

#[test]
fn the_last_row_changes_nothing() {
    let last = Rule::of(Code::NoRuleApplies);
    assert_eq!(last.code, Code::NoRuleApplies);
    assert_eq!(
        (last.effect, last.check, last.asked, last.sees),
        (Effect::Fail, Check::Any, Asked::Any, Sees::Any)
    );
}

#[test]
fn evidence_that_cant_be_read_never_changes_anything() {
    for rule in UNREADABLE {
        assert_eq!(rule.effect, Effect::Fail, "{}", rule.code);
        assert_eq!(Rule::of(rule.code).code, rule.code);
    }
}

#[test]
fn codes_are_unique_within_a_section_and_every_code_has_a_row() {
    for section in Section::ALL {
        let codes: BTreeSet<_> = section.rules().iter().map(|rule| rule.code).collect();
        assert_eq!(codes.len(), section.rules().len(), "{}", section.title());
    }
    for code in Code::ALL {
        assert_eq!(Rule::of(*code).code, *code);
        let text = code.as_str();
        assert!(text.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{text}");
        assert!(!text.starts_with('-') && !text.ends_with('-'), "{text}");
    }
}

#[test]
fn a_row_is_written_for_a_person() {
    for rule in every_row() {
        assert!(
            rule.message.starts_with(char::is_uppercase) && !rule.message.ends_with('.'),
            "{}",
            rule.code
        );
        assert!(rule.next.words.starts_with(char::is_uppercase), "{}", rule.code);
        let end = if rule.next.command.is_some() { ':' } else { '.' };
        assert!(rule.next.words.ends_with(end), "{}: {}", rule.code, rule.next.words);
        assert!(!rule.when.ends_with('.'), "{}", rule.code);
    }
}

#[test]
fn a_command_in_a_row_is_one_that_the_function_takes() {
    let pair = crate::scene::pair(&[]);
    for command in every_row().filter_map(|rule| rule.next.command) {
        let read = rds_route53_failover::trigger::read(command.0.as_bytes(), &pair);
        assert!(read.is_ok(), "{}: {read:?}", command.0);
    }
}

/// A new row that refuses belongs to an alarm: this says which, and for the others that another one rings.
#[test]
fn each_refusal_of_a_tick_is_counted_by_the_metric_of_its_alarm() {
    let refusals = |section: Section| {
        let by_tick =
            |rule: &&Rule| !matches!(rule.asked, Asked::Failover | Asked::Promotion | Asked::Failback);
        let refusing = section.rules().iter().filter(|rule| rule.effect == Effect::REFUSE);
        refusing.filter(by_tick).map(|rule| rule.code).collect::<Vec<_>>()
    };
    let (failovers, others): (Vec<_>, Vec<_>) =
        refusals(Section::OnPrimary).into_iter().partition(|code| refused_failover(*code));
    assert_eq!(failovers, [Code::Cooldown, Code::ReplicaNotFit, Code::SecondaryUnreachable]);
    // StalePrimary and NotHealthy ring for these.
    assert_eq!(others, [Code::StalePrimary, Code::PrimaryNotFound]);
    let promotions = refusals(Section::Promotion);
    assert_eq!(promotions, [Code::ReplicaNotReady, Code::LagUnknown, Code::LagTooHigh]);
    for rule in rules() {
        assert_eq!(refused_failover(rule.code), failovers.contains(&rule.code), "{}", rule.code);
        assert_eq!(refused_promotion(rule.code), promotions.contains(&rule.code), "{}", rule.code);
    }
}
