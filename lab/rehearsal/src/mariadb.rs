//! A MariaDB server on a host.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder, Row};
use rustix::process::Signal;
use tokio::process::Child;

use crate::net::{Host, run};
use crate::process::{on, signal, start, until};

pub const USER: &str = "app";
pub const PASSWORD: &str = "rehearsal";

/// Small files, so that a server takes 30 MB of memory on a tmpfs; otherwise what a default installation has.
const SMALL: [&str; 6] = [
    "--innodb-log-file-size=8M",
    "--innodb-buffer-pool-size=24M",
    "--innodb-temp-data-file-path=ibtmp1:4M:autoextend",
    "--key-buffer-size=1M",
    "--aria-pagecache-buffer-size=2M",
    "--aria-log-file-size=8M",
];

/// Makes the data folder that every server begins with a copy of: the schema and the application's account.
pub fn template(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    let data = format!("--datadir={}", folder.display());
    let mut install = vec!["mariadb-install-db", "--no-defaults", "--user=root", "--skip-test-db"];
    install.extend(["--auth-root-authentication-method=normal", &data]);
    install.extend(SMALL);
    run(&install)?;
    let sql = folder.with_extension("sql");
    // `app` lacks SUPER and READ_ONLY ADMIN, as an application's account does: `read_only` binds it.
    std::fs::write(
        &sql,
        format!(
            "FLUSH PRIVILEGES;\nCREATE DATABASE app;\n\
             CREATE TABLE app.entries (client VARCHAR(40), n BIGINT, at TIMESTAMP(3) DEFAULT CURRENT_TIMESTAMP(3), PRIMARY KEY (client, n)) ENGINE=InnoDB;\n\
             CREATE USER '{USER}'@'%' IDENTIFIED BY '{PASSWORD}';\n\
             GRANT SELECT, INSERT, UPDATE, DELETE ON app.* TO '{USER}'@'%';\n\
             CREATE USER 'repl'@'%' IDENTIFIED BY '{PASSWORD}';\n\
             GRANT REPLICATION SLAVE ON *.* TO 'repl'@'%';\n"
        ),
    )?;
    let boot = format!(
        "/usr/sbin/mariadbd --no-defaults --user=root --bootstrap {data} {} < {} > {}.log 2>&1",
        SMALL.join(" "),
        sql.display(),
        sql.display()
    );
    run(&["sh", "-c", &boot])
}

/// A server and its data; the process may come and go.
pub struct Mariadb {
    pub host: Host,
    id: u32,
    folder: PathBuf,
    pub options: Vec<String>,
    once: Option<String>,
    programs: Option<PathBuf>,
    child: Option<Child>,
}

impl Mariadb {
    /// A server with a copy of the template's data, not running yet.
    pub fn new(host: Host, id: u32, template: &Path, folder: &Path) -> Result<Self> {
        let folder = folder.join(host.name);
        std::fs::create_dir_all(&folder)?;
        let data = folder.join("data");
        run(&["cp", "-a", &template.to_string_lossy(), &data.to_string_lossy()])?;
        Ok(Self { host, id, folder, options: Vec::new(), once: None, programs: None, child: None })
    }

    /// Sets the further options, in place of the former ones.
    pub fn set_options(&mut self, options: &[&str]) {
        self.options = options.iter().map(|option| (*option).to_owned()).collect();
    }

    /// A folder of programs that the server may run.
    pub fn programs(&mut self, folder: &Path) {
        self.programs = Some(folder.to_owned());
    }

    /// An option of the next start alone.
    pub fn option_once(&mut self, option: &str) {
        self.once = Some(option.to_owned());
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.join("sock")
    }

    /// Starts the process and waits until it answers.
    pub async fn start(&mut self) -> Result<()> {
        self.spawn()?;
        let answers = || async { self.query("SELECT 1").await.is_ok() };
        until("the server answers", Duration::from_secs(30), answers).await
    }

    pub fn spawn(&mut self) -> Result<()> {
        let mut command = on(self.host, "/usr/sbin/mariadbd");
        let folder = self.folder.display();
        command.args(["--no-defaults", "--user=root", "--skip-name-resolve", "--performance-schema=0"]);
        command.args(["--log-bin=bin", "--binlog-format=ROW", "--sync-binlog=1", "--log-slave-updates"]);
        command.args([
            "--innodb-flush-log-at-trx-commit=1",
            "--skip-slave-start=0",
            "--slave-net-timeout=60",
        ]);
        command.args(SMALL);
        command.arg(format!("--datadir={folder}/data")).arg(format!("--socket={folder}/sock"));
        command.arg(format!("--pid-file={folder}/pid")).arg(format!("--server-id={}", self.id));
        command
            .arg(format!("--bind-address={}", self.host.address))
            .args(&self.options)
            .args(self.once.take());
        if let (Some(programs), Ok(path)) = (&self.programs, std::env::var("PATH")) {
            command.env("PATH", format!("{}:{path}", programs.display()));
        }
        self.child = Some(start(command, &self.folder.join("log"))?);
        Ok(())
    }

    /// Makes it a read replica of another server.
    pub async fn replicate_from(&self, source: Ipv4Addr) -> Result<()> {
        self.query(&format!(
            "CHANGE MASTER TO MASTER_HOST='{source}', MASTER_USER='repl', MASTER_PASSWORD='{PASSWORD}', \
             MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=1"
        ))
        .await?;
        self.query("START SLAVE").await?;
        Ok(())
    }

    pub fn runs(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Kills it, as a power cut does.
    pub async fn kill(&mut self) -> Result<()> {
        let mut child = self.child.take().context("the server does not run")?;
        signal(&child, Signal::KILL)?;
        child.wait().await?;
        Ok(())
    }

    /// Shuts it down in order.
    pub async fn stop(&mut self) -> Result<()> {
        let mut child = self.child.take().context("the server does not run")?;
        signal(&child, Signal::TERM)?;
        child.wait().await?;
        Ok(())
    }

    /// Freezes it: the kernel goes on accepting connections, nobody answers.
    pub fn freeze(&self) -> Result<()> {
        signal(self.child.as_ref().context("the server does not run")?, Signal::STOP)
    }

    pub fn thaw(&self) -> Result<()> {
        signal(self.child.as_ref().context("the server does not run")?, Signal::CONT)
    }

    /// A query of the host's agent, which no cut of the network stops.
    pub async fn query(&self, sql: &str) -> Result<Vec<Row>> {
        query(&self.socket(), sql).await
    }

    /// Seconds behind the source, or `None` where replication does not run.
    pub async fn lag(&self) -> Option<f64> {
        let rows = self.query("SHOW SLAVE STATUS").await.ok()?;
        let lag: Option<u64> = rows.first()?.get("Seconds_Behind_Master")?;
        lag.map(|seconds| seconds as f64)
    }

    /// The rows that are on this server, by client.
    pub async fn rows(&self) -> Result<Vec<(String, u64)>> {
        let rows = self.query("SELECT client, n FROM app.entries").await?;
        rows.into_iter().map(|row| mysql_async::from_row_opt(row).context("a row of another shape")).collect()
    }
}

/// Asks a server through its socket as its administrator.
///
/// # Errors
/// If it refuses or does not answer within two seconds.
pub async fn query(socket: &Path, sql: &str) -> Result<Vec<Row>> {
    let options = OptsBuilder::default().user(Some("root")).socket(Some(socket.to_string_lossy()));
    let asked = async {
        let mut connection = Conn::new(options).await?;
        let rows = connection.query(sql).await?;
        connection.disconnect().await?;
        Ok::<_, mysql_async::Error>(rows)
    };
    match tokio::time::timeout(Duration::from_secs(2), asked).await {
        Ok(rows) => Ok(rows?),
        Err(_) => bail!("no answer within two seconds: {sql}"),
    }
}
