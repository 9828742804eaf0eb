//! What the function remembers between invocations: tags on the health check, visible in the console.
//!
//! How they are written around a change is in [`crate::act`].

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use crate::text::named;

/// Route 53 allows this many characters in a tag's value (`ChangeTagsForResource`).
const MAX_VALUE: usize = 256;

/// How long a request to RDS counts as under way while RDS does not show it: neither the promotion nor the stop of
/// an instance changes its status at once.
pub const SENT_VOID_AFTER: SignedDuration = SignedDuration::from_mins(5);

/// How long an announcement counts that nobody has confirmed: no invocation lives longer. Source: "Lambda quotas",
/// function timeout.
pub const ANNOUNCED_FOR: SignedDuration = SignedDuration::from_mins(15);

/// The tags that hold the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    /// Traffic is being moved to the secondary.
    Routed,
    /// Traffic is being moved back to the primary.
    Returned,
    /// The replica is being promoted.
    Promoted,
    /// The old primary is being stopped.
    Fenced,
    /// Automatic change is stopped.
    Pause,
}

impl Tag {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Routed, Self::Returned, Self::Promoted, Self::Fenced, Self::Pause];

    /// The tag's key.
    pub fn key(self) -> &'static str {
        match self {
            Self::Routed => "failover:routed",
            Self::Returned => "failover:returned",
            Self::Promoted => "failover:promoted",
            Self::Fenced => "failover:fenced",
            Self::Pause => "failover:pause",
        }
    }
}

/// Who ordered a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The function's own rules.
    Auto,
    /// A person, through an action.
    Operator,
}

impl By {
    /// The word used in tags and in the response.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Operator => "operator",
        }
    }
}

/// The value of `failover:routed` and `failover:returned`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// The `HealthCheckVersion` that the announced update produces.
    pub version: i64,
    /// Who ordered it.
    pub by: By,
    /// When it was announced.
    pub at: Timestamp,
    /// Which invocation announced it: letters and digits.
    pub id: Option<String>,
    /// Until when it counts though nobody has seen the change made; `None` once somebody has.
    pub until: Option<Timestamp>,
    /// A rule's code, or an operator's words.
    pub reason: String,
}

impl Move {
    /// Whether it claims its version: it is confirmed, or its announcement has not lapsed.
    pub fn claims(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }

    /// The same, confirmed.
    #[must_use]
    pub fn confirmed(&self) -> Self {
        Self { until: None, ..self.clone() }
    }
}

/// The value of `failover:promoted` and `failover:fenced`: a request that was about to be sent to RDS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The version in `failover:routed` of the same incident.
    pub version: i64,
    /// When it was about to be sent.
    pub at: Timestamp,
    /// Identifier of the instance.
    pub instance: String,
}

impl Sent {
    /// Whether so little time has passed that RDS may not show it yet.
    pub fn is_recent(&self, now: Timestamp) -> bool {
        now.duration_since(self.at) < SENT_VOID_AFTER
    }
}

/// The value of `failover:pause`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// When it ends; `None` is never.
    pub until: Option<Timestamp>,
    /// An operator's words.
    pub reason: String,
}

impl Pause {
    /// Whether it is in force.
    pub fn in_force(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }

    /// The pause in words: `paused until …`, and why.
    pub fn words(&self) -> String {
        let end = self.until.map_or_else(|| ", without an end".to_owned(), |until| format!(" until {until}"));
        let reason = if self.reason.is_empty() { String::new() } else { format!(" ({})", self.reason) };
        format!("paused{end}{reason}")
    }
}

/// All that the tags say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// The last move to the secondary that was announced.
    pub routed: Option<Move>,
    /// The last move back that was announced.
    pub returned: Option<Move>,
    /// The last promotion that was announced.
    pub promoted: Option<Sent>,
    /// The last stop of an old primary that was announced.
    pub fenced: Option<Sent>,
    /// The pause that was ordered last, in force or not.
    pub pause: Option<Pause>,
}

impl Memory {
    /// Reads the memory off a health check's tags; tags of other people are skipped.
    ///
    /// # Errors
    /// A sentence that names the tag, what it holds and what it may hold.
    pub fn parse<'a>(tags: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, String> {
        let mut memory = Self::default();
        for (key, value) in tags {
            let fault = |form: &str| format!("the tag {key} holds `{value}`; it may hold `{form}`");
            if key == Tag::Routed.key() {
                memory.routed = Some(value.parse().map_err(|()| fault(MOVE_FORM))?);
            } else if key == Tag::Returned.key() {
                memory.returned = Some(value.parse().map_err(|()| fault(MOVE_FORM))?);
            } else if key == Tag::Promoted.key() {
                memory.promoted = Some(value.parse().map_err(|()| fault(SENT_FORM))?);
            } else if key == Tag::Fenced.key() {
                memory.fenced = Some(value.parse().map_err(|()| fault(SENT_FORM))?);
            } else if key == Tag::Pause.key() {
                memory.pause = Some(value.parse().map_err(|()| fault(PAUSE_FORM))?);
            }
        }
        Ok(memory)
    }

    /// The move to the secondary that produced this version; `None` if nobody claims it.
    pub fn routed_at(&self, version: i64, now: Timestamp) -> Option<&Move> {
        self.routed.as_ref().filter(|routed| routed.version == version && routed.claims(now))
    }

    /// Who moved traffic away with the update that produced this version; `None` if nobody claims it.
    pub fn routed_by(&self, version: i64, now: Timestamp) -> Option<By> {
        self.routed_at(version, now).map(|routed| routed.by)
    }

    /// The promotion announced in the incident whose flags have this version.
    pub fn promotion_in(&self, version: i64) -> Option<&Sent> {
        self.promoted.as_ref().filter(|promoted| promoted.version == version)
    }

    /// What a tag holds now, as it would be written.
    pub fn value_of(&self, tag: Tag) -> Option<String> {
        match tag {
            Tag::Routed => self.routed.as_ref().map(Move::to_string),
            Tag::Returned => self.returned.as_ref().map(Move::to_string),
            Tag::Promoted => self.promoted.as_ref().map(Sent::to_string),
            Tag::Fenced => self.fenced.as_ref().map(Sent::to_string),
            Tag::Pause => self.pause.as_ref().map(Pause::to_string),
        }
    }
}

const MOVE_FORM: &str = "version=7 by=auto at=2026-01-31T23:59:59Z reason=code";
const SENT_FORM: &str = "version=7 at=2026-01-31T23:59:59Z instance=identifier";
const PAUSE_FORM: &str = "until=2026-01-31T23:59:59Z reason=text";

impl std::str::FromStr for Move {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (version, text) = field(text, "version")?;
        let (by, text) = field(text, "by")?;
        let (at, mut text) = field(text, "at")?;
        let (mut id, mut until) = (None, None);
        while !text.starts_with("reason=") {
            let (name, _) = text.split_once('=').ok_or(())?;
            let (value, after) = field(text, name)?;
            match name {
                "id" if id.is_none() && value.chars().all(|c| c.is_ascii_alphanumeric()) => {
                    id = Some(value.to_owned());
                }
                "until" if until.is_none() => until = Some(time(value)?),
                _ => return Err(()),
            }
            text = after;
        }
        let by = match by {
            "auto" => By::Auto,
            "operator" => By::Operator,
            _ => return Err(()),
        };
        Ok(Self { version: number(version)?, by, at: time(at)?, id, until, reason: rest(text, "reason")? })
    }
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut head = format!("version={} by={} at={} ", self.version, self.by.as_str(), self.at);
        if let Some(id) = &self.id {
            head.push_str(&format!("id={id} "));
        }
        if let Some(until) = self.until {
            head.push_str(&format!("until={until} "));
        }
        head.push_str("reason=");
        f.write_str(&fit(&head, &self.reason))
    }
}

impl std::str::FromStr for Sent {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (version, text) = field(text, "version")?;
        let (at, text) = field(text, "at")?;
        let instance = rest(text, "instance")?;
        if instance.is_empty() {
            return Err(());
        }
        Ok(Self { version: number(version)?, at: time(at)?, instance })
    }
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "version={} at={} instance={}", self.version, self.at, self.instance)
    }
}

impl std::str::FromStr for Pause {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (until, text) = field(text, "until")?;
        let until = if until == "forever" { None } else { Some(time(until)?) };
        // A pause typed into the console in a hurry must hold without a reason, too.
        let reason = if text.is_empty() { String::new() } else { rest(text, "reason")? };
        Ok(Self { until, reason })
    }
}

impl fmt::Display for Pause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let until = self.until.map_or_else(|| "forever".to_owned(), |until| until.to_string());
        f.write_str(&fit(&format!("until={until} reason="), &self.reason))
    }
}

/// Takes `name=value` and the space after it off the front.
fn field<'a>(text: &'a str, name: &str) -> Result<(&'a str, &'a str), ()> {
    let text = text.strip_prefix(name).and_then(|text| text.strip_prefix('=')).ok_or(())?;
    let (value, rest) = text.split_once(' ').unwrap_or((text, ""));
    if value.is_empty() { Err(()) } else { Ok((value, rest)) }
}

/// Takes `name=` off the front; the value is all that is left.
fn rest(text: &str, name: &str) -> Result<String, ()> {
    text.strip_prefix(name).and_then(|text| text.strip_prefix('=')).map(named).ok_or(())
}

fn number(text: &str) -> Result<i64, ()> {
    text.parse().ok().filter(|version| *version > 0).ok_or(())
}

fn time(text: &str) -> Result<Timestamp, ()> {
    text.parse().map_err(|_| ())
}

/// Writes words of a person after `head` so that Route 53 takes them: other characters become `_`, and the
/// whole is cut to the length it allows. Nothing is left to a service that may trim the end.
fn fit(head: &str, words: &str) -> String {
    let value: String = head
        .chars()
        .chain(words.chars().map(
            |c| {
                if c.is_ascii_alphanumeric() || " +-=._:/@".contains(c) { c } else { '_' }
            },
        ))
        .take(MAX_VALUE)
        .collect();
    value.trim_end().to_owned()
}
