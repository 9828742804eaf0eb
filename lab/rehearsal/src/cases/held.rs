//! What looks like an outage, and must not move traffic.

use std::time::Duration;

use anyhow::Result;
use emulator::RdsEvent;

use crate::TICK;
use crate::agent::PRIMARY;
use crate::fault::Fault;
use crate::net::{A1, APP, B1, FUNCTION, ZONE_A, ZONE_B};
use crate::pair::Pair;
use crate::record::{Outcome, What};
use crate::stage::Paths;

fn unmoved(pair: &Pair, outcome: &mut Outcome) {
    let moved = pair.scene.first(0.0, |what| matches!(what, What::Flags { .. }));
    outcome.check("the flags are never touched", moved.is_none(), format!("{moved:?}"));
}

pub(super) async fn multi_az(paths: &Paths, outcome: &mut Outcome) -> Result<()> {
    // RDS says `available` all the while, as it does now and then: the probe fails, and only the event explains it.
    let probe = format!("tcp://{}:3306", A1.address);
    let settings =
        [("HEALTH_ENDPOINTS", probe.as_str()), ("PROMOTE_REPLICA", "true"), ("PROMOTE_ON", "unresponsive")];
    let mut pair = Pair::start(paths, &settings).await?;
    if let Some(instance) = pair.scene.aws.emulator.world().instance_mut(PRIMARY) {
        instance.multi_az = true;
    }
    pair.scene.serve().await?;
    tokio::time::sleep(Duration::from_secs(2)).await;

    let began = pair.scene.record.step("RDS begins a Multi-AZ failover");
    pair.agent.show(Some("available"));
    if pair.scene.fault() != &Fault::NoEvent {
        pair.scene.aws.emulator.world().push_event(RdsEvent::new(PRIMARY, "RDS-EVENT-0013"));
    }
    pair.servers.primary.lock().await.kill().await?;
    let outage = if pair.scene.fault() == &Fault::SlowStandby { 30 } else { 8 };
    tokio::time::sleep(Duration::from_secs(outage)).await;
    pair.servers.primary.lock().await.start().await?;
    pair.scene.aws.emulator.world().push_event(RdsEvent::new(PRIMARY, "RDS-EVENT-0049"));
    pair.agent.show(None);
    pair.scene.record.step("the standby serves under the same name");
    pair.scene.wait_for_rows(&["resilient", "common"], "a1").await?;
    pair.scene.quiesce().await;

    unmoved(&pair, outcome);
    let said = pair.scene.reasons(began).iter().any(|reason| reason == "multi-az-failover");
    outcome.check("the function says that it waits for the Multi-AZ failover", said, format!("{said}"));
    for client in ["common", "resilient"] {
        let down = pair.scene.downtime(client, began);
        outcome.figure(&format!("writes down, {client} loop"), format!("{down:.1} s of which the server 8"));
        outcome.check(&format!("the {client} loop outlasts it"), down < 20.0, format!("{down:.1} s"));
    }
    outcome.lost = pair.lost(&pair.servers.primary).await?;
    outcome.no_row_is_lost();
    Ok(())
}

pub(super) async fn function_cut(paths: &Paths, outcome: &mut Outcome) -> Result<()> {
    let probe = format!("http://{}:8008/", A1.address);
    let secondary = format!("tcp://{}:3306", B1.address);
    let settings = [
        ("HEALTH_ENDPOINTS", probe.as_str()),
        ("SECONDARY_ENDPOINTS", secondary.as_str()),
        ("PROMOTE_REPLICA", "true"),
        ("PROMOTE_ON", "unresponsive"),
    ];
    let mut pair = Pair::start(paths, &settings).await?;
    pair.scene.page(A1).await?;
    pair.scene.serve().await?;
    tokio::time::sleep(Duration::from_secs(3)).await;

    let began = pair.scene.record.step("the function loses its way to both zones");
    for zone in [ZONE_A, ZONE_B] {
        pair.scene.cut(&FUNCTION.network(), zone)?;
        if pair.scene.fault() == &Fault::WideCut {
            pair.scene.cut(&APP.network(), zone)?;
        }
    }
    tokio::time::sleep(6 * TICK).await;
    let ended = pair.scene.record.step("the way is there again");
    for zone in [ZONE_A, ZONE_B] {
        pair.scene.heal(&FUNCTION.network(), zone)?;
    }
    tokio::time::sleep(3 * TICK).await;
    pair.scene.quiesce().await;

    unmoved(&pair, outcome);
    let events = pair.scene.record.events();
    let trouble = events.iter().filter(|event| matches!(event.what, What::Trouble { .. })).count();
    outcome.check("no client notices", trouble == 0, format!("{trouble} errors"));
    let blind = pair.scene.reasons(began);
    let seen = blind.iter().filter(|reason| *reason != "primary-healthy").count();
    outcome.figure("ticks without sight", format!("{seen} in {:.0} s, none changed anything", ended - began));
    outcome.check("the function did look, and could not see", seen >= 2, blind.join(", "));
    let last = blind.last().map(String::as_str);
    outcome.check("it sees again afterwards", last == Some("primary-healthy"), format!("{last:?}"));
    outcome.lost = pair.lost(&pair.servers.primary).await?;
    outcome.no_row_is_lost();
    Ok(())
}
