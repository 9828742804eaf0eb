//! The emulator on a port, for trying the function by hand and for programs. The first line of
//! its output is JSON with the URL, all names, and the function's environment; then it reads
//! commands, one per line, and answers each with at least one line.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use clap::Parser;
use emulator::{Emulator, Fault, Instance, On, World};
use jiff::Timestamp;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};

const REGION: &str = "us-east-1";
const PRIMARY: &str = "orders-primary";
const REPLICA: &str = "orders-replica";
const CHECK: &str = "11111111-2222-4333-8444-555555555555";
const ZONE: &str = "Z0000000EXAMPLE";
const NAME: &str = "orders.example.com";

const HELP: &str = "\
status INSTANCE STATUS      such as: status orders-primary storage-full
lag SECONDS|none [INSTANCE] ReplicaLag of the replica from now on
promoted INSTANCE           a running promotion has ended as it should
flags                       the flags of the health check, as JSON
flags DISABLED INVERTED     a person sets the flags, such as: flags true false
dns                         what DNS answers
delay MILLISECONDS          every answer is late by this, from now on
count                       how often each operation was called since the last time, as JSON
calls | history | messages  what happened
quit

The AWS CLI, with AWS_ENDPOINT_URL, shows the rest.";

/// AWS on a port of this machine, for trying the function by hand.
#[derive(Parser)]
#[command(after_help = format!("Commands on standard input:\n{HELP}"))]
struct Options {
    /// Throttles Route 53 and RDS at AWS's documented limits.
    #[arg(long)]
    limit_requests: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let options = Options::parse();
    let (mut world, topic) = world();
    world.limit_requests(options.limit_requests);
    let emulator = Emulator::new(world, Timestamp::now);
    let server = emulator.listen().await?;
    let hello = json!({
        "url": server.url(),
        "region": REGION,
        "primary": PRIMARY,
        "replica": REPLICA,
        "health_check": CHECK,
        "hosted_zone": ZONE,
        "record": NAME,
        "topic": topic,
        "environment": {
            "AWS_ENDPOINT_URL": server.url(),
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "PRIMARY_DB_INSTANCE_IDENTIFIER": PRIMARY,
            "FAILOVER_DB_INSTANCE_IDENTIFIER": REPLICA,
            "ROUTE53_HEALTH_CHECK_ID": CHECK,
            "HOSTED_ZONE_ID": ZONE,
            "RECORD_NAME": NAME,
            "NOTIFICATION_TOPIC_ARN": topic,
        },
    });
    println!("{hello}");
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["quit"] => return Ok(()),
            words => println!("{}", command(&emulator, words)),
        }
    }
    // Without a terminal it serves until it is killed.
    std::future::pending().await
}

fn world() -> (World, String) {
    let primary = Instance::new(REGION, PRIMARY);
    let replica = Instance::replica_of(&primary, REGION, REPLICA);
    let mut world = World::of_pair(Timestamp::now(), [primary, replica], CHECK, (ZONE, "example.com"), NAME);
    world.set_replica_lag(REPLICA, Some(1.0));
    let topic = world.add_topic(REGION, "failover");
    (world, topic)
}

fn command(emulator: &Emulator, words: &[&str]) -> String {
    let now = emulator.now();
    let mut world = emulator.world();
    let done = || "ok".to_owned();
    match words {
        ["status" | "promoted", id, ..] if world.instance(id).is_none() => {
            format!("there is no instance {id}")
        }
        ["status", id, status] => {
            world.set_status(id, status);
            done()
        }
        ["dns"] => match world.dns_answer(NAME, now) {
            Some(answer) => format!("{} (TTL {} s)", answer.value, answer.ttl),
            None => format!("{NAME} does not exist"),
        },
        ["flags"] => {
            let healthy = world.is_healthy(CHECK);
            let check = world.health_check(CHECK);
            let flags = check.map(|check| {
                json!({
                    "disabled": check.disabled,
                    "inverted": check.inverted,
                    "version": check.version,
                    "healthy": healthy,
                })
            });
            json!(flags).to_string()
        }
        ["flags", disabled, inverted] => match (disabled.parse(), inverted.parse()) {
            (Ok(disabled), Ok(inverted)) => {
                world.console_set_flags(CHECK, disabled, inverted);
                done()
            }
            _ => "flags true|false true|false".to_owned(),
        },
        ["lag", lag, id @ ..] => {
            world.set_replica_lag(id.first().unwrap_or(&REPLICA), lag.parse().ok());
            done()
        }
        ["promoted", id] => {
            world.finish_promotion(id);
            done()
        }
        ["delay", milliseconds] => match milliseconds.parse() {
            Ok(milliseconds) => {
                world.faults.clear();
                world.faults.standing(On::any(), Fault::Slow(Duration::from_millis(milliseconds)));
                done()
            }
            Err(_) => "delay MILLISECONDS".to_owned(),
        },
        ["count"] => {
            let mut counted: BTreeMap<&str, u64> = BTreeMap::new();
            for call in world.calls() {
                *counted.entry(&call.operation).or_default() += 1;
            }
            let counted = json!(counted).to_string();
            world.forget_record();
            counted
        }
        ["calls"] => lines(world.calls()),
        ["history"] => lines(world.history()),
        ["messages"] => lines(world.messages()),
        _ => HELP.to_owned(),
    }
}

fn lines<T: std::fmt::Display>(all: &[T]) -> String {
    all.iter().map(T::to_string).collect::<Vec<_>>().join("\n")
}
