//! Galera's options for the nodes of one cluster.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use std::time::Duration;

use anyhow::Result;

use crate::fault::Fault;
use crate::mariadb::Mariadb;
use crate::net::{A1, A2, A3, Host};
use crate::process::until;
use crate::stage::Paths;

/// The state transfer of whoever joins. All nodes begin with a copy of the same data and nothing is written before all
/// are there, so only the position has to be handed over; the usual methods need further programs.
const TRANSFER: &str = r#"#!/bin/sh
while [ $# -gt 1 ]; do
  case $1 in
    --role) role=$2 ;;
    --address) address=$2 ;;
    --gtid) gtid=$2 ;;
    --gtid-domain-id) domain=$2 ;;
  esac
  shift
done
position=$(dirname "$0")/position.${address%%:*}
if [ "$role" = donor ]; then
  echo "$gtid $domain" >"$position.new"
  mv "$position.new" "$position"
  echo "done $gtid"
else
  rm -f "$position"
  echo "ready $address:4444/copied"
  until [ -s "$position" ]; do sleep 0.1; done
  cat "$position"
fi
"#;

/// Three nodes that have begun with the same data, and are in one cluster.
pub async fn cluster(paths: &Paths) -> Result<[Mariadb; 3]> {
    let (template, folder) = (&paths.mariadb, &paths.folder);
    let seed = folder.join("seed");
    std::fs::create_dir_all(&seed)?;
    // The position is in the data files, so a cluster of one writes it before they are copied.
    let mut first = node(A1, 1, template, &seed)?;
    first.option_once("--wsrep-new-cluster");
    first.start().await?;
    first.stop().await?;
    let data = seed.join(A1.name).join("data");
    let mut nodes = [node(A1, 1, &data, folder)?, node(A2, 2, &data, folder)?, node(A3, 3, &data, folder)?];
    if paths.fault == Fault::IgnoreQuorum {
        for node in &mut nodes {
            node.options.push("--wsrep-provider-options=gcache.size=16M;pc.ignore_quorum=YES".to_owned());
        }
    }
    for (node, host) in nodes.iter_mut().zip([A1, A2, A3]) {
        node.programs(folder);
        if host == A1 {
            node.option_once("--wsrep-new-cluster");
        }
        node.start().await?;
        let synced = || async { synced(node).await };
        until("the node is synced", Duration::from_secs(20), synced).await?;
    }
    Ok(nodes)
}

fn node(host: Host, id: u32, template: &Path, folder: &Path) -> Result<Mariadb> {
    let mut node = Mariadb::new(host, id, template, folder)?;
    let script = folder.join("wsrep_sst_copied");
    std::fs::write(&script, TRANSFER)?;
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755))?;
    let members = [A1, A2, A3].map(|host| host.address.to_string()).join(",");
    let options = [
        "--wsrep-on=ON".to_owned(),
        "--wsrep-provider=/usr/lib/galera/libgalera_smm.so".to_owned(),
        "--wsrep-provider-options=gcache.size=16M".to_owned(),
        format!("--wsrep-cluster-address=gcomm://{members}"),
        "--wsrep-cluster-name=a".to_owned(),
        format!("--wsrep-node-address={}", host.address),
        format!("--wsrep-node-name={}", host.name),
        "--wsrep-gtid-mode=ON".to_owned(),
        "--innodb-autoinc-lock-mode=2".to_owned(),
        "--wsrep-sst-method=copied".to_owned(),
    ];
    node.set_options(&options.each_ref().map(String::as_str));
    Ok(node)
}

async fn synced(node: &Mariadb) -> bool {
    let state = node.query("SHOW STATUS LIKE 'wsrep_local_state'").await;
    state.is_ok_and(|rows| rows.first().and_then(|row| row.get::<String, _>(1)).as_deref() == Some("4"))
}
