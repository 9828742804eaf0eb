//! Route 53's failover records as real DNS, and the caching resolver between them and everybody.
//!
//! Both are `hickory`'s. The authoritative server asks the emulator at each query; the resolver keeps what it got for
//! the TTL, and everything on every host resolves through it, so nobody follows a flag sooner than the TTL allows.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use emulator::Emulator;
use hickory_server::Server;
use hickory_server::net::runtime::Time;
use hickory_server::proto::op::{Metadata, ResponseCode};
use hickory_server::proto::rr::rdata::{A, CNAME, SOA};
use hickory_server::proto::rr::{LowerName, Name, RData, Record as Rr, RecordType};
use hickory_server::resolver::config::{NameServerConfig, ResolverOpts};
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::store::forwarder::{ForwardConfig, ForwardZoneHandler};
use hickory_server::zone_handler::{Catalog, MessageResponseBuilder, ZoneHandler};
use tokio::net::{TcpListener, UdpSocket};

use crate::fault::Fault;
use crate::net::SERVICES;
use crate::record::{Record, What};
use crate::stage::Paths;

/// Where Route 53 listens, for the resolver alone.
const ROUTE53: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 53);

/// The two running servers.
pub struct Dns {
    _route53: Server<Route53>,
    _resolver: Server<Catalog>,
}

/// Starts both.
pub async fn start(
    emulator: Emulator,
    endpoints: HashMap<String, Vec<Ipv4Addr>>,
    paths: &Paths,
) -> Result<Dns> {
    let record = Arc::clone(&paths.record);
    let stuck = paths.fault == Fault::StuckDns;
    let route53 = Route53 { emulator, endpoints, record, stuck, last: Mutex::default() };
    let route53 = listen(Server::new(route53), ROUTE53).await?;

    // A forwarder has to pass the CNAME on.
    let mut options = ResolverOpts::default();
    options.preserve_intermediates = true;
    let config = ForwardConfig {
        name_servers: vec![NameServerConfig::udp_and_tcp(ROUTE53.into())],
        options: Some(options),
    };
    let forwarder = ForwardZoneHandler::builder_tokio(config).build().map_err(anyhow::Error::msg)?;
    let mut catalog = Catalog::new();
    let forwarder: Arc<dyn ZoneHandler> = Arc::new(forwarder);
    catalog.upsert(LowerName::from(Name::root()), vec![forwarder]);
    let resolver = listen(Server::new(catalog), SERVICES).await?;
    Ok(Dns { _route53: route53, _resolver: resolver })
}

async fn listen<T: RequestHandler>(mut server: Server<T>, address: Ipv4Addr) -> Result<Server<T>> {
    server.register_socket(UdpSocket::bind((address, 53)).await.context("DNS over UDP")?);
    let listener = TcpListener::bind((address, 53)).await.context("DNS over TCP")?;
    server.register_listener(listener, Duration::from_secs(5), 16);
    Ok(server)
}

/// The authoritative server.
struct Route53 {
    emulator: Emulator,
    /// What is not a failover record: the addresses of the endpoints.
    endpoints: HashMap<String, Vec<Ipv4Addr>>,
    record: Arc<Record>,
    /// A planted fault: the first answer for ever.
    stuck: bool,
    last: Mutex<Option<String>>,
}

impl Route53 {
    /// The answer for a name, and whether the name exists.
    fn answer(&self, name: &Name, kind: RecordType) -> (Vec<Rr>, bool) {
        let text = name.to_ascii().trim_end_matches('.').to_ascii_lowercase();
        let mut answers = Vec::new();
        let (endpoint, ttl) = match self.emulator.world().dns_answer(&text, self.emulator.now()) {
            None => (text, 60),
            Some(answer) => {
                let fresh = answer.value.trim_end_matches('.').to_ascii_lowercase();
                let target = self.last_given().filter(|_| self.stuck).unwrap_or(fresh);
                let Ok(cname) = Name::from_ascii(format!("{target}.")) else { return (answers, false) };
                answers.push(Rr::from_rdata(name.clone(), answer.ttl, RData::CNAME(CNAME(cname))));
                self.note(&target);
                (target, answer.ttl)
            }
        };
        let Some(addresses) = self.endpoints.get(&endpoint) else {
            let exists = !answers.is_empty();
            return (answers, exists);
        };
        if kind == RecordType::A
            && let Ok(owner) = Name::from_ascii(format!("{endpoint}."))
        {
            let records = addresses.iter().map(|a| Rr::from_rdata(owner.clone(), ttl, RData::A(A(*a))));
            answers.extend(records);
        }
        (answers, true)
    }

    fn last_given(&self) -> Option<String> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, target: &str) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.as_deref() != Some(target) {
            *last = Some(target.to_owned());
            self.record.add(What::Dns { answer: target.to_owned() });
        }
    }
}

#[async_trait::async_trait]
impl RequestHandler for Route53 {
    async fn handle_request<R: ResponseHandler, T: Time>(
        &self,
        request: &Request,
        mut response_handle: R,
    ) -> ResponseInfo {
        let mut metadata = Metadata::response_from_request(&request.metadata);
        metadata.authoritative = true;
        let (answers, zone) = match request.request_info() {
            Err(_) => {
                metadata.response_code = ResponseCode::FormErr;
                (Vec::new(), None)
            }
            Ok(info) => {
                let name = Name::from(info.query.name());
                let kind = info.query.query_type();
                let (answers, exists) = self.answer(&name, kind);
                if !exists {
                    metadata.response_code = ResponseCode::NXDomain;
                }
                let complete = answers.iter().any(|record| record.record_type() == kind);
                // A negative answer carries the zone's SOA, so that it can be cached.
                let soa = SOA::new(Name::root(), Name::root(), 1, 60, 60, 60, 1);
                (answers, (!complete).then(|| Rr::from_rdata(Name::root(), 1, RData::SOA(soa))))
            }
        };
        let response = MessageResponseBuilder::from_message_request(request);
        let response = response.build(metadata, answers.iter(), [], zone.iter(), []);
        match response_handle.send_response(response).await {
            Ok(sent) => sent,
            // Whoever asked is gone.
            Err(_) => hickory_server::proto::op::Header { metadata, counts: Default::default() }.into(),
        }
    }
}
