//! Faults of the wire and of the service, for any operation.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;

use crate::limits::throttled;
use crate::wire::{ApiError, Service};

macro_rules! faults {
    ($($(#[$doc:meta])* $fault:ident $(($parameter:ty))? $({$($field:ident: $type:ty),+})?
        => [$($name:literal: $named:expr),+];)+) => {
        /// What goes wrong with a call.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Fault {
            $($(#[$doc])* $fault $(($parameter))? $({$($field: $type),+})?,)+
        }

        impl Fault {
            /// Every fault, by a name for each parameter that makes a difference.
            pub const NAMED: &[(&'static str, Self)] = &[$($(($name, $named)),+),+];
        }
    };
}

faults! {
    /// 400 `Throttling`, "Rate exceeded"; not carried out.
    Throttle => ["throttle": Self::Throttle];
    /// 403, as IAM refuses; not carried out.
    Denied => ["denied": Self::Denied];
    /// A 5xx status (500 `InternalFailure`, 503 `ServiceUnavailable`); not carried out.
    Server(u16) => ["500": Self::Server(500), "503": Self::Server(503)];
    /// Any other error of the service; not carried out.
    Error { status: u16, code: Cow<'static, str>, message: Cow<'static, str> } => ["error": Self::Error {
        status: 400, code: Cow::Borrowed("InvalidInput"), message: Cow::Borrowed("no"),
    }];
    /// No answer ever, the connection stays open; not carried out.
    Hang => ["hang": Self::Hang];
    /// The connection is reset; not carried out.
    Reset => ["reset": Self::Reset];
    /// Carried out, and answered after this long.
    Slow(Duration) => ["slow": Self::Slow(Duration::from_secs(1)), "late": Self::Slow(Duration::from_secs(5))];
    /// Carried out, and answered 200 with a page that is no answer, as some proxies do.
    Malformed => ["malformed": Self::Malformed];
    /// Carried out, and answered 200 with the first half of the answer. Beware: the SDK's XML
    /// readers take that for a whole answer in which the rest is absent.
    Truncated => ["truncated": Self::Truncated];
    /// Carried out, and answered 200 with well-formed XML that has a root and nothing in it.
    Emptied => ["emptied": Self::Emptied];
    /// Carried out, and answered with so many bytes: the answer, and blanks after it.
    Padded(usize) => ["padded": Self::Padded(5 << 20)];
    /// Carried out, and the connection is reset before the answer.
    AppliedThenReset => ["applied-then-reset": Self::AppliedThenReset];
    /// Carried out, and never answered.
    AppliedThenHang => ["applied-then-hang": Self::AppliedThenHang];
    /// Carried out, and answered with a 5xx status.
    AppliedThenServer(u16) => ["applied-then-500": Self::AppliedThenServer(500)];
    /// Carried out, and answered with any other error.
    AppliedThenError { status: u16, code: Cow<'static, str>, message: Cow<'static, str> } => [
        "applied-then-not-found": applied_then("DBInstanceNotFound"),
        "applied-then-invalid-state": applied_then("InvalidDBInstanceState"),
        "applied-then-mismatch": applied_then("HealthCheckVersionMismatch")
    ];
}

/// A server's error that names what would mean something in a refusal.
const fn applied_then(code: &'static str) -> Fault {
    Fault::AppliedThenError { status: 500, code: Cow::Borrowed(code), message: Cow::Borrowed("no") }
}

/// When and whether the operation itself is run.
pub(crate) enum Effect {
    Refuse(ApiError),
    Hang { apply: bool },
    Reset { apply: bool },
    Slow(Duration),
    Malformed,
    Rewrite(Rewrite),
    ApplyThenRefuse(ApiError),
}

/// What is left of an answer.
pub(crate) enum Rewrite {
    Half,
    Root,
    Pad(usize),
}

impl Rewrite {
    pub(crate) fn apply(self, body: &mut Bytes) {
        match self {
            Self::Half => body.truncate(body.len() / 2),
            Self::Root => {
                let root = bare_root(body);
                *body = root.unwrap_or_default().into();
            }
            Self::Pad(size) => {
                let mut padded = body.to_vec();
                padded.resize(size.max(body.len()), b' ');
                *body = padded.into();
            }
        }
    }
}

fn bare_root(body: &[u8]) -> Option<String> {
    let document = roxmltree::Document::parse(std::str::from_utf8(body).ok()?).ok()?;
    let name = document.root_element().tag_name();
    let namespace = name.namespace().unwrap_or_default();
    Some(format!("<{} xmlns=\"{namespace}\"/>", name.name()))
}

impl Fault {
    pub(crate) fn effect(&self, service: Service, operation: &str, region: &str) -> Effect {
        let server = |status: u16| match status {
            503 => ApiError::new(503, "ServiceUnavailable", "Service is currently unavailable."),
            _ => ApiError::new(
                status,
                "InternalFailure",
                "An internal error has occurred. Please try your query again at a later time.",
            ),
        };
        match self {
            Self::Throttle => Effect::Refuse(throttled()),
            Self::Denied => Effect::Refuse(denied(service, operation, region)),
            Self::Server(status) => Effect::Refuse(server(*status)),
            Self::Error { status, code, message } => {
                Effect::Refuse(ApiError::new(*status, code.clone(), message.clone().into_owned()))
            }
            Self::AppliedThenError { status, code, message } => {
                Effect::ApplyThenRefuse(ApiError::new(*status, code.clone(), message.clone().into_owned()))
            }
            Self::Hang => Effect::Hang { apply: false },
            Self::Reset => Effect::Reset { apply: false },
            Self::Slow(delay) => Effect::Slow(*delay),
            Self::Malformed => Effect::Malformed,
            Self::Truncated => Effect::Rewrite(Rewrite::Half),
            Self::Emptied => Effect::Rewrite(Rewrite::Root),
            Self::Padded(size) => Effect::Rewrite(Rewrite::Pad(*size)),
            Self::AppliedThenReset => Effect::Reset { apply: true },
            Self::AppliedThenHang => Effect::Hang { apply: true },
            Self::AppliedThenServer(status) => Effect::ApplyThenRefuse(server(*status)),
        }
    }
}

fn denied(service: Service, operation: &str, region: &str) -> ApiError {
    let (code, prefix) = match service {
        Service::Rds => ("AccessDenied", "rds"),
        Service::Route53 => ("AccessDenied", "route53"),
        Service::CloudWatch => ("AccessDenied", "cloudwatch"),
        Service::Sns => ("AuthorizationError", "sns"),
    };
    let account = crate::ACCOUNT;
    ApiError::new(
        403,
        code,
        format!(
            "User: arn:aws:sts::{account}:assumed-role/failover/failover is not authorized to perform: \
             {prefix}:{operation} in {region} because no identity-based policy allows the \
             {prefix}:{operation} action"
        ),
    )
}

/// Which calls a fault or a hook is for. What is left out matches anything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct On {
    operation: Option<Cow<'static, str>>,
    service: Option<Service>,
    region: Option<String>,
    target: Option<String>,
}

impl On {
    #[must_use]
    pub fn any() -> Self {
        Self::default()
    }

    /// Calls of one operation, such as `UpdateHealthCheck`.
    #[must_use]
    pub fn operation(name: impl Into<Cow<'static, str>>) -> Self {
        Self { operation: Some(name.into()), ..Self::default() }
    }

    /// Calls of one service.
    #[must_use]
    pub fn service(service: Service) -> Self {
        Self { service: Some(service), ..Self::default() }
    }

    /// Only in this region.
    #[must_use]
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// Only about this instance, health check, zone, topic or metric.
    #[must_use]
    pub fn target(mut self, target: impl Into<String>) -> Self {
        self.target = Some(target.into());
        self
    }

    pub(crate) fn matches(&self, asked: &Asked) -> bool {
        self.operation.as_ref().is_none_or(|operation| *operation == asked.operation)
            && self.service.is_none_or(|service| service == asked.service)
            && self.region.as_ref().is_none_or(|region| *region == asked.region)
            && self.target.as_ref().is_none_or(|target| asked.target.as_ref() == Some(target))
    }
}

impl From<&'static str> for On {
    fn from(operation: &'static str) -> Self {
        Self::operation(operation)
    }
}

/// What a request turns out to be before it is carried out.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) service: Service,
    pub(crate) operation: Cow<'static, str>,
    pub(crate) region: String,
    pub(crate) target: Option<String>,
}

/// Faults in waiting. The first that matches is taken.
#[derive(Debug, Default)]
pub struct Faults(Vec<(On, Fault, Option<u64>)>);

impl Faults {
    /// For the next matching call.
    pub fn once(&mut self, on: impl Into<On>, fault: Fault) {
        self.times(1, on, fault);
    }

    /// For the next `count` matching calls.
    pub fn times(&mut self, count: u64, on: impl Into<On>, fault: Fault) {
        if count > 0 {
            self.0.push((on.into(), fault, Some(count)));
        }
    }

    /// For every matching call until [`Faults::clear`].
    pub fn standing(&mut self, on: impl Into<On>, fault: Fault) {
        self.0.push((on.into(), fault, None));
    }

    /// Forgets all of them.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Whether none is waiting.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn take(&mut self, asked: &Asked) -> Option<Fault> {
        let index = self.0.iter().position(|(on, _, _)| on.matches(asked))?;
        let (_, fault, left) = &mut self.0[index];
        match left {
            Some(1) => Some(self.0.remove(index).1),
            Some(count) => {
                *count -= 1;
                Some(fault.clone())
            }
            None => Some(fault.clone()),
        }
    }
}
