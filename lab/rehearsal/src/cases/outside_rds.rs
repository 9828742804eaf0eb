//! Primaries that RDS does not run: clusters of their own, which the function only probes.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use emulator::World;
use serde_json::json;
use tokio::process::Child;

use crate::client::Target;
use crate::fault::Fault;
use crate::mariadb::Mariadb;
use crate::net::{A_ETCD, A1, A2, A3, B_ETCD, B1, Host};
use crate::page::Kind;
use crate::patroni::{self, Node, etcd};
use crate::process::until;
use crate::record::{Outcome, What, lost};
use crate::stage::{Aws, NAME, Paths, Scene, mysql_target, page};
use crate::{TICK, galera as nodes};

const A: &str = "site-a.orders.example";
const B: &str = "site-b.orders.example";

async fn aws(paths: &Paths, hosts: &[Host]) -> Result<Aws> {
    Aws::start(World::new(), crate::stage::TTL, (A, hosts.to_vec()), (B, vec![B1]), paths).await
}

/// What must not have happened up to now.
fn unmoved(scene: &Scene, outcome: &mut Outcome, what: &str) {
    let moved = scene.first(0.0, |what| matches!(what, What::Flags { .. }));
    outcome.check(&format!("{what} moves nothing"), moved.is_none(), format!("{moved:?}"));
}

/// How soon traffic moved to B, and the first row there.
fn moved(
    scene: &Scene,
    outcome: &mut Outcome,
    what: &str,
    (lost, flags): (f64, f64),
    limit: f64,
) -> Result<()> {
    let took = format!("{:.1} s", flags - lost);
    outcome.figure(&format!("traffic moved after {what}"), took.clone());
    let first =
        scene.acks("resilient", "b1", lost, f64::MAX).first().map(|ack| ack.1).context("no row at B")?;
    outcome.figure("first write at B", format!("{:.1} s after the flags", first - flags));
    outcome.check(&format!("{what} moves traffic"), flags - lost < limit, took);
    Ok(())
}

pub(super) async fn patroni(paths: &Paths, outcome: &mut Outcome) -> Result<()> {
    let folder = &paths.folder;
    let _etcds: [Child; 2] = [etcd(A_ETCD, folder)?, etcd(B_ETCD, folder)?];
    let mut a1 = Node::new(A1, "site-a", A_ETCD, &[], folder)?;
    let mut a2 = Node::new(A2, "site-a", A_ETCD, &[], folder)?;
    let mut b1 = Node::new(B1, "site-b", B_ETCD, &[A1, A2], folder)?;
    let limit = Duration::from_secs(40);
    a1.start()?;
    until("a1 leads", limit, || async { a1.get("/primary").await == Some(200) }).await?;
    a1.sql(
        "CREATE TABLE entries (client text, n bigint, at timestamptz DEFAULT now(), PRIMARY KEY (client, n));
         CREATE USER app PASSWORD 'rehearsal'; GRANT ALL ON entries TO app",
    )
    .await?;
    a2.start()?;
    b1.start()?;
    until("a2 replicates", limit, || async { a2.get("/replica").await == Some(200) }).await?;
    until("b1 leads its standby cluster", limit, || async { b1.get("/leader").await == Some(200) }).await?;

    let aws = aws(paths, &[A1, A2]).await?;
    let probes = format!("http://{}:8008/primary,http://{}:8008/primary", A1.address, A2.address);
    let secondary = format!("http://{}:8008/leader", B1.address);
    let settings = [
        ("PRIMARY_NAME", "site-a"),
        ("HEALTH_ENDPOINTS", probes.as_str()),
        ("SECONDARY_ENDPOINTS", secondary.as_str()),
        // (5 - 1) * 2 s exceed Patroni's ttl of 6 s: it elects before traffic moves.
        ("CONFIRMATIONS", "5"),
        ("CONFIRMATION_INTERVAL", "2s"),
    ];
    let target = Target {
        // `read-write`: of the addresses behind the name, only the leader will do.
        dsn: format!("pgsql:host={NAME};port=5432;dbname=postgres;target_session_attrs=read-write"),
        user: "app".into(),
        password: patroni::PASSWORD.into(),
        which: "SELECT host(inet_server_addr())".into(),
        servers: BTreeMap::from([A1, A2, B1].map(|host| (host.address.to_string(), host.name.to_owned()))),
    };
    let mut scene = Scene::start(paths, aws, &settings, target).await?;
    scene.serve().await?;
    tokio::time::sleep(Duration::from_secs(2)).await;

    let switched = scene.record.step("a person switches the leader over to a2");
    let request = json!({"leader": "a1", "candidate": "a2"});
    let (status, answer) = a1.request("POST", "/switchover", request).await?;
    anyhow::ensure!(status == 200, "no switchover: {status} {answer}");
    scene.wait_for_rows(&["resilient"], "a2").await?;
    outcome.figure("writes down in a switchover", format!("{:.1} s", scene.downtime("resilient", switched)));
    // As long as the confirmations take.
    tokio::time::sleep(Duration::from_secs(10)).await;
    unmoved(&scene, outcome, "a switchover");
    until("a1 replicates", limit, || async { a1.get("/replica").await == Some(200) }).await?;

    let killed = scene.record.step("the leader a2 is killed");
    a2.kill().await?;
    until("a1 leads", limit, || async { a1.get("/primary").await == Some(200) }).await?;
    scene.wait_for_rows(&["resilient"], "a1").await?;
    // Until the look that is under way has seen it, too.
    tokio::time::sleep(3 * TICK).await;
    outcome.figure(
        &format!("writes down after kill -9 of the leader (ttl {} s)", patroni::TTL),
        format!("{:.1} s", scene.downtime("resilient", killed)),
    );
    unmoved(&scene, outcome, "Patroni's own failover");
    let confirmed = scene.record.events().iter().any(|event| {
        event.at > killed - 2.0
            && matches!(&event.what, What::Invocation { answer, until, .. }
                if answer["reason"] == "primary-healthy" && until - event.at > 1.5)
    });
    let text = format!("{confirmed}");
    outcome.check("the function saw no leader, went on looking, and saw one again", confirmed, text);

    let both = scene.record.step("a1 is killed as well: site A is lost");
    a1.kill().await?;
    scene.wait_forced(true, Duration::from_secs(60)).await?;
    let flags = scene.record.step("the notification makes site B promote itself");
    let (status, answer) = b1.request("PATCH", "/config", json!({"standby_cluster": null})).await?;
    anyhow::ensure!(status == 200, "no promotion of B: {status} {answer}");
    scene.wait_for_rows(&["resilient"], "b1").await?;
    scene.quiesce().await;
    moved(&scene, outcome, "the loss of both nodes", (both, flags), 25.0)?;
    if scene.fault() == &Fault::LostRows {
        b1.sql("DELETE FROM entries").await?;
    }
    outcome.lost = lost(&scene.record, b1.rows().await?);
    let at_kill = outcome.lost.iter().filter(|(_, _, at)| *at > both - 0.5).count();
    outcome.figure(
        "rows lost",
        format!("{}, {at_kill} of them in flight when a1 was killed", outcome.lost.len()),
    );
    outcome.check(
        "no more rows are lost than were in flight at a kill",
        outcome.lost.len() <= 8,
        outcome.lost.len().to_string(),
    );
    Ok(())
}

pub(super) async fn galera(paths: &Paths, outcome: &mut Outcome) -> Result<()> {
    let folder = &paths.folder;
    let [mut a1, _a2, mut a3] = nodes::cluster(paths).await?;
    let mut b1 = Mariadb::new(B1, 9, &paths.mariadb, folder)?;
    b1.set_options(&["--read-only"]);
    b1.start().await?;
    b1.replicate_from(A2.address).await?;
    until("B replicates", Duration::from_secs(10), || async { b1.lag().await == Some(0.0) }).await?;
    let pages: Vec<Child> = [A1, A2, A3]
        .into_iter()
        .map(|host| page(host, &folder.join(host.name).join("sock"), Kind::Galera, folder))
        .collect::<Result<_>>()?;

    let aws = aws(paths, &[A1, A2, A3]).await?;
    let probes = [A1, A2, A3].map(|host| format!("http://{}:8008/", host.address)).join(",");
    let secondary = format!("tcp://{}:3306", B1.address);
    let settings = [
        ("PRIMARY_NAME", "site-a"),
        ("HEALTH_ENDPOINTS", probes.as_str()),
        ("SECONDARY_ENDPOINTS", secondary.as_str()),
    ];
    let mut scene = Scene::start(paths, aws, &settings, mysql_target(&[A1, A2, A3, B1])).await?;
    scene.serve().await?;
    tokio::time::sleep(Duration::from_secs(2)).await;

    let one = scene.record.step("node a1 is killed");
    a1.kill().await?;
    scene.wait_for_rows(&["resilient"], "a2").await?;
    tokio::time::sleep(2 * TICK).await;
    outcome.figure("writes down, one node lost", format!("{:.1} s", scene.downtime("resilient", one)));
    unmoved(&scene, outcome, "the loss of one node");

    let quorum = scene.record.step("node a3 is killed: a2 alone has no quorum");
    a3.kill().await?;
    scene.wait_forced(true, Duration::from_secs(40)).await?;
    let flags = scene.record.step("the notification makes B writable");
    for sql in ["STOP SLAVE", "RESET SLAVE ALL", "SET GLOBAL read_only=0"] {
        b1.query(sql).await?;
    }
    scene.wait_for_rows(&["resilient"], "b1").await?;
    scene.quiesce().await;
    drop(pages);
    // Seven seconds are what Galera takes to find out.
    let late = scene.acks("", "a2", quorum + 7.0, f64::MAX).len();
    outcome.check("the survivor takes no row without quorum", late == 0, format!("{late} rows"));
    moved(&scene, outcome, "the loss of quorum", (quorum, flags), 20.0)?;
    if scene.fault() == &Fault::LostRows {
        b1.query("DELETE FROM app.entries").await?;
    }
    outcome.lost = lost(&scene.record, b1.rows().await?);
    outcome.figure("rows lost", outcome.lost.len().to_string());
    outcome.check(
        "no row is lost: B replicates from a survivor",
        outcome.lost.is_empty(),
        outcome.lost.len().to_string(),
    );
    Ok(())
}
