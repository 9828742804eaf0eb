//! The client against a stub of Lambda's Invoke API behind which the real function runs over the emulator: what
//! an operator is told, what is asked, and above all what is not sent.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::convert::Infallible;
use std::sync::Arc;

use emulator::World;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use proof::rig::{CHECK, PRIMARY, REPLICA, world};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use common::command;
use ctl::{args::Args, ask};
use deployed::{Deployed, deployed, ended};

mod common;
mod deployed;

fn world_with(status: &str) -> World {
    let mut world = world();
    world.set_status(PRIMARY, status);
    world
}

fn flags(function: &Deployed) -> (bool, bool) {
    let world = function.rig.emulator.world();
    let check = world.health_check(CHECK).unwrap();
    (check.disabled, check.inverted)
}

#[tokio::test]
async fn status_of_a_healthy_primary_is_a_table_and_exit_code_0() {
    let function = deployed(world(), &[]);
    let run = function.run("status", &["--qualifier", "live"]).await;
    assert_eq!(run.exit, 0, "{}", run.errors);
    assert_eq!(run.path, "/2015-03-31/functions/orders/invocations?Qualifier=live");
    for word in ["primary-healthy", PRIMARY, REPLICA, CHECK, "lag 0.5 s", "primary record"] {
        assert!(run.out.contains(word), "{word} is not in {}", run.out);
    }
    assert!(run.out.lines().all(|line| line.chars().count() <= 80), "{}", run.out);
    assert_eq!(function.rig.emulator.world().writes().count(), 0);
}

#[tokio::test]
async fn status_of_an_unhealthy_primary_is_exit_code_6() {
    let run = deployed(world_with("storage-full"), &[]).run("status", &[]).await;
    assert_eq!(run.exit, 6);
    assert!(run.out.contains("storage-full"), "{}", run.out);
}

/// The first line of the table as one line, however it is wrapped.
fn first_line(table: &str) -> String {
    let lines = table.lines().skip_while(|line| !line.starts_with("Automatic"));
    let own = lines.enumerate().take_while(|(index, line)| *index == 0 || line.starts_with(' '));
    own.map(|(_, line)| line.trim()).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn the_first_line_of_status_names_mode_pause_and_cooldown_and_none_hides_another() {
    let function = deployed(world(), &[]);
    assert_eq!(first_line(&function.run("status", &[]).await.out), "Automatic     on");

    function.run("failover", &["--reason", "drill", "--yes", "--force"]).await;
    function.run("failback", &["--reason", "drill over", "--yes"]).await;
    let line = first_line(&function.run("status", &[]).await.out);
    assert!(line.contains("IN COOLDOWN until 20") && !line.contains("PAUSED"), "{line}");

    function.run("pause", &["--reason", "upgrade", "--for", "2h"]).await;
    let line = first_line(&function.run("status", &[]).await.out);
    assert!(line.contains("PAUSED by a person until 20") && line.contains("Z: upgrade."), "{line}");
    assert!(line.contains("IN COOLDOWN until 20") && !line.contains("OFF"), "{line}");

    function.run("pause", &["--reason", "upgrade"]).await;
    let line = first_line(&function.run("status", &[]).await.out);
    assert!(line.contains("PAUSED by a person until `ctl resume`: upgrade."), "{line}");
}

#[tokio::test]
async fn in_observe_mode_the_first_line_of_status_says_off_and_still_names_the_pause() {
    let function = deployed(world(), &[("MODE", "observe")]);
    let line = first_line(&function.run("status", &[]).await.out);
    assert!(line.contains("OFF: MODE=observe") && !line.contains("PAUSED"), "{line}");
    let tag = "until=forever reason=by hand";
    function.rig.emulator.world().console_set_tag(CHECK, "failover:pause", tag);
    let line = first_line(&function.run("status", &[]).await.out);
    assert!(line.contains("OFF: MODE=observe") && line.contains("PAUSED by a person until"), "{line}");
    assert!(line.contains("by hand"), "{line}");
}

#[tokio::test]
async fn json_is_the_functions_answer_and_nothing_else() {
    let run = deployed(world(), &[]).run("status", &["--json"]).await;
    let answer: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(answer["reason"], "primary-healthy");
    assert_eq!(run.errors, "");
}

#[tokio::test]
async fn check_shows_each_failure_with_its_fix_and_is_exit_code_6_until_all_are_fixed() {
    let mut broken = world();
    broken.set_replication(REPLICA, "error");
    let run = deployed(broken, &[]).run("check", &[]).await;
    assert_eq!(run.exit, 6);
    assert!(run.out.contains("FAIL") && run.out.contains("fix: "), "{}", run.out);
    let run = deployed(world(), &[]).run("check", &[]).await;
    assert_eq!(run.exit, 0, "{}", run.out);
}

#[tokio::test]
async fn an_order_without_a_terminal_and_without_yes_is_not_even_a_request() {
    let function = deployed(world_with("storage-full"), &[]);
    for order in ["failover", "failback"] {
        let run = function.run(order, &["--reason", "drill"]).await;
        assert_eq!(run.exit, 5);
        assert!(
            run.errors.contains("Nothing was sent") && run.errors.contains("Pass --yes"),
            "{}",
            run.errors
        );
        assert!(run.payloads.is_empty());
    }
    assert_eq!(flags(&function), (false, false));
}

#[tokio::test]
async fn a_failover_and_a_failback_with_yes_are_sent_once_and_move_traffic() {
    let function = deployed(world_with("storage-full"), &[]);
    let run = function.run("failover", &["--reason", "disk full", "--yes"]).await;
    assert_eq!(run.exit, 0, "{}{}", run.out, run.errors);
    assert_eq!(run.payloads, [json!({"action": "failover", "reason": "disk full"})]);
    assert_eq!(flags(&function), (true, true));
    let again = function.run("failover", &["--reason", "disk full", "--yes"]).await;
    assert_eq!(again.exit, 0, "what is so already is as ordered: {}", again.out);
    function.rig.emulator.world().set_status(PRIMARY, "available");
    let back = function.run("failback", &["--reason", "repaired", "--yes"]).await;
    assert_eq!((back.exit, flags(&function)), (0, (false, false)), "{}", back.out);
}

#[tokio::test]
async fn a_refused_order_is_exit_code_1_and_says_why() {
    let function = deployed(world(), &[]);
    let run = function.run("failover", &["--reason", "drill", "--yes"]).await;
    assert_eq!((run.exit, flags(&function)), (1, (false, false)));
    assert!(run.out.contains("primary-healthy"), "{}", run.out);
    let forced = function.run("failover", &["--reason", "drill", "--yes", "--force"]).await;
    assert_eq!((forced.exit, flags(&function)), (0, (true, true)));
}

#[tokio::test]
async fn a_promotion_that_a_guard_stops_is_exit_code_1_though_traffic_was_moved() {
    let mut lagging = world_with("failed");
    lagging.set_replica_lag(REPLICA, Some(900.0));
    lagging.advance(lagging.now() + jiff::SignedDuration::from_hours(1));
    let function = deployed(lagging, &[]);
    let run = function.run("failover", &["--reason", "dead", "--promote", "--yes"]).await;
    assert_eq!((run.exit, flags(&function)), (1, (true, true)), "{}", run.out);
    assert_eq!(function.rig.emulator.world().count("PromoteReadReplica"), 0);
    let run =
        function.run("failover", &["--reason", "dead", "--promote", "--allow-data-loss", "--yes"]).await;
    assert_eq!(run.exit, 0, "{}", run.out);
    assert_eq!(function.rig.emulator.world().count("PromoteReadReplica"), 1);
}

#[tokio::test]
async fn in_observe_mode_an_order_is_not_called_done() {
    let function = deployed(world_with("failed"), &[("MODE", "observe")]);
    let run = function.run("failover", &["--reason", "drill", "--yes"]).await;
    assert_eq!((run.exit, flags(&function)), (1, (false, false)));
    let run = function.run("pause", &["--reason", "drill"]).await;
    assert_eq!(run.exit, 1, "{}", run.out);
}

#[tokio::test]
async fn pause_and_resume_move_no_traffic_and_so_ask_nothing() {
    let function = deployed(world(), &[]);
    let run = function.run("pause", &["--reason", "upgrade", "--for", "2h"]).await;
    assert_eq!(run.exit, 0, "{}{}", run.out, run.errors);
    assert_eq!(run.payloads, [json!({"action": "pause", "reason": "upgrade", "for": "2h"})]);
    assert!(run.out.contains("pause"), "{}", run.out);
    let run = function.run("resume", &[]).await;
    assert_eq!((run.exit, run.payloads), (0, vec![json!({"action": "resume"})]));
}

#[tokio::test]
async fn a_failed_invocation_is_exit_code_3_with_its_type_and_message() {
    let function = deployed(world(), &[]);
    function.rig.emulator.world().console_set_tag(CHECK, "failover:pause", "nonsense");
    function.rig.emulator.world().set_status(PRIMARY, "failed");
    let run = function.run("failover", &["--reason", "dead", "--yes"]).await;
    assert_eq!(run.exit, 3, "{}{}", run.out, run.errors);
    assert!(run.errors.contains("MemoryUnreadable") && run.errors.contains("nonsense"), "{}", run.errors);
    let run = function.run("pause", &["--reason", "x", "--for", "soon"]).await;
    assert_eq!(run.exit, 3);
    assert!(run.errors.contains("EventNotUnderstood"), "{}", run.errors);
}

#[tokio::test]
async fn an_address_where_nobody_listens_is_exit_code_5_and_nothing_was_sent() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let local = format!("http://{free}");
    let arguments = ["failover", "--function", "orders", "--reason", "x", "--yes", "--local", &local];
    let mut command = command(&arguments);
    let run = ended(&tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap());
    assert_eq!(run.exit, 5);
    assert!(run.errors.contains("Nothing was sent. No connection"), "{}", run.errors);
}

#[tokio::test]
async fn a_local_function_needs_neither_region_nor_credentials() {
    let function = deployed(world(), &[]);
    // The address is known only once the stub listens: the environment's endpoint carries it into --local.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let this = Arc::clone(&function);
    let serving = async {
        let (stream, _) = listener.accept().await.unwrap();
        let service = service_fn(|request| {
            let this = Arc::clone(&this);
            async move { Ok::<_, Infallible>(this.answer(request).await) }
        });
        let _ =
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        std::future::pending::<()>().await;
    };
    let mut command = command(&["status", "--function", "rds-route53-failover", "--local", &url]);
    let running = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = tokio::select! { output = running => output.unwrap(), () = serving => unreachable!() };
    let run = ended(&output);
    assert_eq!(run.exit, 0, "{}", run.errors);
}

#[test]
fn a_wrong_command_line_is_exit_code_2_and_help_tells_the_codes() {
    for wrong in [
        &["failover", "--function", "orders", "--yes"][..],
        &["failover", "--function", "orders", "--yes", "--reason", ""],
        &["failover", "--function", "orders", "--yes", "--reason", "x", "--allow-data-loss"],
        &["status"],
        &["restart", "--function", "orders"],
    ] {
        assert_eq!(ended(&command(wrong).output().unwrap()).exit, 2, "{wrong:?}");
    }
    let help = ended(&command(&["failover", "--help"]).output().unwrap());
    assert_eq!(help.exit, 0);
    assert!(help.out.contains("Exit codes") && help.out.contains("--allow-data-loss"), "{}", help.out);
}

/// What a person reads before a request is sent, and what must be typed to send it.
fn asked(order: &[&str], status: &Value) -> (String, String) {
    let words = [&["ctl"], order, &["--function", "orders", "--reason", "x"]].concat();
    let command = Args::of_words(words.into_iter().map(str::to_owned)).unwrap().command;
    (ask::consent(&command, status), ask::expectations(&command, status))
}

fn status(primary: &str, health: &str) -> Value {
    json!({
        "mode": "act", "primary": {"id": PRIMARY, "status": primary, "health": health},
        "replica": {"id": REPLICA, "role": "replica", "lag_seconds": 42.0},
        "health_check": {"state": "normal", "by": null},
    })
}

#[test]
fn a_promotion_is_confirmed_with_the_replicas_name_and_says_what_can_be_lost() {
    let (consent, words) = asked(&["failover", "--promote"], &status("failed", "unhealthy"));
    assert_eq!(consent, REPLICA);
    assert!(words.contains("IRREVERSIBLE") && words.contains("42 s"), "{words}");
    assert!(!words.contains("Expect a refusal") && !words.contains("open\n    connections)"), "{words}");
    assert_eq!(asked(&["failover"], &status("failed", "unhealthy")).0, "yes");
    assert_eq!(asked(&["failover", "--promote"], &Value::Null).0, "promote");
}

#[test]
fn a_refusal_that_the_status_shows_is_announced_before_the_wait() {
    let available = status("available", "healthy");
    for (order, expected) in [
        (&["failover"][..], Some("not unhealthy")),
        (&["failover", "--force"], None),
        (&["failover", "--promote", "--force"], Some("--allow-data-loss")),
        (&["failover", "--promote", "--force", "--allow-data-loss"], None),
        (&["failback"], Some("already on the primary")),
    ] {
        let words = asked(order, &available).1;
        let refused = words.split_once("Expect a refusal").map(|(_, words)| words);
        assert_eq!(refused.is_some(), expected.is_some(), "{order:?} {words}");
        assert!(refused.unwrap_or_default().contains(expected.unwrap_or_default()), "{order:?} {words}");
    }
    let words = asked(&["failover"], &status("failed", "unhealthy")).1;
    assert!(words.contains("A cooldown does not hold you up") && !words.contains("refusal"), "{words}");
}
