//! Two MariaDB servers that RDS calls a primary and its read replica.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use emulator::{Instance, World};
use tokio::sync::Mutex;

use crate::agent::{Agent, PRIMARY, REPLICA, Servers, fill_lag};
use crate::fault::Fault;
use crate::function::REGION;
use crate::mariadb::Mariadb;
use crate::net::{A1, B1};
use crate::process::until;
use crate::record::lost;
use crate::stage::{Aws, Paths, Scene, TTL, mysql_target};

/// A primary and its replica in RDS, made of two real servers.
pub struct Pair {
    pub scene: Scene,
    pub servers: Servers,
    pub agent: Agent,
}

impl Pair {
    /// Starts servers, replication, AWS, DNS and the function; no tick and no client yet.
    pub async fn start(paths: &Paths, settings: &[(&str, &str)]) -> Result<Self> {
        Self::start_with_ttl(paths, settings, TTL).await
    }

    /// The same with another TTL of the failover records.
    pub async fn start_with_ttl(paths: &Paths, settings: &[(&str, &str)], ttl: u32) -> Result<Self> {
        let record = Arc::clone(&paths.record);
        let mut primary = Mariadb::new(A1, 1, &paths.mariadb, &paths.folder)?;
        let mut replica = Mariadb::new(B1, 2, &paths.mariadb, &paths.folder)?;
        if paths.fault != Fault::OpenReplica {
            replica.set_options(&["--read-only"]);
        }
        let (one, other) = tokio::join!(primary.start(), replica.start());
        one.context("the primary")?;
        other.context("the replica")?;
        replica.replicate_from(A1.address).await?;
        let servers = Servers {
            primary: Arc::new(Mutex::new(primary)),
            replica: Arc::new(Mutex::new(replica)),
            fault: paths.fault.clone(),
        };

        let mut world = World::new();
        let a = Instance { engine: "mariadb".into(), port: 3306, ..Instance::new(REGION, PRIMARY) };
        let b = Instance::replica_of(&a, REGION, REPLICA);
        let (primary, secondary) = (a.address.clone(), b.address.clone());
        world.add(a);
        world.add(b);
        let aws = Aws::start(world, ttl, (&primary, vec![A1]), (&secondary, vec![B1]), paths).await?;
        let replicates = || async { servers.replica.lock().await.lag().await == Some(0.0) };
        until("replication runs", Duration::from_secs(10), replicates).await?;
        fill_lag(&aws.emulator, &servers).await;
        let agent = Agent::start(aws.emulator.clone(), servers.clone(), Arc::clone(&record));

        let mut all =
            vec![("PRIMARY_DB_INSTANCE_IDENTIFIER", PRIMARY), ("FAILOVER_DB_INSTANCE_IDENTIFIER", REPLICA)];
        all.extend(settings);
        let target = mysql_target(&[A1, B1]);
        let scene = Scene::start(paths, aws, &all, target).await?;
        Ok(Self { scene, servers, agent })
    }

    /// Acknowledged rows that are not on the server that counts: client, number, second.
    pub async fn lost(&self, on: &Arc<Mutex<Mariadb>>) -> Result<Vec<(String, u64, f64)>> {
        if self.scene.fault() == &Fault::LostRows {
            on.lock().await.query("DELETE FROM app.entries").await?;
        }
        Ok(lost(&self.scene.record, on.lock().await.rows().await?))
    }

    /// Waits until the replica is on its own and writable.
    ///
    /// # Errors
    /// If it is not within twenty seconds.
    pub async fn wait_promoted(&self) -> Result<()> {
        let alone = || async {
            let world = self.scene.aws.emulator.world();
            world.instance(REPLICA).is_some_and(|i| i.source.is_none() && i.status == "available")
        };
        self.scene.must("the replica is promoted", Duration::from_secs(20), alone).await
    }
}
