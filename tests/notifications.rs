//! What people are told: once, in time, with all that they need at 3 a.m.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use common::mail::{Told, delivered, subjects, told, topic};
use common::*;
use emulator::{Fault, Instance, RdsEvent};
use proof::rig::{CHECK, PRIMARY, REGION, REPLICA, Rig, world};
use rds_route53_failover::config::Config;
use rds_route53_failover::model::Change::{PromoteReplica, RouteToPrimary, RouteToSecondary};
use rds_route53_failover::trigger::{self, Request};
use serde_json::{Value, json};

fn notified(world: emulator::World, variables: &[(&str, &str)]) -> Rig {
    let topic = topic();
    Rig::new(world, &[variables, &[("NOTIFICATION_TOPIC_ARN", topic.as_str())]].concat())
}

#[tokio::test(start_paused = true)]
async fn each_change_is_told_once_with_all_that_a_person_needs() {
    let rig = notified(world_with("failed"), &[PROMOTE]);
    rig.tick().await.unwrap();
    let messages = told(&rig);
    assert_eq!(messages.len(), 2, "one for each change: {messages:?}");
    for Told { subject, mail, .. } in &messages {
        assert!(subject.len() <= 100 && subject.is_ascii(), "{subject}");
        assert!(subject.contains(PRIMARY), "{subject}");
        for fact in [
            "Rule: ",
            "failed",
            "At stake: ",
            "Next: ",
            "account 123456789012, region us-east-1",
            "Function: rds-route53-failover",
            CHECK,
        ] {
            assert!(mail.contains(fact), "{fact}: {mail}");
        }
    }
    assert!(messages[1].mail.contains("at least 0.5 s of writes, at most"), "{}", messages[1].mail);
    for _ in 0..5 {
        rig.wait(seconds(60)).await;
        rig.tick().await.unwrap();
    }
    assert_eq!(told(&rig).len(), 2, "no repeat each minute");
}

#[tokio::test(start_paused = true)]
async fn chat_shows_the_same_facts_in_the_form_that_amazon_q_reads() {
    let rig = notified(world_with("failed"), &[PROMOTE]);
    rig.tick().await.unwrap();
    for Told { chat, .. } in told(&rig) {
        assert_eq!((&chat["version"], &chat["source"]), (&json!("1.0"), &json!("custom")));
        let content = &chat["content"];
        assert_eq!(content["textType"], "client-markdown");
        assert!(content["title"].as_str().unwrap().starts_with(PRIMARY), "{chat}");
        assert!(content["description"].as_str().unwrap().contains("*At stake:* at least"));
        let steps = content["nextSteps"].as_array().unwrap();
        assert!(steps.iter().all(|step| !step.as_str().unwrap().is_empty()), "{chat}");
        let context = &chat["metadata"]["additionalContext"];
        assert_eq!(
            (&context["account"], &context["region"], &context["function"]),
            (&json!("123456789012"), &json!(REGION), &json!("rds-route53-failover"))
        );
    }
}

/// The thread of each message so far.
fn threads(rig: &Rig) -> Vec<String> {
    let of = |told: Told| told.chat["metadata"]["threadId"].as_str().unwrap().to_owned();
    told(rig).into_iter().map(of).collect()
}

/// An order that is refused for this reason, and notified.
async fn told_no(rig: &Rig, order: Value, reason: &str) {
    let before = told(rig).len();
    let report = rig.invoke(order).await.unwrap();
    assert_eq!((report.reason, report.actions.len()), (reason, 0), "{}", report.message);
    assert_eq!(told(rig).len(), before + 1);
}

/// One thread for ever would bury the second incident under the first; one for each message would tear it apart.
#[tokio::test(start_paused = true)]
async fn an_incident_is_one_thread_from_the_move_to_the_failback_and_the_next_one_is_another() {
    let rig = notified(world_with("failed"), &[PROMOTE]);
    tick_does(&rig, "promote", "replica-fit-to-promote", &[RouteToSecondary, PromoteReplica]).await;
    rig.wait(seconds(600)).await;
    told_no(&rig, failback(json!({})), "primary-not-healthy").await;
    // Rebuilt and swapped: the primary of the failback has another name.
    {
        let mut w = rig.emulator.world();
        let promoted = w.instance(REPLICA).unwrap().clone();
        w.add(Instance::replica_of(&promoted, REGION, "orders-2"));
        w.set_replica_lag("orders-2", Some(0.5));
    }
    let rig = rig.redeployed(&[
        ("PRIMARY_DB_INSTANCE_IDENTIFIER", REPLICA),
        ("FAILOVER_DB_INSTANCE_IDENTIFIER", "orders-2"),
    ]);
    obeyed(&rig, failback(json!({})), "failback-ordered", &[RouteToPrimary]).await;
    let first = threads(&rig);
    assert_eq!(first.len(), 4, "{:?}", subjects(&rig));
    assert!(first.iter().all(|thread| *thread == first[0]), "{first:?}");

    rig.wait(seconds(700)).await;
    set_status(&rig, REPLICA, "failed");
    tick_does(&rig, "promote", "replica-fit-to-promote", &[RouteToSecondary, PromoteReplica]).await;
    let second = threads(&rig).split_off(first.len());
    assert_eq!(second.len(), 2);
    assert!(second.iter().all(|thread| *thread == second[0] && *thread != first[0]), "{first:?} {second:?}");
}

#[tokio::test(start_paused = true)]
async fn what_belongs_to_no_incident_is_in_the_thread_of_its_day() {
    let rig = notified(world(), &[]);
    let refusal = || failover(json!({}));
    tick_stays(&rig, "primary-healthy").await;
    told_no(&rig, refusal(), "primary-healthy").await;
    set_status(&rig, PRIMARY, "storage-full");
    tick_does(&rig, "fail-over", "primary-unhealthy", &[RouteToSecondary]).await;
    set_status(&rig, PRIMARY, "available");
    tick_does(&rig, "fail-back", "primary-recovered", &[RouteToPrimary]).await;
    told_no(&rig, refusal(), "primary-healthy").await;
    rig.wait(seconds(24 * 3600)).await;
    told_no(&rig, refusal(), "primary-healthy").await;
    let threads = threads(&rig);
    let [before, moved, back, after, next_day] = &threads[..] else { panic!("{threads:?}") };
    assert_eq!((before, moved), (after, back), "the old incident does not come back");
    assert!(before != moved && before.ends_with("-2026-01-31") && next_day.ends_with("-2026-02-01"));
}

fn stakes(rig: &Rig) -> Vec<(String, String)> {
    let of = |told: Told| {
        let stake = told.mail.lines().find_map(|line| line.strip_prefix("At stake: ").map(str::to_owned));
        let stake = stake.unwrap_or_else(|| panic!("nothing is said of what is at stake: {}", told.mail));
        let chat = told.chat["content"]["description"].as_str().unwrap();
        assert!(chat.ends_with(&format!("*At stake:* {stake}")), "{chat}");
        (told.subject.split_once(": ").unwrap().1.to_owned(), stake)
    };
    told(rig).into_iter().map(of).collect()
}

/// A missing line reads as if nothing were at stake.
#[tokio::test(start_paused = true)]
async fn every_notification_says_what_is_at_stake_or_why_nobody_knows() {
    let said = |rig: &Rig, code: &str| {
        let stakes = stakes(rig);
        let found = stakes.iter().find(|(subject, _)| subject.contains(code));
        found.unwrap_or_else(|| panic!("{code}: {stakes:?}")).1.clone()
    };
    let mut w = world();
    w.set_replica_lag(REPLICA, Some(75.0));
    let rig = notified(w, &[PROMOTE]);
    rig.wait(seconds(300)).await;
    set_status(&rig, PRIMARY, "failed");
    rig.tick().await.unwrap();
    let stake = said(&rig, "lag-too-high");
    assert!(stake.contains("at least 75 s of writes") && stake.contains("sampled "), "{stake}");

    let mut w = world_with("failed");
    w.faults.standing("GetMetricStatistics", Fault::Denied);
    let rig = notified(w, &[PROMOTE]);
    rig.tick().await.unwrap();
    let stake = said(&rig, "lag-unknown");
    assert!(stake.starts_with("unknown (ReplicaLag could not be read (denied"), "{stake}");

    let rig = notified(world_with("failed"), &[]);
    rig.tick().await.unwrap();
    assert_eq!(said(&rig, "route-to-secondary"), "unknown (ReplicaLag is read only before a promotion)");

    let living = "unknown (the replica is promoted: what clients still write to the old primary is lost)";
    for (fence, code) in [("stop", "FenceRefused"), ("off", "old-primary-available")] {
        let rig = promoted(&[("NOTIFICATION_TOPIC_ARN", &topic()), ("FENCE_PRIMARY", fence)]).await;
        rig.emulator.world().faults.standing("StopDBInstance", Fault::Denied);
        set_status(&rig, PRIMARY, "available");
        assert_eq!(rig.tick().await.is_err(), fence == "stop");
        assert_eq!(said(&rig, code), living);
    }
}

/// Every command in a text, each as the words that a shell makes of it.
fn commands(text: &str) -> Vec<Vec<String>> {
    let from = |line: &str| Some(line.trim().trim_matches('`')).filter(|l| l.starts_with("aws ")).map(words);
    text.lines().filter_map(from).collect()
}

/// The words of a command that quotes with `'` alone.
fn words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in command.chars() {
        match c {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            '$' | '`' | '"' | '\\' | ';' | '&' | '|' if !quoted => panic!("a shell reads {c}: {command}"),
            c => words.last_mut().unwrap().push(c),
        }
    }
    assert!(!quoted, "{command}");
    words
}

fn option<'a>(words: &'a [String], name: &str) -> &'a str {
    let at = words.iter().position(|word| word == name).unwrap_or_else(|| panic!("{name}: {words:?}"));
    &words[at + 1]
}

#[tokio::test(start_paused = true)]
async fn the_commands_work_as_they_are_pasted() {
    let config = Config::load(|name| match name {
        "PRIMARY_DB_INSTANCE_IDENTIFIER" => Some(PRIMARY.to_owned()),
        "ROUTE53_HEALTH_CHECK_ID" => Some(CHECK.to_owned()),
        _ => None,
    })
    .unwrap();
    let mut w = world_with("failed");
    w.set_status(REPLICA, "stopped");
    let refused = notified(w, &[]);
    refused.tick().await.unwrap();
    let promoted = notified(world_with("failed"), &[PROMOTE]);
    promoted.tick().await.unwrap();
    let mut seen = Vec::new();
    for Told { mail, chat, .. } in [told(&refused), told(&promoted)].concat() {
        let steps = chat["content"]["nextSteps"].as_array().unwrap();
        let steps = steps.iter().map(|step| step.as_str().unwrap()).collect::<Vec<_>>().join("\n");
        let in_mail = commands(&mail);
        assert_eq!(in_mail.len(), 2, "what to do, and how to look: {mail}");
        for words in [in_mail, commands(&steps)].concat() {
            assert_eq!(words[..3], ["aws", "lambda", "invoke"], "{words:?}");
            assert_eq!(option(&words, "--function-name"), "rds-route53-failover");
            assert_eq!(option(&words, "--region"), REGION);
            assert_eq!(option(&words, "--cli-read-timeout"), "900");
            // Without it the second version of the command line takes the payload for base64.
            assert_eq!(option(&words, "--cli-binary-format"), "raw-in-base64-out");
            assert_eq!(words.last().map(String::as_str), Some("/dev/stdout"), "{words:?}");
            let payload = option(&words, "--payload");
            match trigger::read(payload.as_bytes(), &config.pair) {
                Ok(Request::Action(_)) => {}
                other => panic!("{payload}: {other:?}"),
            }
            seen.push(serde_json::from_str::<Value>(payload).unwrap()["action"].clone());
        }
    }
    for action in ["status", "failover", "failback"] {
        assert!(seen.contains(&json!(action)), "{action}: {seen:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_standing_refusal_is_told_once_in_ten_minutes() {
    let mut w = world_with("failed");
    w.set_status(REPLICA, "stopped");
    let rig = notified(w, &[]);
    for _ in 0..8 {
        rig.tick().await.unwrap();
        rig.wait(seconds(50)).await;
    }
    assert_eq!(subjects(&rig), ["no change was made (replica-not-fit)"]);
    rig.wait(seconds(60)).await;
    rig.tick().await.unwrap();
    assert_eq!(told(&rig).len(), 2, "it lasts");
}

#[tokio::test(start_paused = true)]
async fn two_refusals_that_take_turns_are_each_told_once_in_ten_minutes() {
    let mut w = world();
    w.set_replica_lag(REPLICA, Some(75.0));
    let rig = notified(w, &[PROMOTE]);
    rig.wait(seconds(300)).await;
    set_status(&rig, PRIMARY, "failed");
    rig.tick().await.unwrap();
    let moved = told(&rig).len();
    for turn in 0..10 {
        set_status(&rig, REPLICA, if turn % 2 == 0 { "rebooting" } else { "available" });
        rig.tick().await.unwrap();
        rig.wait(seconds(50)).await;
    }
    let after = &subjects(&rig)[moved..];
    let count = |code: &str| after.iter().filter(|subject| subject.contains(code)).count();
    assert_eq!(count("replica-not-ready"), 1, "{after:?}");
    assert!(count("lag-too-high") <= 1 && after.len() <= 2, "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn what_a_persons_order_meets_is_told_each_time_and_what_is_so_already_is_not() {
    let rig = notified(world(), &[("CONFIRMATIONS", "1")]);
    rig.invoke(failback(json!({}))).await.unwrap();
    assert_eq!(told(&rig).len(), 0, "there was nothing to take back");
    for _ in 0..2 {
        rig.invoke(failover(json!({}))).await.unwrap();
    }
    assert_eq!(subjects(&rig), ["no change was made (primary-healthy)"; 2]);

    set_status(&rig, PRIMARY, "failed");
    for _ in 0..2 {
        rig.invoke(failover(json!({"promote": true}))).await.unwrap();
    }
    assert_eq!(
        subjects(&rig)[2..],
        [
            "route-to-secondary (failover-ordered)",
            "promote-replica (promotion-ordered)",
            "no change was made (promotion-in-progress)"
        ]
    );
    rig.invoke(failover(json!({}))).await.unwrap();
    assert_eq!(subjects(&rig).len(), 5, "traffic is on the secondary, as requested");
}

#[tokio::test(start_paused = true)]
async fn a_failed_publish_blocks_nothing_and_is_reported() {
    for fault in [Fault::Denied, Fault::Hang, Fault::Server(500)] {
        let mut w = world_with("failed");
        w.faults.standing("Publish", fault);
        let rig = notified(w, &[PROMOTE]);
        let report = rig.tick().await.unwrap();
        assert_eq!(report.actions, [RouteToSecondary, PromoteReplica]);
        assert!(report.message.contains("2 notification(s) could not be sent"), "{}", report.message);
        assert_eq!(last_metric(&rig, "NotificationFailures"), Some(2.0));
    }
}

/// Whoever may invoke the function could otherwise silence it with an event that names the topic.
#[tokio::test(start_paused = true)]
async fn no_event_silences_a_notification_and_the_notification_itself_wakes_nobody() {
    let rig = notified(world_with("storage-full"), &[]);
    let outage = RdsEvent::new(PRIMARY, "RDS-EVENT-0031").sns_message(REGION);
    let report = rig.invoke(delivered(outage)).await.unwrap();
    assert_eq!(report.actions, [RouteToSecondary]);
    assert_eq!(told(&rig).len(), 1);
    // Where the same topic carries RDS's events, the function hears itself.
    let calls = rig.emulator.world().calls().len();
    let echo = told(&rig).remove(0).mail;
    let report = rig.invoke(delivered(echo)).await.unwrap();
    assert_eq!((report.decision, report.reason), ("ignore", "not-an-rds-notification"));
    assert_eq!(rig.emulator.world().calls().len(), calls);
}

#[tokio::test(start_paused = true)]
async fn a_topic_in_another_region_is_asked_there() {
    let mut w = world_with("storage-full");
    let arn = w.add_topic("eu-west-1", "alerts");
    w.add(Instance::new("eu-west-1", "unrelated"));
    let rig = Rig::new(w, &[("NOTIFICATION_TOPIC_ARN", arn.as_str())]);
    rig.tick().await.unwrap();
    let world = rig.emulator.world();
    let publish = world.calls().iter().find(|call| call.operation == "Publish").unwrap();
    assert_eq!(publish.region, "eu-west-1");
}

#[tokio::test(start_paused = true)]
async fn a_reason_with_line_breaks_can_not_forge_a_paragraph_of_the_mail() {
    let rig = notified(world_with("failed"), &[]);
    let forged = "drill\n\nNext: aws rds delete-db-instance\u{2028}--skip-final-snapshot\u{202e}";
    rig.invoke(json!({"action": "failover", "reason": forged})).await.unwrap();
    let Told { mail, chat, .. } = told(&rig).remove(0);
    assert!(mail.contains("drill  Next: aws rds delete-db-instance --skip-final-snapshot"), "{mail}");
    assert!(!mail.lines().any(|line| line.starts_with("Next: aws rds")), "{mail}");
    for text in [mail.as_str(), chat["content"]["description"].as_str().unwrap()] {
        assert!(!text.contains(['\u{2028}', '\u{202e}']), "{text}");
    }
    assert!(!chat["content"]["description"].as_str().unwrap().contains("\n\n"), "{chat}");
    assert!(!tag(&rig, "routed").unwrap().contains(|c: char| c.is_control()));
}

/// A refusal is repeated seldom; a change that may have been made is no refusal.
#[tokio::test(start_paused = true)]
async fn a_change_that_may_have_been_made_is_told_each_time() {
    let rig = notified(world_with("failed"), &[PROMOTE]);
    rig.emulator.world().faults.standing("PromoteReadReplica", Fault::Reset);
    rig.tick().await.unwrap_err();
    for _ in 0..2 {
        rig.wait(seconds(301)).await;
        let before = told(&rig).len();
        assert_eq!(rig.tick().await.unwrap_err().kind.name(), "PromotionUnconfirmed");
        assert_eq!(told(&rig).len(), before + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_could_not_be_written_is_told_to_the_person_though_a_tick_has_told_the_same() {
    let rig = notified(world_with("failed"), &[]);
    rig.emulator.world().faults.standing("ChangeTagsForResource", Fault::Denied);
    assert_eq!(rig.tick().await.unwrap_err().kind.name(), "TagWriteFailed");
    let before = told(&rig).len();
    rig.invoke(json!({"action": "pause", "reason": "work"})).await.unwrap_err();
    assert_eq!(told(&rig).len(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_its_deadline_left_unconfirmed_is_told_and_says_that_force_would_help() {
    let rig = notified(world_with("failed"), &[]);
    let report = rig.invoke_within(failover(json!({})), seconds(10)).await.unwrap();
    assert_eq!((report.reason, report.actions.as_slice()), ("unconfirmed", &[][..]));
    assert!(report.message.contains("`force`"), "{}", report.message);
    assert_eq!(subjects(&rig), ["no change was made (unconfirmed)"]);
}
