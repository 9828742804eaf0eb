//! Patroni: PostgreSQL nodes, an etcd for each site, and the REST API of both.
//!
//! Durations are compressed by 5 against Patroni's defaults (ttl 30 s, loop_wait 10 s, retry_timeout 10 s).

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::process::Child;

use crate::net::Host;
use crate::process::{kill_all, on, on_as_postgres, start};

/// Patroni's `ttl` in seconds: so long a cluster without a leader waits before it elects one.
pub const TTL: u32 = 6;

/// Where Debian's PostgreSQL keeps its programs: the newest version's.
#[must_use]
pub fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?.flatten().map(|entry| entry.path());
    let number = |path: &PathBuf| path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
    let newest = versions.filter(|path| path.join("bin/postgres").exists()).max_by_key(number)?;
    Some(newest.join("bin"))
}

pub const PASSWORD: &str = "rehearsal";

/// A node: Patroni and the PostgreSQL that it runs.
pub struct Node {
    pub host: Host,
    site: &'static str,
    etcd: Host,
    /// The hosts of the other site, where this one replicates from it.
    follows: Vec<Host>,
    folder: PathBuf,
    programs: PathBuf,
    child: Option<Child>,
}

/// An etcd on a host.
pub fn etcd(host: Host, folder: &Path) -> Result<Child> {
    let folder = folder.join(host.name);
    std::fs::create_dir_all(&folder)?;
    let client = format!("http://{}:2379", host.address);
    let peer = format!("http://{}:2380", host.address);
    let mut command = on(host, "etcd");
    command.arg(format!("--data-dir={}/data", folder.display())).arg(format!("--name={}", host.name));
    command.args(["--listen-client-urls", &client, "--advertise-client-urls", &client]);
    command.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer]);
    command.args(["--initial-cluster", &format!("{}={peer}", host.name)]);
    start(command, &folder.join("log"))
}

impl Node {
    /// A node that is not running yet.
    pub fn new(host: Host, site: &'static str, etcd: Host, follows: &[Host], folder: &Path) -> Result<Self> {
        let folder = folder.join(host.name);
        std::fs::create_dir_all(&folder)?;
        let programs = programs().context("PostgreSQL is not installed")?;
        let node = Self { host, site, etcd, follows: follows.to_vec(), folder, programs, child: None };
        std::fs::write(node.folder.join("patroni.yml"), node.configuration())?;
        Ok(node)
    }

    fn configuration(&self) -> String {
        let Self { host: Host { name, address }, site, etcd, folder, .. } = self;
        let (etcd, folder, programs) = (etcd.address, folder.display(), self.programs.display());
        let standby = if self.follows.is_empty() {
            String::new()
        } else {
            let hosts: Vec<_> = self.follows.iter().map(|host| host.address.to_string()).collect();
            format!(
                "    standby_cluster:\n      host: {}\n      port: 5432\n      create_replica_methods: [basebackup]\n",
                hosts.join(",")
            )
        };
        format!(
            "scope: {site}
name: {name}
restapi: {{listen: '{address}:8008', connect_address: '{address}:8008'}}
etcd3: {{host: '{etcd}:2379'}}
bootstrap:
  dcs:
    ttl: {TTL}
    loop_wait: 1
    retry_timeout: 2
    primary_start_timeout: 0
    postgresql: {{use_pg_rewind: true, use_slots: true, parameters: {{wal_log_hints: 'on', max_connections: 50}}}}
{standby}  initdb: [{{encoding: UTF8}}, {{locale: C}}]
postgresql:
  listen: '{address}:5432'
  connect_address: '{address}:5432'
  data_dir: {folder}/data
  bin_dir: {programs}
  use_unix_socket: true
  pgpass: {folder}/pgpass
  pg_hba: ['local all all trust', 'host all all 0.0.0.0/0 md5', 'host replication all 0.0.0.0/0 md5']
  parameters: {{unix_socket_directories: '{folder}', shared_buffers: 16MB, password_encryption: md5, max_wal_size: 64MB, min_wal_size: 32MB, wal_keep_size: 32MB}}
  authentication:
    superuser: {{username: postgres, password: {PASSWORD}}}
    replication: {{username: replicator, password: {PASSWORD}}}
    rewind: {{username: rewind, password: {PASSWORD}}}
"
        )
    }

    /// Starts Patroni, which starts PostgreSQL.
    pub fn start(&mut self) -> Result<()> {
        let mut command = on_as_postgres(self.host, "patroni")?;
        command.arg(self.folder.join("patroni.yml"));
        self.child = Some(start(command, &self.folder.join("log"))?);
        Ok(())
    }

    /// Ends everything on the host, as a power cut does.
    pub async fn kill(&mut self) -> Result<()> {
        kill_all(self.host)?;
        if let Some(mut child) = self.child.take() {
            child.wait().await?;
        }
        Ok(())
    }

    /// The REST API's status for a path, or `None` where nothing answers.
    pub async fn get(&self, path: &str) -> Option<u16> {
        self.request("GET", path, Value::Null).await.ok().map(|(status, _)| status)
    }

    /// A request to the REST API.
    ///
    /// # Errors
    /// If nothing answers within ten seconds.
    pub async fn request(&self, method: &str, path: &str, body: Value) -> Result<(u16, String)> {
        let asked = async {
            let stream = TcpStream::connect((self.host.address, 8008)).await?;
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
            tokio::spawn(connection);
            let body = if body.is_null() { String::new() } else { body.to_string() };
            let request = Request::builder()
                .method(method)
                .uri(path)
                .header("host", "patroni")
                .header("content-type", "application/json")
                .body(Full::new(Bytes::from(body)))?;
            let answer = sender.send_request(request).await?;
            let status = answer.status().as_u16();
            let body = answer.into_body().collect().await?.to_bytes();
            Ok::<_, anyhow::Error>((status, String::from_utf8_lossy(&body).into_owned()))
        };
        tokio::time::timeout(Duration::from_secs(10), asked).await.context("Patroni does not answer")?
    }

    /// Runs SQL through the node's own socket; the rows as text.
    pub async fn sql(&self, sql: &str) -> Result<Vec<String>> {
        let mut command = on(self.host, &self.programs.join("psql").to_string_lossy());
        command.args(["-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", "postgres", "-h"]);
        command.arg(&self.folder).args(["-c", sql]);
        let done = command.output().await?;
        ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        Ok(String::from_utf8_lossy(&done.stdout).lines().map(str::to_owned).collect())
    }

    /// The rows that are on this node, by client.
    pub async fn rows(&self) -> Result<Vec<(String, u64)>> {
        let lines = self.sql("SELECT client || ' ' || n FROM entries").await?;
        lines
            .iter()
            .map(|line| match line.split_once(' ') {
                Some((client, n)) => Ok((client.to_owned(), n.parse()?)),
                None => bail!("a row of another shape: {line}"),
            })
            .collect()
    }
}
