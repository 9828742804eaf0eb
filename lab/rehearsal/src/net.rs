//! The network of a case: a network namespace for each host, a router between them, and cuts.
//!
//! The rehearsal itself runs in the router's namespace. A cut is a policy rule of the router that throws packets
//! away: both ends see silence, as in a real partition, not a refusal. No packet filter is needed for that.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// A machine with a network namespace of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Host {
    pub name: &'static str,
    pub address: Ipv4Addr,
}

const fn host(name: &'static str, zone: u8, number: u8) -> Host {
    Host { name, address: Ipv4Addr::new(10, zone, 0, number) }
}

/// The primary's zone.
pub const A1: Host = host("a1", 1, 1);
pub const A2: Host = host("a2", 1, 2);
pub const A3: Host = host("a3", 1, 3);
/// What A's cluster manager keeps its leader lock in; in A's zone.
pub const A_ETCD: Host = host("aetcd", 1, 9);
/// The secondary's zone.
pub const B1: Host = host("b1", 2, 1);
pub const B_ETCD: Host = host("betcd", 2, 9);
/// Where the clients run.
pub const APP: Host = host("app", 3, 1);
/// Where the function runs.
pub const FUNCTION: Host = host("function", 4, 1);

pub const HOSTS: [Host; 8] = [A1, A2, A3, A_ETCD, B1, B_ETCD, APP, FUNCTION];

/// All of a zone, for cuts.
pub const ZONE_A: &str = "10.1.0.0/16";
pub const ZONE_B: &str = "10.2.0.0/16";

/// Where the resolver, the Runtime API and AWS listen; an address of the router.
pub const SERVICES: Ipv4Addr = Ipv4Addr::new(10, 9, 9, 9);

/// The router's end of every link.
const GATEWAY: &str = "169.254.1.1";

/// Runs a command of the system to its end.
///
/// # Errors
/// If it can't be run or fails, with what it said.
pub fn run(words: &[&str]) -> Result<()> {
    let (program, arguments) = words.split_first().context("no command")?;
    let done = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let done = done.with_context(|| format!("{program} can't be run"))?;
    let said = String::from_utf8_lossy(&done.stderr);
    ensure!(done.status.success(), "{} failed: {}", words.join(" "), said.trim());
    Ok(())
}

/// Makes all hosts and the router between them, and points name resolution to the resolver.
pub fn build(folder: &Path) -> Result<()> {
    run(&["mkdir", "-p", "/run/netns"])?;
    run(&["mount", "-t", "tmpfs", "netns", "/run/netns"])?;
    std::fs::write("/proc/sys/net/ipv4/ip_forward", "1")?;
    run(&["ip", "link", "set", "lo", "up"])?;
    run(&["ip", "address", "add", &format!("{SERVICES}/32"), "dev", "lo"])?;
    for Host { name, address } in HOSTS {
        let link = format!("v{name}");
        run(&["ip", "netns", "add", name])?;
        run(&["ip", "link", "add", &link, "type", "veth", "peer", "name", "eth0", "netns", name])?;
        run(&["ip", "address", "add", &format!("{GATEWAY}/32"), "dev", &link])?;
        run(&["ip", "link", "set", &link, "up"])?;
        run(&["ip", "route", "add", &format!("{address}/32"), "dev", &link])?;
        run(&["ip", "-n", name, "link", "set", "lo", "up"])?;
        run(&["ip", "-n", name, "address", "add", &format!("{address}/32"), "dev", "eth0"])?;
        run(&["ip", "-n", name, "link", "set", "eth0", "up"])?;
        run(&["ip", "-n", name, "route", "add", "default", "via", GATEWAY, "dev", "eth0", "onlink"])?;
    }
    let resolver = folder.join("resolv.conf");
    std::fs::write(&resolver, format!("nameserver {SERVICES}\noptions timeout:2 attempts:2\n"))?;
    run(&["mount", "--bind", &resolver.to_string_lossy(), "/etc/resolv.conf"])
}

/// Drops all packets between two networks, silently.
pub fn cut(one: &str, other: &str) -> Result<()> {
    between(&["add"], one, other)
}

/// Takes a cut back.
pub fn heal(one: &str, other: &str) -> Result<()> {
    between(&["delete"], one, other)
}

fn between(verb: &[&str], one: &str, other: &str) -> Result<()> {
    for (from, to) in [(one, other), (other, one)] {
        let rule = ["from", from, "to", to, "blackhole", "priority", "100"];
        run(&[&["ip", "rule"], verb, &rule].concat())?;
    }
    Ok(())
}

impl Host {
    /// The host's address as a network, for cuts.
    pub fn network(&self) -> String {
        format!("{}/32", self.address)
    }
}
