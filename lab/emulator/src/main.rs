//! The emulator on a port, for trying the function by hand and for rehearsals. The first line of
//! its output is JSON with the URL, all names, and the function's environment; then it reads
//! commands, one per line, and answers each with at least one line.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use clap::Parser;
use emulator::{Emulator, Fault, HealthCheck, Instance, On, RdsEvent, RecordSet, Work, World};
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
instances | check | dns     what is so now
flags                       the flags of the health check, as JSON
flags DISABLED INVERTED     a person sets the flags, such as: flags true false
failing true|false          what the health check itself finds
tag KEY VALUE | untag KEY   a person sets or removes a tag
lag SECONDS|none [INSTANCE] ReplicaLag of the replica from now on
connections INSTANCE N|none DatabaseConnections of an instance from now on
replication INSTANCE STATUS StatusInfos, such as: replication orders-replica terminated
work                        with --agent: the next accepted request, as JSON, or null
promoted INSTANCE           with --agent: the promotion has ended as it should
event INSTANCE EVENT-ID     an RDS event; prints its SNS message
delete INSTANCE             a person deletes an instance
rename INSTANCE NAME        a person renames an instance
fault OPERATION FAULT       for the next call, such as: fault UpdateHealthCheck reset
limits on|off               request limits
delay MILLISECONDS          every answer is late by this, from now on; ends other faults
clear                       no faults
count                       how often each operation was called since the last time, as JSON
calls | history | messages  what happened
close-idle                  closes idle connections
quit";

/// AWS on a port of this machine, for trying the function by hand.
#[derive(Parser)]
#[command(after_help = help())]
struct Options {
    /// Throttles Route 53 and RDS at AWS's documented limits.
    #[arg(long)]
    limit_requests: bool,
    /// Promotions, stops and starts are performed by an agent: see `work`.
    #[arg(long)]
    agent: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let options = Options::parse();
    let (mut world, topic) = world();
    world.limit_requests(options.limit_requests);
    world.performed_by_agent = options.agent;
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
            ["close-idle"] => server.close_idle_connections(),
            words => println!("{}", command(&emulator, words)),
        }
    }
    // Without a terminal it serves until it is killed.
    std::future::pending().await
}

fn world() -> (World, String) {
    let mut world = World::new();
    world.advance(Timestamp::now());
    let primary = Instance::new(REGION, PRIMARY);
    let replica = Instance::replica_of(&primary, REGION, REPLICA);
    let records =
        [RecordSet::primary(NAME, &primary.address, CHECK), RecordSet::secondary(NAME, &replica.address)];
    world.add_zone(ZONE, "example.com", records);
    world.add(primary);
    world.add(replica);
    world.add_health_check(HealthCheck::tcp(CHECK, NAME, 5432));
    world.set_replica_lag(REPLICA, Some(1.0));
    let topic = world.add_topic(REGION, "failover");
    (world, topic)
}

fn command(emulator: &Emulator, words: &[&str]) -> String {
    let now = emulator.now();
    let mut world = emulator.world();
    let done = || "ok".to_owned();
    match words {
        ["status" | "delete" | "event" | "rename" | "connections" | "replication" | "promoted", id, ..]
            if world.instance(id).is_none() =>
        {
            format!("there is no instance {id}")
        }
        ["status", id, status] => {
            world.set_status(id, status);
            done()
        }
        ["delete", id] => {
            world.console_delete(id);
            done()
        }
        ["rename", from, to] => {
            world.console_rename(from, to);
            done()
        }
        ["event", id, event] => {
            world.push_event(RdsEvent::new(id, event));
            let event = world.events().last();
            event.map_or_else(done, |event| event.sns_message(REGION))
        }
        ["instances"] => [PRIMARY, REPLICA]
            .iter()
            .map(|id| match world.instance(id) {
                Some(i) => format!("{id}: {}, source {:?}", i.status, i.source),
                None => format!("{id}: not found"),
            })
            .collect::<Vec<_>>()
            .join("\n"),
        ["check"] => {
            let healthy = world.is_healthy(CHECK);
            format!(
                "{:#?}
healthy: {healthy}",
                world.health_check(CHECK)
            )
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
        ["failing", failing] => {
            world.set_failing(CHECK, *failing == "true");
            done()
        }
        ["tag", key, value @ ..] => {
            world.console_set_tag(CHECK, key, &value.join(" "));
            done()
        }
        ["untag", key] => {
            world.console_remove_tag(CHECK, key);
            done()
        }
        ["lag", lag, id @ ..] => {
            world.set_replica_lag(id.first().unwrap_or(&REPLICA), lag.parse().ok());
            done()
        }
        ["connections", id, connections] => {
            world.set_database_connections(id, connections.parse().ok());
            done()
        }
        ["replication", id, status] => {
            world.set_replication(id, status);
            done()
        }
        ["work"] => {
            let work = world.take_work();
            let work =
                work.map(|Work { instance, task }| json!({ "instance": instance, "task": task.name() }));
            json!(work).to_string()
        }
        ["promoted", id] => {
            world.finish_promotion(id);
            done()
        }
        ["limits", on @ ("on" | "off")] => {
            world.limit_requests(*on == "on");
            done()
        }
        ["fault", operation, fault] => match named(fault) {
            Some(fault) => {
                world.faults.once(On::operation((*operation).to_owned()), fault);
                done()
            }
            None => help(),
        },
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
        ["clear"] => {
            world.faults.clear();
            done()
        }
        ["calls"] => lines(world.calls()),
        ["history"] => lines(world.history()),
        ["messages"] => lines(world.messages()),
        _ => help(),
    }
}

fn named(fault: &str) -> Option<Fault> {
    Fault::NAMED.iter().find(|(name, _)| *name == fault).map(|(_, fault)| fault.clone())
}

fn help() -> String {
    let faults: Vec<_> = Fault::NAMED.iter().map(|(name, _)| *name).collect();
    format!("Commands on standard input:\n{HELP}\nfaults: {}", faults.join(", "))
}

fn lines<T: std::fmt::Display>(all: &[T]) -> String {
    all.iter().map(T::to_string).collect::<Vec<_>>().join("\n")
}
