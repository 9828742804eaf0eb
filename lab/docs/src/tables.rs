//! The blocks, by name.

use rds_route53_failover::config::{VARIABLES, Variable};
use rds_route53_failover::decide::{
    After, Asked, Check, Code, Effect, Force, Next, Rule, Section, Sees, UNREADABLE, rules,
};
use rds_route53_failover::model::Change;
use rds_route53_failover::status::Health;

/// The block of this name, lines with their ends.
pub(crate) fn block(name: &str) -> Option<String> {
    match name {
        "variables" => Some(variables()),
        "rules" => Some(sections()),
        "codes" => Some(codes()),
        _ => None,
    }
}

fn table(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let head: Vec<_> = head.iter().map(|&cell| cell.to_owned()).collect();
    let rule = format!("|{}\n", "---|".repeat(head.len()));
    line(&head) + &rule + &rows.map(|row| line(&row)).collect::<String>()
}

fn variables() -> String {
    let default = |variable: &Variable| match variable.default {
        words if words == "none" || words.starts_with("required") || words.contains('`') => words.to_owned(),
        value => format!("`{value}`"),
    };
    let row = |variable: &Variable| {
        let Variable { name, allowed, meaning, .. } = variable;
        vec![format!("`{name}`"), default(variable), (*allowed).to_owned(), (*meaning).to_owned()]
    };
    table(&["variable", "default", "holds", "meaning"], VARIABLES.iter().map(row))
}

fn sections() -> String {
    let sections = Section::ALL.iter().map(|section| (section.title(), about(*section), section.rules()));
    let unreadable = (
        "Evidence that can't be read",
        "Not part of the list: one of these applies where a row needs evidence that was asked for and could not be read.",
        UNREADABLE,
    );
    let parts = sections.chain([unreadable]).map(|(title, about, rows)| part(title, about, rows));
    let last = Rule::of(Code::NoRuleApplies);
    let nothing = format!("\nWhere no row applies, nothing is changed:\n\n{}", words(last));
    parts.chain([nothing]).collect()
}

fn about(section: Section) -> &'static str {
    match section {
        Section::Evidence => "What must be known before anything else.",
        Section::OnPrimary => "The check is normal: traffic goes to the primary.",
        Section::OnSecondary => {
            "The check is forced unhealthy: traffic goes to the secondary. Who moved it, and was the replica promoted?"
        }
        Section::Promotion => {
            "Traffic is on the secondary, and the primary is unhealthy or an operator requests a promotion."
        }
        Section::Failback => {
            "Traffic is on the secondary, nothing was promoted, and the primary may be back."
        }
    }
}

fn part(title: &str, about: &str, rows: &[Rule]) -> String {
    let row = |rule: &Rule| {
        vec![
            format!("`{}`", rule.code),
            check(rule.check).to_owned(),
            asked(rule.asked).to_owned(),
            sees(rule.sees),
            rule.when.to_owned(),
            effect(rule.effect).to_owned(),
            force(rule.force).to_owned(),
        ]
    };
    let head = ["code", "check", "asked by", "sees", "when", "effect", "force"];
    let words: String = rows.iter().map(words).collect();
    format!("\n## {title}\n\n{about}\n\n{}\n{words}", table(&head, rows.iter().map(row)))
}

fn words(rule: &Rule) -> String {
    format!("- `{}`: {}. *Next:* {}\n", rule.code, rule.message, next(rule.next))
}

fn codes() -> String {
    let mut rows: Vec<(&str, Vec<String>)> = Vec::new();
    for rule in rules().chain(UNREADABLE) {
        let code = rule.code.as_str();
        let step = next(rule.next);
        match rows.iter_mut().find(|(known, _)| *known == code) {
            // A code of a normal check and of a forced one.
            Some((_, steps)) if !steps.contains(&step) => steps.push(step),
            Some(_) => {}
            None => rows.push((code, vec![step])),
        }
    }
    let rows = rows.into_iter().map(|(code, steps)| vec![format!("`{code}`"), steps.join(" Or: ")]);
    table(&["code", "next step"], rows)
}

fn next(next: Next) -> String {
    match next.command {
        None => next.words.to_owned(),
        Some(command) => format!("{} `{}`", next.words, command.0),
    }
}

fn check(check: Check) -> &'static str {
    match check {
        Check::Any => "any",
        Check::Normal => "normal",
        Check::Forced => "forced",
        Check::ForcedByUs => "forced by this function",
        Check::Foreign => "foreign",
    }
}

fn asked(asked: Asked) -> &'static str {
    match asked {
        Asked::Any => "anybody",
        Asked::Tick => "tick",
        Asked::Failover => "failover",
        Asked::Promotion => "promotion",
        Asked::Failback => "failback",
        Asked::TickOrFailover => "tick, failover",
        Asked::TickOrPromotion => "tick that sees unhealthy, promotion",
    }
}

fn sees(sees: Sees) -> String {
    match sees {
        Sees::Any => "anything".to_owned(),
        Sees::Only(health) => health.as_str().to_owned(),
        Sees::Not(health) => format!("not {}", health.as_str()),
        Sees::ConfirmedUnhealthy => format!("{}, confirmed", Health::Unhealthy.as_str()),
        Sees::ConfirmedUnhealthyOrForce => format!("{}, confirmed; or `force`", Health::Unhealthy.as_str()),
        Sees::ConfirmedHealthy => format!("{}, confirmed", Health::Healthy.as_str()),
        Sees::ConfirmedHealthyOrForce => format!("{}, confirmed; or `force`", Health::Healthy.as_str()),
    }
}

fn effect(effect: Effect) -> &'static str {
    match effect {
        Effect::Stay { notify: false } => "no change",
        Effect::Stay { notify: true } => "no change, notify",
        Effect::Fail => "fail the invocation",
        Effect::Observe(After::Interval) => "observe again",
        Effect::Observe(After::Nothing) => "observe again at once",
        Effect::Change(Change::RouteToSecondary) => "**fail over**",
        Effect::Change(Change::PromoteReplica) => "**promote**",
        Effect::Change(Change::FencePrimary) => "**fence**",
        Effect::Change(Change::RouteToPrimary) => "**fail back**",
        Effect::Change(Change::Pause | Change::Resume) => "",
    }
}

fn force(force: Force) -> &'static str {
    match force {
        Force::Respects => "",
        Force::Overrides => "overrides",
        Force::OverridesForFailback => "overrides, for a failback",
    }
}
