//! The steps after a promotion. Those that only add are run with consent; each looks first, so that running them again
//! is safe. Nothing is ever deleted, and what moves traffic is printed only.

use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use aws_config::Region;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_rds::Client;
use aws_sdk_rds::config::http::HttpResponse;
use aws_sdk_rds::error::{ProvideErrorMetadata, SdkError};
use serde_json::{Value, json};

use crate::args::{Command, Like, Rebuild};
use crate::exit::Exit;
use crate::fault::{Fault, identity};
use crate::invoke::{Answer, CONNECT, Function};
use crate::plan::{Found, Plan, Settings, next_id, swap_command};
use crate::run::{command_for, nothing_sent, status};
use crate::show::{self, lines, say, text};
use crate::terminal::{Interrupted, asked, waiting};

/// One call of RDS takes seconds.
const WAIT: Duration = Duration::from_secs(60);

/// Why the walk ends early, and what that is worth.
struct End(Exit, String);

/// What RDS shows of the three instances, and the replica that is to be.
struct Scene {
    promoted: Found,
    replica: Option<Found>,
    plan: Plan,
    /// What the new replica is like.
    like: String,
    was_multi_az: bool,
}

/// Walks a person through it.
///
/// # Errors
/// The terminal or pipe is gone.
pub async fn walk(function: &Function<'_>, command: &Command, rebuild: &Rebuild) -> io::Result<Exit> {
    let mut errors = io::stderr();
    if rebuild.common.json {
        return nothing_sent("`rebuild` prints steps for a person and has no JSON: leave --json out.");
    }
    let report = match status(function).await {
        Ok(Answer::Done(report)) => report,
        Ok(answer) => return show::answer(command, &answer, &mut io::stdout(), &mut errors),
        Err(Interrupted(_)) => return nothing_sent("You stopped before anything was sent."),
    };
    let work = async {
        if is_swapped(&report) {
            return Ok(None);
        }
        require_promotion(&report)?;
        look(function, rebuild, &report).await.map(Some)
    };
    let scene = match waiting(|_| "reading the instances from RDS".to_owned(), work).await {
        Ok(Ok(scene)) => scene,
        Ok(Err(End(exit, why))) => {
            say(&mut errors, &format!("Nothing was changed. {why}"))?;
            return Ok(exit);
        }
        Err(Interrupted(_)) => return nothing_sent("You stopped before anything was changed."),
    };
    let Some(scene) = scene else {
        say(&mut io::stdout(), "The new replica is there and the identifiers are swapped. What is left:")?;
        failback(&mut io::stdout(), function, command, &text(&report["primary"]["id"]))?;
        return Ok(Exit::Done);
    };
    steps(&mut io::stdout(), function, command, rebuild, &report, &scene)?;
    run(function, rebuild, &scene).await
}

/// Whether the stack names the promoted instance as its primary already: the incident had a promotion, and the
/// replica of now follows the primary of now.
fn is_swapped(report: &Value) -> bool {
    report["times"]["promoted_at"].is_string() && report["replica"]["role"] == "replica"
}

fn require_promotion(report: &Value) -> Result<(), End> {
    let replica = text(&report["replica"]["id"]);
    match report["replica"]["role"].as_str() {
        Some("promoted") => Ok(()),
        Some("promoting") => Err(End(
            Exit::NotReady,
            format!(
                "The promotion of {replica} is not complete. Run the same command again in some minutes."
            ),
        )),
        Some(role) => Err(End(
            Exit::Refused,
            format!("Nothing was promoted: the role of {replica} is `{role}`. There is nothing to rebuild."),
        )),
        None => Err(End(Exit::Refused, "No replica is configured, so nothing was promoted.".to_owned())),
    }
}

/// Reads the instances and plans the replica.
async fn look(function: &Function<'_>, rebuild: &Rebuild, report: &Value) -> Result<Scene, End> {
    let home = function.region();
    let named = |side: &Value| {
        let region = side["region"].as_str().map_or_else(|| home.clone(), str::to_owned);
        (text(&side["id"]), region)
    };
    let (id, region) = named(&report["replica"]);
    let missing = || End(Exit::Refused, format!("There is no instance {id} in {region}."));
    let promoted = find(function, rebuild, &id, &region).await?.ok_or_else(missing)?;
    if promoted.instance.read_replica_source_db_instance_identifier().is_some() {
        return Err(End(
            Exit::Refused,
            format!("RDS still calls {id} a read replica. There is nothing to rebuild."),
        ));
    }
    let (old, old_region) = named(&report["primary"]);
    let like = match rebuild.like {
        Like::Promoted => promoted.clone(),
        Like::Primary => find(function, rebuild, &old, &old_region).await?.ok_or_else(|| {
            End(
                Exit::Refused,
                format!("There is no instance {old} in {old_region} to copy the settings from. Pass --like promoted."),
            )
        })?,
    };
    let name = rebuild.id.clone().unwrap_or_else(|| next_id(promoted.id())).to_ascii_lowercase();
    let plan = Plan::new(&name, &promoted, &like);
    let replica = find(function, rebuild, &name, &plan.region).await?;
    if replica.as_ref().is_some_and(|replica| !replica.follows(&promoted)) {
        return Err(End(
            Exit::Refused,
            format!(
                "There is an instance {name} already, and it is not a replica of {id}. Pass another name with --id."
            ),
        ));
    }
    let was_multi_az = like.instance.multi_az() == Some(true);
    Ok(Scene { like: like.id().to_owned(), promoted, replica, plan, was_multi_az })
}

fn client(function: &Function<'_>, region: &str) -> Client {
    let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT).read_timeout(WAIT).build();
    let config = aws_sdk_rds::config::Builder::from(function.sdk())
        .region(Region::new(region.to_owned()))
        .timeout_config(timeouts)
        .build();
    Client::from_conf(config)
}

async fn find(
    function: &Function<'_>,
    rebuild: &Rebuild,
    id: &str,
    region: &str,
) -> Result<Option<Found>, End> {
    let request = client(function, region).describe_db_instances().db_instance_identifier(id);
    match request.send().await {
        Ok(answer) => {
            let first = answer.db_instances().first().cloned();
            Ok(first.map(|instance| Found { region: region.to_owned(), instance }))
        }
        Err(error) if error.code() == Some("DBInstanceNotFound") => Ok(None),
        Err(error) => {
            let End(exit, why) = end(rebuild, "rds:DescribeDBInstances", &error);
            Err(End(exit, format!("The instance {id} in {region} was not read. {why}")))
        }
    }
}

/// What a failed call of RDS is worth.
fn end<E>(rebuild: &Rebuild, permission: &str, error: &SdkError<E, HttpResponse>) -> End
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match Fault::of("RDS", WAIT, error) {
        Fault::Refused { code, message } => match identity(&rebuild.common, &code, &message, permission) {
            Some(words) => End(Exit::NothingSent, words),
            None => End(Exit::Refused, format!("RDS refused: {code}: {message}")),
        },
        Fault::NotSent(why) => End(Exit::NothingSent, why),
        Fault::Lost(why) => End(Exit::Unknown, format!("{why} Run the same command again: it looks first.")),
    }
}

impl Scene {
    fn lacks(&self) -> Settings {
        self.plan.lacks(self.replica.as_ref())
    }

    fn is_available(&self) -> bool {
        self.replica.as_ref().is_some_and(|replica| replica.status() == "available")
    }
}

/// Prints every step, done or not.
fn steps(
    out: &mut impl Write,
    function: &Function<'_>,
    command: &Command,
    rebuild: &Rebuild,
    report: &Value,
    scene: &Scene,
) -> io::Result<()> {
    let Scene { promoted, plan, like, .. } = scene;
    let (new, old) = (&plan.id, promoted.id());
    let mut step = |number: u8, words: &str, done: bool, commands: &[String]| -> io::Result<()> {
        let done = if done { "  DONE" } else { "" };
        write!(out, "\n{}", lines(&format!("{number}. "), &format!("{words}{done}")))?;
        // What is pasted into a shell stays one line.
        commands.iter().try_for_each(|command| writeln!(out, "  {command}"))
    };
    step(
        1,
        &format!("Make {new} in {}, a replica of {old}, like {like}:", plan.region),
        scene.replica.is_some(),
        &[plan.create_command()],
    )?;
    step(
        2,
        "Wait until it is available, which can take an hour:",
        scene.is_available(),
        &[plan.wait_command()],
    )?;
    let lacks = scene.lacks();
    let commands = if lacks.is_empty() { Vec::new() } else { vec![plan.modify_command(&lacks)] };
    step(3, "Give it the parameter group and the backups:", lacks.is_empty(), &commands)?;
    let endpoint =
        promoted.instance.endpoint().and_then(|endpoint| endpoint.address()).unwrap_or("its endpoint");
    step(
        4,
        &format!(
            "Point the primary record at {endpoint} (docs/runbook.md, \"The replica was promoted\", step 4). If the stack made the records, set PrimaryEndpoint in step 5 instead."
        ),
        false,
        &[],
    )?;
    let home = function.region();
    let region = |side: &Value| side["region"].as_str().map_or_else(|| home.clone(), str::to_owned);
    let moved = region(&report["primary"]) != promoted.region || region(&report["replica"]) != plan.region;
    let regions = moved.then_some((promoted.region.as_str(), plan.region.as_str()));
    let stack = rebuild.stack.clone().unwrap_or_else(|| rebuild.common.function_name().to_owned());
    step(
        5,
        "Swap the identifiers, once step 3 is done:",
        false,
        &[
            swap_command(&stack, &home, old, new, regions),
            format!("aws cloudformation wait stack-update-complete --region {home} --stack-name {stack}"),
        ],
    )?;
    failback(out, function, command, old)
}

fn failback(
    out: &mut impl Write,
    function: &Function<'_>,
    command: &Command,
    primary: &str,
) -> io::Result<()> {
    let (verb, common) = (command_for(command, "failback"), command.common());
    let reason = format!("{primary} is the primary now");
    let payload = json!({"action": "failback", "reason": reason});
    writeln!(out, "\n6. Send traffic back to the primary record, with one of these:")?;
    writeln!(out, "  {verb} --reason \"{reason}\"")?;
    writeln!(
        out,
        "  aws lambda invoke --region {} --function-name {} --cli-read-timeout 900 --cli-binary-format raw-in-base64-out --payload '{payload}' /dev/stdout",
        function.region(),
        common.function
    )?;
    let last = "Point the secondary record at the new replica (docs/runbook.md, \"The replica was promoted\", step 7).";
    write!(out, "\n{}", lines("7. ", last))
}

/// Why no step is run now, what that is worth, and a command that helps.
fn hindrance(scene: &Scene) -> Option<(Exit, String, Option<String>)> {
    let Scene { promoted, plan, .. } = scene;
    let (old, new) = (promoted.id(), &plan.id);
    let Some(replica) = &scene.replica else {
        if promoted.status() != "available" {
            let why = format!(
                "{old} is `{}`, and RDS makes replicas of an `available` instance only. Run the same command again when it is.",
                promoted.status()
            );
            return Some((Exit::NotReady, why, None));
        }
        if promoted.instance.backup_retention_period().unwrap_or_default() == 0 {
            let why =
                format!("{old} has no backups, and RDS makes no replica of such an instance. First run:");
            let command = format!(
                "aws rds modify-db-instance --region {} --db-instance-identifier {old} --backup-retention-period 1 --apply-immediately",
                promoted.region
            );
            return Some((Exit::Refused, why, Some(command)));
        }
        return None;
    };
    if !scene.is_available() {
        let why =
            format!("{new} is `{}`. Wait as in step 2, then run the same command again.", replica.status());
        return Some((Exit::NotReady, why, None));
    }
    let ready = format!("{new} is ready. Steps 4 to 7 are yours: they change DNS and the stack.");
    scene.lacks().is_empty().then_some((Exit::Done, ready, None))
}

/// Runs the next step that is not done, with consent.
async fn run(function: &Function<'_>, rebuild: &Rebuild, scene: &Scene) -> io::Result<Exit> {
    let mut errors = io::stderr();
    let plan = &scene.plan;
    writeln!(errors)?;
    if let Some((exit, why, command)) = hindrance(scene) {
        say(&mut errors, &why)?;
        command.iter().try_for_each(|command| writeln!(errors, "  {command}"))?;
        return Ok(exit);
    }
    let creates = scene.replica.is_none();
    if creates && scene.was_multi_az {
        let note =
            format!("{} is Multi-AZ. The new replica is not: change that later if you want it.", scene.like);
        say(&mut errors, &note)?;
    }
    let number = if creates { 1 } else { 3 };
    if !rebuild.common.yes {
        if !(io::stdin().is_terminal() && errors.is_terminal()) {
            return nothing_sent(&format!("Run the commands above, or pass --yes to run step {number}."));
        }
        let question = format!("Type `yes` to run step {number}, anything else to change nothing: ");
        if asked(&question).await?.as_deref() != Some("yes") {
            return nothing_sent("Everything is as it was.");
        }
    }
    let rds = client(function, &plan.region);
    let work = async {
        if creates {
            plan.create(&rds).await.map_err(|error| end(rebuild, "rds:CreateDBInstanceReadReplica", &error))
        } else {
            let lacks = scene.lacks();
            plan.modify(&rds, &lacks).await.map_err(|error| end(rebuild, "rds:ModifyDBInstance", &error))
        }
    };
    match waiting(|_| format!("running step {number}"), work).await {
        Ok(Ok(())) => {
            let next = if creates { "Wait as in step 2" } else { "RDS applies it in some minutes" };
            let accepted = format!("RDS accepted step {number}. {next}, then run the same command again.");
            say(&mut errors, &accepted)?;
            if !creates {
                let note = "Static parameters of a new group count after a reboot. The new replica has no traffic yet:";
                say(&mut errors, note)?;
                let (region, id) = (&plan.region, &plan.id);
                writeln!(
                    errors,
                    "  aws rds reboot-db-instance --region {region} --db-instance-identifier {id}"
                )?;
            }
            Ok(Exit::NotReady)
        }
        Ok(Err(End(exit, why))) => {
            let done = if exit == Exit::Unknown {
                format!("UNKNOWN whether step {number} was done.")
            } else {
                format!("Step {number} was not done.")
            };
            say(&mut errors, &format!("{done} {why}"))?;
            Ok(exit)
        }
        Err(Interrupted(_)) => {
            let sent = format!(
                "Step {number} was sent and may be carried out. Run the same command again: it looks first."
            );
            say(&mut errors, &sent)?;
            Ok(Exit::Unknown)
        }
    }
}
