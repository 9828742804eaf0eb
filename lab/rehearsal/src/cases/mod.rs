//! The cases. Each breaks one thing, waits for what must come, and counts rows.

mod killed;

use anyhow::Result;

use crate::record::Outcome;
use crate::stage::Paths;

/// A case by its name.
pub struct Case {
    pub name: &'static str,
    pub title: &'static str,
}

macro_rules! cases {
    ($($name:literal $title:literal => $play:path,)*) => {
        pub const ALL: &[Case] = &[$(Case { name: $name, title: $title }),*];

        /// Plays a case.
        ///
        /// # Errors
        /// If a part does not start, or something that must come does not.
        pub async fn play(name: &str, paths: &Paths, outcome: &mut Outcome) -> Result<()> {
            match name {
                $($name => $play(paths, outcome).await,)*
                _ => anyhow::bail!("there is no case {name}"),
            }
        }
    };
}

cases! {
    "killed-promoted" "The primary is killed; the replica is promoted; the old primary comes back" => killed::promoted,
    "killed-returned" "The primary is killed and comes back; nothing is promoted" => killed::returned,
}
