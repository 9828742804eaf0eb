//! What must be installed before a case is played, by the Debian package that brings it.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::patroni;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// A program of the distribution.
    Program(&'static str),
    File(&'static str),
    /// A module of PHP.
    Php(&'static str),
    /// A module of the distribution's Python.
    Python(&'static str),
    /// PostgreSQL's server, of any version.
    Postgres,
}

/// Everything, with its package.
pub const NEEDS: &[(Need, &str)] = &[
    (Need::Program("unshare"), "util-linux"),
    (Need::Program("nsenter"), "util-linux"),
    (Need::Program("ip"), "iproute2"),
    (Need::Program("mariadbd"), "mariadb-server"),
    (Need::Program("mariadb-install-db"), "mariadb-server"),
    (Need::File("/usr/lib/galera/libgalera_smm.so"), "galera-4"),
    (Need::Postgres, "postgresql"),
    (Need::Program("patroni"), "patroni"),
    (Need::Python("etcd"), "python3-etcd"),
    (Need::Program("etcd"), "etcd-server"),
    (Need::Program("php"), "php-cli"),
    (Need::Php("pdo_mysql"), "php-mysql"),
    (Need::Php("pdo_pgsql"), "php-pgsql"),
];

/// Holds that everything is there.
///
/// # Errors
/// With all that is missing, and the command that installs it.
pub fn check() -> Result<()> {
    match missing(is_there) {
        None => Ok(()),
        Some(text) => bail!("{text}"),
    }
}

/// What a person reads where something is missing.
pub fn missing(there: impl Fn(Need) -> bool) -> Option<String> {
    let missing: Vec<_> = NEEDS.iter().filter(|(need, _)| !there(*need)).collect();
    if missing.is_empty() {
        return None;
    }
    let what: Vec<_> = missing.iter().map(|(need, _)| need.name()).collect();
    let mut packages: Vec<_> = missing.iter().map(|(_, package)| *package).collect();
    packages.dedup();
    Some(format!(
        "missing: {}. On Debian: apt-get install --no-install-recommends {}",
        what.join(", "),
        packages.join(" ")
    ))
}

impl Need {
    fn name(self) -> String {
        match self {
            Self::Program(name) | Self::File(name) => name.to_owned(),
            Self::Php(name) => format!("PHP's module {name}"),
            Self::Python(name) => format!("Python's module {name}"),
            Self::Postgres => "PostgreSQL's server".to_owned(),
        }
    }
}

fn is_there(need: Need) -> bool {
    match need {
        Need::Program(name) => ["/usr/bin", "/bin", "/usr/sbin", "/sbin"]
            .iter()
            .any(|folder| Path::new(folder).join(name).exists()),
        Need::File(path) => Path::new(path).exists(),
        Need::Php(name) => {
            says("/usr/bin/php", &["-m"]).is_some_and(|modules| modules.lines().any(|module| module == name))
        }
        Need::Python(name) => says("/usr/bin/python3", &["-c", &format!("import {name}")]).is_some(),
        Need::Postgres => patroni::programs().is_some(),
    }
}

/// What a program prints, if it can be run and succeeds.
fn says(program: &str, arguments: &[&str]) -> Option<String> {
    let done = Command::new(program).args(arguments).output().ok()?;
    done.status.success().then(|| String::from_utf8_lossy(&done.stdout).into_owned())
}
