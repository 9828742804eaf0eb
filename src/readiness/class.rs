//! What an instance class can carry, by processors and memory: names such as `db.m6g.large` and `db.r6g.large` share
//! a size and differ by half the memory.
//!
//! Source: "Hardware specifications for DB instance classes" in the RDS User Guide.

/// Processors and memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Capacity {
    /// Virtual processors.
    pub processors: f64,
    /// Memory in GiB.
    pub memory: f64,
}

impl Capacity {
    /// Whether it is no less than another.
    pub fn covers(self, needed: Self) -> bool {
        self.processors >= needed.processors && self.memory >= needed.memory
    }
}

/// The capacity of a class such as `db.r6g.2xlarge` or `db.r5.4xlarge.tpc2.mem3x`; `None` for one that is not known.
pub fn capacity(class: &str) -> Option<Capacity> {
    let mut parts = class.strip_prefix("db.")?.split('.');
    let family = parts.next()?;
    let size = parts.next()?;
    let letters = family.find(|c: char| c.is_ascii_digit()).map(|end| &family[..end])?;
    let (processors, memory) = if letters == "t" {
        burstable(family, size)?
    } else {
        let processors = processors(size)?;
        (processors, processors * per_processor(letters, family)?)
    };
    // Oracle's classes with more memory per processor.
    let more = parts.find_map(|part| part.strip_prefix("mem")?.strip_suffix('x')?.parse::<f64>().ok());
    Some(Capacity { processors, memory: memory * more.unwrap_or(1.0) })
}

fn processors(size: &str) -> Option<f64> {
    match size {
        "medium" => Some(1.0),
        "large" => Some(2.0),
        "xlarge" => Some(4.0),
        _ => size.strip_suffix("xlarge")?.parse::<u32>().ok().map(|times| f64::from(times) * 4.0),
    }
}

/// GiB of memory per virtual processor.
fn per_processor(letters: &str, family: &str) -> Option<f64> {
    match letters {
        "c" => Some(2.0),
        "m" => Some(4.0),
        "r" | "z" => Some(8.0),
        "x" if family.starts_with("x1e") => Some(30.5),
        "x" if family.starts_with("x1") => Some(15.25),
        "x" if family.starts_with("x2ied") || family.starts_with("x2iez") => Some(32.0),
        "x" => Some(16.0),
        _ => None,
    }
}

fn burstable(family: &str, size: &str) -> Option<(f64, f64)> {
    let first_generations = family.starts_with("t1") || family.starts_with("t2");
    match size {
        "micro" | "small" if first_generations => Some((1.0, if size == "micro" { 1.0 } else { 2.0 })),
        "micro" => Some((2.0, 1.0)),
        "small" => Some((2.0, 2.0)),
        "medium" => Some((2.0, 4.0)),
        "large" => Some((2.0, 8.0)),
        "xlarge" => Some((4.0, 16.0)),
        "2xlarge" => Some((8.0, 32.0)),
        _ => None,
    }
}
