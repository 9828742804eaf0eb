//! Keeps the emulator's RDS true to two real servers, and carries out what it accepts.
//!
//! It is what RDS's own agent is: on the host, over the server's socket, so a cut of the network does not blind it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use emulator::Emulator;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Mutex, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::fault::Fault;
use crate::function::REGION;
use crate::mariadb::Mariadb;
use crate::record::{Record, What};

pub const PRIMARY: &str = "orders-primary";
pub const REPLICA: &str = "orders-replica";

/// How long a process must be gone before RDS says so. Real RDS takes longer, and nobody says how long.
pub const NOTICED_AFTER: Duration = Duration::from_secs(1);

/// The two servers, shared with the case that breaks them.
#[derive(Clone)]
pub struct Servers {
    pub primary: Arc<Mutex<Mariadb>>,
    pub replica: Arc<Mutex<Mariadb>>,
    /// What the agent gets wrong on purpose.
    pub fault: Fault,
}

impl Servers {
    async fn lag(&self) -> Option<f64> {
        let lag = self.replica.lock().await.lag().await;
        if self.fault == Fault::LyingLag { Some(3.0) } else { lag }
    }
}

/// The running agent; it ends when this is dropped.
pub struct Agent {
    /// A status to show whatever the process does, such as `rebooting`.
    shown: watch::Sender<Option<String>>,
    task: AbortHandle,
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Agent {
    /// Looks four times a second from now on.
    pub fn start(emulator: Emulator, servers: Servers, record: Arc<Record>) -> Self {
        let (shown, wanted) = watch::channel(None::<String>);
        let task = tokio::spawn(async move {
            let sampled = Timestamp::now().as_second().div_euclid(60);
            let mut look = Look { emulator, servers, record, gone: None, sampled, shown: BTreeMap::new() };
            loop {
                let status = wanted.borrow().clone();
                if let Err(error) = look.once(status).await {
                    look.record.step(format!("the agent met {error:#}"));
                }
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
        });
        Self { shown, task: task.abort_handle() }
    }

    /// Shows a status whatever the process does, or the truth again.
    pub fn show(&self, status: Option<&str>) {
        self.shown.send_replace(status.map(str::to_owned));
    }
}

struct Look {
    emulator: Emulator,
    servers: Servers,
    record: Arc<Record>,
    /// Since when the primary's process is gone.
    gone: Option<Instant>,
    /// The minute of the last sample of `ReplicaLag`: RDS puts one a minute.
    sampled: i64,
    shown: BTreeMap<&'static str, String>,
}

impl Look {
    async fn once(&mut self, shown: Option<String>) -> Result<()> {
        self.primary(shown).await?;
        self.replica().await?;
        for id in [PRIMARY, REPLICA] {
            let status = self.status(id);
            if self.shown.insert(id, status.clone()).as_ref() != Some(&status) {
                self.record.add(What::Status { instance: id.to_owned(), status });
            }
        }
        Ok(())
    }

    fn status(&self, id: &str) -> String {
        let world = self.emulator.world();
        world.instance(id).map(|instance| instance.status.clone()).unwrap_or_default()
    }

    fn set(&self, id: &str, status: &str) {
        self.emulator.world().set_status(id, status);
    }

    async fn primary(&mut self, shown: Option<String>) -> Result<()> {
        let mut server = self.servers.primary.lock().await;
        match (self.status(PRIMARY).as_str(), shown) {
            ("stopping", _) => {
                if server.runs() && self.servers.fault != Fault::NoStop {
                    server.stop().await?;
                }
                self.set(PRIMARY, "stopped");
            }
            ("stopped", _) => {}
            (_, Some(status)) => self.set(PRIMARY, &status),
            (_, None) if server.runs() => {
                self.gone = None;
                self.set(PRIMARY, "available");
            }
            (_, None) => {
                let gone = *self.gone.get_or_insert_with(Instant::now);
                if gone.elapsed() >= NOTICED_AFTER {
                    self.set(PRIMARY, "failed");
                }
            }
        }
        Ok(())
    }

    async fn replica(&mut self) -> Result<()> {
        let (promoting, replicates) = match self.emulator.world().instance(REPLICA) {
            Some(instance) => (instance.promoting_since.is_some(), instance.source.is_some()),
            None => return Ok(()),
        };
        if promoting {
            return self.promote().await;
        }
        let now = Timestamp::now();
        let minute = now.as_second().div_euclid(60);
        if replicates && minute != self.sampled {
            self.sampled = minute;
            let lag = self.servers.lag().await;
            put_lag(&self.emulator, lag, now);
        }
        Ok(())
    }

    /// What RDS does: ends replication, restarts the instance, and lets it be written.
    async fn promote(&mut self) -> Result<()> {
        self.set(REPLICA, "modifying");
        let mut server = self.servers.replica.lock().await;
        for sql in ["STOP SLAVE", "RESET SLAVE ALL"] {
            server.query(sql).await?;
        }
        server.stop().await?;
        server.set_options(&[]);
        server.start().await?;
        let mut world = self.emulator.world();
        if let Some(instance) = world.instance_mut(REPLICA) {
            instance.promoting_since = None;
            instance.source = None;
            instance.status_infos.clear();
        }
        world.set_status(REPLICA, "available");
        drop(world);
        self.record.add(What::Status { instance: REPLICA.to_owned(), status: "promoted".to_owned() });
        Ok(())
    }
}

fn put_lag(emulator: &Emulator, lag: Option<f64>, time: Timestamp) {
    let dimensions = [("DBInstanceIdentifier".to_owned(), REPLICA.to_owned())].into();
    emulator.world().put_sample(REGION, "AWS/RDS", "ReplicaLag", dimensions, time, lag.unwrap_or(-1.0));
}

/// Fills the minutes before the case with the lag that is measured now. CloudWatch has a sample a minute and the
/// function looks back over minutes, while a case lasts for seconds.
pub async fn fill_lag(emulator: &Emulator, servers: &Servers) {
    let lag = servers.lag().await;
    let now = Timestamp::now();
    for minutes in 0..=4 {
        put_lag(emulator, lag, now - SignedDuration::from_mins(minutes));
    }
}
