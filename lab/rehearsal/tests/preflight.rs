//! What a person reads where something is not installed.
#![allow(clippy::unwrap_used)]

use rehearsal::preflight::{NEEDS, Need, missing};

#[test]
fn whoever_lacks_a_server_reads_which_and_the_command_that_installs_it() {
    let lacking = [Need::Program("mariadbd"), Need::Program("mariadb-install-db"), Need::Php("pdo_pgsql")];
    let text = missing(|need| !lacking.contains(&need)).unwrap();
    assert_eq!(
        text,
        "missing: mariadbd, mariadb-install-db, PHP's module pdo_pgsql. \
         On Debian: apt-get install --no-install-recommends mariadb-server php-pgsql"
    );
    assert_eq!(missing(|_| true), None);
}

#[test]
fn the_ci_installs_every_package_and_the_documentation_names_it() {
    let (steps, documentation) = (include_str!("../steps.sh"), include_str!("../src/lib.rs"));
    // Every Debian has util-linux.
    for (_, package) in NEEDS.iter().filter(|(_, package)| *package != "util-linux") {
        assert!(steps.contains(&format!(" {package}")), "{package} is not in steps.sh");
        assert!(documentation.contains(package), "{package} is not in the crate's documentation");
    }
}

#[test]
fn the_ci_holds_the_rehearsal_under_six_minutes() {
    assert!(include_str!("../steps.sh").contains(" --limit 360"));
}
