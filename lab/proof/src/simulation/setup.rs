//! The random worlds and configurations that a simulation starts from.

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::sync::OnceLock;
use std::time::Duration;

use emulator::{Instance, Promotion, World};
use fastrand::Rng;
use socket2::{Domain, SockRef, Socket, Type};

use crate::rig::{PRIMARY, RECORD, REGION, REPLICA, TOPIC, ZONE, world_of};

/// What stays as it is in a world.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) replica_region: &'static str,
    pub(super) multi_az: bool,
    pub(super) engine: &'static str,
    pub(super) probes: bool,
    pub(super) probes_fail: bool,
}

impl Place {
    pub(super) fn primary(&self) -> Instance {
        Instance { multi_az: self.multi_az, engine: self.engine.to_owned(), ..Instance::new(REGION, PRIMARY) }
    }

    pub(super) fn replica(&self) -> Instance {
        Instance::replica_of(&self.primary(), self.replica_region, REPLICA)
    }

    pub(super) fn world(&self, promotion: Promotion) -> World {
        let mut world = world_of(self.primary(), self.replica());
        world.set_replica_lag(REPLICA, Some(0.5));
        world.promotion = promotion;
        world
    }
}

type Variables = Vec<(&'static str, String)>;

pub(super) fn setup(rng: &mut Rng) -> (Place, World, Variables) {
    let mut one_in = |n: u32| rng.u32(0..n) == 0;
    let place = Place {
        replica_region: if one_in(3) { "eu-west-1" } else { REGION },
        multi_az: one_in(3),
        engine: if one_in(3) { "mysql" } else { "postgres" },
        probes: one_in(10),
        probes_fail: one_in(2),
    };
    let promotion = Promotion {
        notice: Duration::from_secs(if one_in(3) { 0 } else { 20 }),
        duration: Duration::from_secs(if one_in(3) { 60 } else { 240 }),
        takes_effect: !one_in(10),
    };
    let replica = !one_in(10);
    let mut variables: Variables = Vec::new();
    let mut set = |name, value: &str| variables.push((name, value.to_owned()));
    if !replica {
        set("FAILOVER_DB_INSTANCE_IDENTIFIER", "");
    } else if place.replica_region != REGION {
        set("FAILOVER_DB_INSTANCE_IDENTIFIER", &place.replica().arn());
    }
    let promotes = replica && !one_in(3);
    if promotes {
        set("PROMOTE_REPLICA", "true");
        if one_in(2) {
            let on = if place.probes { ",unreachable,unresponsive" } else { "" };
            set("PROMOTE_ON", &format!("failed,stopped,deleting,missing{on}"));
        }
    }
    if replica && one_in(3) && promotes {
        set("FENCE_PRIMARY", "stop");
    }
    if one_in(12) {
        set("MODE", "observe");
    }
    if one_in(6) {
        set("FAILBACK", "manual");
    }
    if one_in(6) {
        set("STATUS_OVERRIDES", "storage-full=hold,rebooting=unhealthy,maintenance=healthy");
    }
    if one_in(5) {
        set("NOTIFICATION_TOPIC_ARN", &format!("arn:aws:sns:{REGION}:{}:{TOPIC}", emulator::ACCOUNT));
    }
    if one_in(3) {
        set("HOSTED_ZONE_ID", ZONE);
        set("RECORD_NAME", RECORD);
    }
    if one_in(10) {
        set("SECONDARY_ENDPOINTS", endpoint(one_in(3)));
    }
    if place.probes {
        set("HEALTH_ENDPOINTS", endpoint(place.probes_fail));
        if one_in(2) {
            set("ON_PRIMARY_UNREACHABLE", "failover");
        }
    }
    set("CONFIRMATIONS", ["1", "2", "3"][rng.usize(0..3)]);
    set("FAILBACK_CONFIRMATIONS", ["1", "2", "3"][rng.usize(0..3)]);
    set("CONFIRMATION_INTERVAL", ["1s", "10s"][rng.usize(0..2)]);
    set("COOLDOWN", ["0s", "1m", "10m"][rng.usize(0..3)]);
    set("MAX_REPLICA_LAG", ["5s", "60s"][rng.usize(0..2)]);
    let world = place.world(promotion);
    (place, world, variables)
}

/// An endpoint on the loopback interface that fails, or one that answers.
pub(super) fn endpoint(fail: bool) -> &'static str {
    static ENDPOINTS: OnceLock<Endpoints> = OnceLock::new();
    let endpoints = ENDPOINTS.get_or_init(Endpoints::open);
    if fail { &endpoints.fails } else { &endpoints.answers }
}

struct Endpoints {
    answers: String,
    fails: String,
    /// Bound and never listened on, so that nobody else can answer there.
    _bound: Socket,
}

impl Endpoints {
    fn open() -> Self {
        let opened = (|| {
            let listener = TcpListener::bind("127.0.0.1:0")?;
            let answers = format!("tcp://{}", listener.local_addr()?);
            let bound = Socket::new(Domain::IPV4, Type::STREAM, None)?;
            bound.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into())?;
            let address = bound.local_addr()?.as_socket();
            let fails = address.map_or_else(String::new, |address| format!("tcp://{address}"));
            std::thread::spawn(move || listener.incoming().flatten().for_each(close_after_the_client));
            Ok::<_, std::io::Error>(Self { answers, fails, _bound: bound })
        })();
        match opened {
            Ok(endpoints) => endpoints,
            Err(error) => panic!("no port could be opened on the loopback interface: {error}"),
        }
    }
}

/// Resets the connection once the client is through: it would stay in TIME_WAIT, and a long run has more probes
/// than there are ports.
fn close_after_the_client(mut stream: TcpStream) {
    let _ = stream.read(&mut [0]);
    let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
}
