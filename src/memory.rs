//! What the function remembers between invocations: four tags of the health check, readable in the console.
//!
//! A tag is written just before the change it announces, and names the `HealthCheckVersion` that the change
//! produces. So a crash in between leaves a claim to a version that does not exist yet, never a change that
//! nobody claims.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

/// Route 53 allows this many characters in a tag's value (`ChangeTagsForResource`).
const MAX_VALUE: usize = 256;

/// How long a promotion that was sent counts as under way while RDS still shows an available replica.
pub const PROMOTION_VOID_AFTER: SignedDuration = SignedDuration::from_mins(5);

/// The tags that hold the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    /// Traffic is being moved to the secondary.
    Routed,
    /// Traffic is being moved back to the primary.
    Returned,
    /// The replica is being promoted.
    Promoted,
    /// Automatic change is stopped.
    Pause,
}

impl Tag {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Routed, Self::Returned, Self::Promoted, Self::Pause];

    /// The tag's key.
    pub fn key(self) -> &'static str {
        match self {
            Self::Routed => "failover:routed",
            Self::Returned => "failover:returned",
            Self::Promoted => "failover:promoted",
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
    /// A rule's code, or an operator's words.
    pub reason: String,
}

/// The value of `failover:promoted`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promotion {
    /// The version in `failover:routed` of the same incident.
    pub version: i64,
    /// When the promotion was about to be sent.
    pub at: Timestamp,
    /// Identifier of the promoted replica.
    pub instance: String,
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

    /// The end of the pause in words.
    pub fn until_words(&self) -> String {
        self.until.map_or_else(|| "forever".to_owned(), |until| until.to_string())
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
    pub promoted: Option<Promotion>,
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
                memory.promoted = Some(value.parse().map_err(|()| fault(PROMOTION_FORM))?);
            } else if key == Tag::Pause.key() {
                memory.pause = Some(value.parse().map_err(|()| fault(PAUSE_FORM))?);
            }
        }
        Ok(memory)
    }

    /// Who moved traffic away by the update that produced this version; `None` if nobody says so.
    pub fn routed_by(&self, version: i64) -> Option<By> {
        self.routed.as_ref().filter(|routed| routed.version == version).map(|routed| routed.by)
    }

    /// The promotion announced in the incident whose flags have this version.
    pub fn promotion_in(&self, version: i64) -> Option<&Promotion> {
        self.promoted.as_ref().filter(|promoted| promoted.version == version)
    }

    /// What a tag holds now, as it would be written.
    pub fn value_of(&self, tag: Tag) -> Option<String> {
        match tag {
            Tag::Routed => self.routed.as_ref().map(Move::to_string),
            Tag::Returned => self.returned.as_ref().map(Move::to_string),
            Tag::Promoted => self.promoted.as_ref().map(Promotion::to_string),
            Tag::Pause => self.pause.as_ref().map(Pause::to_string),
        }
    }
}

const MOVE_FORM: &str = "version=7 by=auto at=2026-01-31T23:59:59Z reason=code";
const PROMOTION_FORM: &str = "version=7 at=2026-01-31T23:59:59Z instance=identifier";
const PAUSE_FORM: &str = "until=2026-01-31T23:59:59Z reason=text";

impl std::str::FromStr for Move {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (version, text) = field(text, "version")?;
        let (by, text) = field(text, "by")?;
        let (at, text) = field(text, "at")?;
        let by = match by {
            "auto" => By::Auto,
            "operator" => By::Operator,
            _ => return Err(()),
        };
        Ok(Self { version: number(version)?, by, at: time(at)?, reason: rest(text, "reason")? })
    }
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = format!("version={} by={} at={} reason=", self.version, self.by.as_str(), self.at);
        f.write_str(&fit(&head, &self.reason))
    }
}

impl std::str::FromStr for Promotion {
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

impl fmt::Display for Promotion {
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
        f.write_str(&fit(&format!("until={} reason=", self.until_words()), &self.reason))
    }
}

/// Takes `name=value` and the space behind it off the front.
fn field<'a>(text: &'a str, name: &str) -> Result<(&'a str, &'a str), ()> {
    let text = text.strip_prefix(name).and_then(|text| text.strip_prefix('=')).ok_or(())?;
    let (value, rest) = text.split_once(' ').unwrap_or((text, ""));
    if value.is_empty() { Err(()) } else { Ok((value, rest)) }
}

/// Takes `name=` off the front; the value is all that is left.
fn rest(text: &str, name: &str) -> Result<String, ()> {
    text.strip_prefix(name).and_then(|text| text.strip_prefix('=')).map(str::to_owned).ok_or(())
}

fn number(text: &str) -> Result<i64, ()> {
    text.parse().ok().filter(|version| *version > 0).ok_or(())
}

fn time(text: &str) -> Result<Timestamp, ()> {
    text.parse().map_err(|_| ())
}

/// Writes words of a person behind `head` so that Route 53 takes them: other characters become `_`, and the
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
