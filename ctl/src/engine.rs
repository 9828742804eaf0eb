//! What each engine offers for a promotion without loss: how to stop the writes, how to compare the two sides, and
//! what that can't do.

use clap::ValueEnum;

/// An engine that RDS promotes a read replica of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// RDS for MySQL
    Mysql,
    /// RDS for MariaDB
    Mariadb,
    /// RDS for PostgreSQL
    Postgres,
    /// RDS for Oracle
    Oracle,
    /// RDS for SQL Server
    Sqlserver,
}

/// One engine's way.
pub struct Way {
    /// Commands and statements that stop the writes, in order.
    pub stop: &'static [&'static str],
    /// How to see that writes are refused.
    pub proof: &'static str,
    /// What stopping the writes costs, and what it can't do.
    pub limits: &'static [&'static str],
    /// What is run on the primary, then on the replica, to see that everything has arrived.
    pub compare: &'static [&'static str],
    /// When the two agree.
    pub equal: &'static str,
    /// How to take writes again on the old primary, where nothing was promoted.
    pub undo: &'static [&'static str],
    /// What to do on the promoted instance, so that it takes writes.
    pub after: &'static str,
}

impl Engine {
    /// Its way.
    pub fn way(self) -> &'static Way {
        match self {
            Self::Mysql => &MYSQL,
            Self::Mariadb => &MARIADB,
            Self::Postgres => &POSTGRES,
            Self::Oracle => &ORACLE,
            Self::Sqlserver => &SQLSERVER,
        }
    }
}

const READ_ONLY_1: &str = "aws rds modify-db-parameter-group --db-parameter-group-name PRIMARYS_OWN_GROUP --parameters ParameterName=read_only,ParameterValue=1,ApplyMethod=immediate";
const READ_ONLY_0: &str = "aws rds modify-db-parameter-group --db-parameter-group-name PRIMARYS_OWN_GROUP --parameters \"ParameterName=read_only,ParameterValue='{TrueIfReplica}',ApplyMethod=immediate\"";
const OWN_GROUP: &str = "The primary needs a parameter group of its own: the replica keeps its group when it is promoted, and would stay read-only. RDS's default group can't be changed.";
const OPEN_TRANSACTIONS: &str = "Open transactions fail when they commit. Reads go on.";

static MYSQL: Way = Way {
    stop: &[READ_ONLY_1, "SELECT @@global.read_only;"],
    proof: "@@global.read_only is 1, and a write as the application's user fails with error 1290.",
    limits: &[
        OWN_GROUP,
        OPEN_TRANSACTIONS,
        "read_only does not bind users with CONNECTION_ADMIN or SUPER, and RDS's master user has the former: an application that logs in as the master user keeps writing. super_read_only would bind them; RDS does not let you set it.",
    ],
    compare: &[
        "SHOW MASTER STATUS;  -- primary; from 8.4: SHOW BINARY LOG STATUS",
        "SHOW REPLICA STATUS\\G  -- replica",
    ],
    equal: "Relay_Source_Log_File and Exec_Source_Log_Pos on the replica are the file and position of the primary.",
    undo: &[READ_ONLY_0],
    after: "It takes writes once promoted. Check: SELECT @@global.read_only; must be 0.",
};

static MARIADB: Way = Way {
    stop: &[READ_ONLY_1, "SELECT @@global.read_only;"],
    proof: "@@global.read_only is 1, and a write as the application's user fails with error 1290.",
    limits: &[
        OWN_GROUP,
        OPEN_TRANSACTIONS,
        "read_only does not bind users with READ ONLY ADMIN (before 10.11: SUPER). MariaDB has no super_read_only: make sure that the application's user has neither.",
    ],
    compare: &["SHOW MASTER STATUS;  -- primary", "SHOW REPLICA STATUS\\G  -- replica"],
    equal: "Relay_Master_Log_File and Exec_Master_Log_Pos on the replica are the file and position of the primary.",
    undo: &[READ_ONLY_0],
    after: "It takes writes once promoted. Check: SELECT @@global.read_only; must be 0.",
};

static POSTGRES: Way = Way {
    stop: &[
        "aws rds modify-db-parameter-group --db-parameter-group-name PRIMARYS_OWN_GROUP --parameters ParameterName=default_transaction_read_only,ParameterValue=1,ApplyMethod=immediate",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND usename <> 'rdsadmin';",
    ],
    proof: "SHOW default_transaction_read_only; says on, and a write as the application's user fails with \"cannot execute … in a read-only transaction\".",
    limits: &[
        "It is a default, no lock: a session or role that sets default_transaction_read_only or begins a transaction READ WRITE still writes. Where you can't rule that out, also take the login away (ALTER ROLE app NOLOGIN) before you end the sessions.",
        "Use the parameter group, and one that the replica does not share. ALTER DATABASE … SET and ALTER ROLE … are replicated: after the promotion they bind the new primary, until you reset them there.",
        "Ending the sessions aborts their transactions.",
        "ReplicaLag says nothing on an idle PostgreSQL primary: it grows until the next WAL record. Compare the positions.",
    ],
    compare: &[
        "SELECT pg_current_wal_lsn();  -- primary",
        "SELECT pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn();  -- replica",
    ],
    equal: "Both positions of the replica are at or past the primary's, and the primary's does not move on by writes of yours.",
    undo: &[
        "aws rds reset-db-parameter-group --db-parameter-group-name PRIMARYS_OWN_GROUP --parameters ParameterName=default_transaction_read_only,ApplyMethod=immediate",
    ],
    after: "Check there: SHOW default_transaction_read_only; must say off. Undo what you did with ALTER ROLE or ALTER DATABASE.",
};

static ORACLE: Way = Way {
    stop: &[
        "EXEC rdsadmin.rdsadmin_util.restricted_session(p_enable => true);",
        "SELECT sid, serial#, username FROM v$session WHERE type = 'USER';",
        "EXEC rdsadmin.rdsadmin_util.kill(sid => SID, serial => SERIAL);",
    ],
    proof: "SELECT logins FROM v$instance; says RESTRICTED, and no session of the application is left.",
    limits: &[
        "RDS does not let you open the primary read-only. A restricted session keeps new logins out, except users with RESTRICTED SESSION; sessions that are open must be ended one by one, and their transactions roll back.",
        "RDS has a way of its own without loss: `aws rds switchover-read-replica` swaps the two roles and keeps replication. Prefer it where the replica stays; it does not move DNS, and this function then sees the roles swapped.",
        "A mounted replica must be opened before it serves.",
    ],
    compare: &[
        "SELECT current_scn FROM v$database;  -- primary, after the last session has ended",
        "SELECT name, value FROM v$dataguard_stats WHERE name IN ('transport lag', 'apply lag');  -- replica",
    ],
    equal: "Both lags are +00 00:00:00, and current_scn on the replica has passed what the primary showed.",
    undo: &["EXEC rdsadmin.rdsadmin_util.restricted_session(p_enable => false);"],
    after: "Check there: SELECT open_mode FROM v$database; must say READ WRITE.",
};

static SQLSERVER: Way = Way {
    stop: &[
        "ALTER LOGIN [app] DISABLE;",
        "SELECT session_id, login_name FROM sys.dm_exec_sessions WHERE is_user_process = 1;",
        "KILL SESSION_ID;",
    ],
    proof: "The application can't log in, and no session of it is left.",
    limits: &[
        "A database with a read replica is in an availability group, and SQL Server refuses ALTER DATABASE … SET READ_ONLY there. Disabling the logins that write is what is left: find all of them.",
        "Sessions that are open must be ended one by one, and their transactions roll back.",
    ],
    compare: &[
        "SELECT DB_NAME(database_id), last_hardened_lsn, last_commit_lsn FROM sys.dm_hadr_database_replica_states;  -- both",
        "SELECT DB_NAME(database_id), redo_queue_size FROM sys.dm_hadr_database_replica_states;  -- replica",
    ],
    equal: "last_commit_lsn is the same on both sides for each database, and the redo queue is empty.",
    undo: &["ALTER LOGIN [app] ENABLE;"],
    after: "Check there that the application's login exists, is enabled and owns its users.",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_engine_stops_proves_compares_and_undoes() {
        for engine in Engine::value_variants() {
            let way = engine.way();
            assert!(!way.stop.is_empty() && !way.undo.is_empty(), "{engine:?}");
            assert!(way.compare.len() == 2 && !way.limits.is_empty(), "{engine:?}");
        }
    }
}
