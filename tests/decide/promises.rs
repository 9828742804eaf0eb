//! What every change must have in its favour, told from the evidence alone: none of this asks the rules.

use jiff::SignedDuration;
use rds_route53_failover::decide::{Effect, Order, Rule, Streak};
use rds_route53_failover::diagnosis::Diagnosis;
use rds_route53_failover::memory::{By, Memory};
use rds_route53_failover::model::{
    Change, CheckState, Evidence, Instance, Observation, Reading, Replication, Source,
};
use rds_route53_failover::policy::{Failback, Pair, Primary};
use rds_route53_failover::status::{Health, Status};

use crate::scene::{PRIMARY, VERSION, now};

/// A decision with all that it was made on.
pub(crate) struct Decided<'a> {
    pub(crate) rule: &'static Rule,
    pub(crate) seen: &'a Observation,
    pub(crate) pair: &'a Pair,
    pub(crate) order: Order,
    pub(crate) streak: &'a Streak,
    pub(crate) diagnosis: &'a Diagnosis,
}

/// The promise that the decision breaks, if it breaks one.
pub(crate) fn broken(d: &Decided<'_>) -> Option<&'static str> {
    let Effect::Change(change) = d.rule.effect else { return None };
    let Some(check) = d.seen.check.known() else { return Some("a change while the switch is unknown") };
    let Evidence::Read(memory) = &d.seen.memory else { return Some("a change without the tags") };
    let paused = memory.pause.as_ref().is_some_and(|pause| pause.in_force(now()));
    let tick = d.order == Order::Tick;
    let forced = check.state == CheckState::ForcedUnhealthy;
    let claimed = memory.routed_by(check.version, now());
    let promises = [
        (!d.seen.switch_is_fresh, "a change on a stale look at the switch"),
        (check.state == CheckState::Foreign, "a person's setting is overwritten"),
        (check.not_updatable.is_some(), "a change that Route 53 refuses"),
        (tick && paused, "an automatic change while paused"),
        (tick && d.diagnosis.health() == Health::Unknown, "unknown is taken for down"),
        (tick && forced && claimed.is_none(), "an automatic change of what nobody here claims"),
        (
            tick && forced && claimed == Some(By::Operator) && change != Change::FencePrimary,
            "an automatic change of what an operator requested",
        ),
        (
            matches!(d.order, Order::Failback { .. }) && change != Change::RouteToPrimary,
            "a failback that does something else",
        ),
    ];
    if let Some((_, promise)) = promises.into_iter().find(|(broken, _)| *broken) {
        return Some(promise);
    }
    match change {
        Change::RouteToSecondary => to_secondary(d),
        Change::PromoteReplica => promotion(d, memory, check.version),
        Change::FencePrimary => fence(d, memory, check.version),
        Change::RouteToPrimary => to_primary(d, memory, check.version),
        Change::Pause | Change::Resume => Some("a rule pauses or resumes"),
    }
}

fn is_forced(order: Order) -> bool {
    matches!(order, Order::Failover { force: true, .. } | Order::Failback { force: true })
}

fn state(d: &Decided<'_>) -> Option<CheckState> {
    d.seen.check.known().map(|check| check.state)
}

fn first(promises: &[(bool, &'static str)]) -> Option<&'static str> {
    promises.iter().find(|(broken, _)| *broken).map(|(_, promise)| *promise)
}

fn to_secondary(d: &Decided<'_>) -> Option<&'static str> {
    let tick = d.order == Order::Tick;
    let forced = is_forced(d.order);
    let unhealthy = d.diagnosis.health() == Health::Unhealthy;
    let silent =
        !d.pair.secondary_endpoints.is_empty() && d.seen.secondary.is_none_or(|probes| probes.answered == 0);
    let recent = |at| now().duration_since(at).as_secs() < 600;
    let cooling =
        d.seen.memory.read().and_then(|memory| memory.returned.as_ref()).is_some_and(|returned| {
            returned.claims(now()) && returned.version <= VERSION && recent(returned.at)
        });
    first(&[
        (state(d) != Some(CheckState::Normal), "traffic is moved where it is already"),
        (!forced && !unhealthy, "traffic is moved from a primary that is not unhealthy"),
        (
            !forced && d.streak.length < d.pair.policy.confirmations,
            "traffic is moved on an outage that is not confirmed",
        ),
        (!forced && serves_badly(d), "traffic is moved to a replica that can't serve"),
        (!forced && silent, "traffic is moved to a secondary that does not answer"),
        (tick && cooling, "traffic is moved within the cooldown"),
        (!forced && alone(d), "traffic is moved to a replica on its own"),
    ])
}

fn promotion(d: &Decided<'_>, memory: &Memory, version: i64) -> Option<&'static str> {
    let policy = &d.pair.policy;
    let Order::Failover { force, promote, allow_data_loss } = d.order else {
        let in_promote_on = d.diagnosis.symptom().is_some_and(|symptom| policy.promote_on.contains(symptom));
        return first(&[
            (d.order != Order::Tick, "a failback promotes"),
            (!policy.promote, "promoted though promotion is off"),
            (d.diagnosis.health() != Health::Unhealthy, "promoted behind a primary that is not unhealthy"),
            (!in_promote_on, "promoted on a symptom that is not in PROMOTE_ON"),
            (!lag_is_fine(d), "promoted over a lag that is unknown or too high"),
            (memory.routed_by(version, now()) != Some(By::Auto), "promoted in somebody else's incident"),
        ])
        .or_else(|| any_promotion(d, memory, version));
    };
    let available = status(d.seen.primary.as_ref()) == Some(&Status::Available);
    first(&[
        (!promote, "promoted without a request"),
        (available && !(force && allow_data_loss), "promoted behind a living primary without both consents"),
        (!allow_data_loss && !lag_is_fine(d), "promoted over the lag without consent"),
        (
            !force && d.diagnosis.health() != Health::Unhealthy,
            "promoted behind a primary that is not unhealthy, without force",
        ),
        (
            !force && memory.routed_by(version, now()).is_none(),
            "promoted on a check that was forced elsewhere, without force",
        ),
    ])
    .or_else(|| any_promotion(d, memory, version))
}

/// Until then an announced failback may still be sent.
const SENT_WITHIN: SignedDuration = SignedDuration::from_secs(30);

fn any_promotion(d: &Decided<'_>, memory: &Memory, version: i64) -> Option<&'static str> {
    let sent = memory.promoted.as_ref().is_some_and(|sent| sent.is_recent(now()));
    let going_back = memory.returned.as_ref().is_some_and(|returned| {
        returned.version == version + 1 && returned.until.is_some() && now() < returned.at + SENT_WITHIN
    });
    first(&[
        (state(d) != Some(CheckState::ForcedUnhealthy), "promoted before traffic was moved"),
        (!follows(d), "promoted what is no replica of this primary"),
        (status(d.seen.replica.as_ref()) != Some(&Status::Available), "promoted what is not available"),
        (sent, "promoted twice"),
        (d.streak.alike < 2, "promoted on a single look"),
        (going_back, "promoted while traffic goes back"),
    ])
}

fn fence(d: &Decided<'_>, memory: &Memory, version: i64) -> Option<&'static str> {
    let replica = d.pair.replica.as_ref().map(|replica| replica.identifier.as_str());
    let primary = match &d.pair.primary {
        Primary::Rds(primary) => Some(primary.identifier.as_str()),
        Primary::Probed { .. } => None,
    };
    let promoted = memory
        .promoted
        .as_ref()
        .is_some_and(|sent| sent.version == version && Some(sent.instance.as_str()) == replica);
    let under_way = memory.fenced.as_ref().is_some_and(|sent| {
        sent.version == version && Some(sent.instance.as_str()) == primary && sent.is_recent(now())
    });
    first(&[
        (!d.pair.policy.fence, "stopped though FENCE_PRIMARY is off"),
        (state(d) != Some(CheckState::ForcedUnhealthy), "stopped while traffic goes to it"),
        (!promoted, "stopped without a promotion of this incident"),
        (!alone(d), "stopped before the replica is on its own"),
        (status(d.seen.replica.as_ref()) != Some(&Status::Available), "stopped before the replica serves"),
        (status(d.seen.primary.as_ref()) != Some(&Status::Available), "stopped what is not available"),
        (memory.routed_by(version, now()).is_none(), "stopped in nobody's incident"),
        (under_way, "stopped twice"),
    ])
}

fn to_primary(d: &Decided<'_>, memory: &Memory, version: i64) -> Option<&'static str> {
    let policy = &d.pair.policy;
    let tick = d.order == Order::Tick;
    let forced = is_forced(d.order);
    let latched = memory.promoted.as_ref().is_some_and(|sent| sent.is_recent(now()));
    let created = d.seen.primary().and_then(|primary| primary.created);
    let recreated =
        memory.routed_at(version, now()).zip(created).is_some_and(|(routed, created)| created > routed.at);
    let record_is_elsewhere = d.pair.hosted_zone_id.is_some()
        && matches!(d.pair.primary, Primary::Rds(_))
        && !d.seen.record.read().and_then(Option::as_ref).zip(d.seen.primary()).is_some_and(
            |(record, primary)| primary.endpoint.as_ref().is_some_and(|it| record.targets.contains(it)),
        );
    first(&[
        (state(d) != Some(CheckState::ForcedUnhealthy), "traffic goes back from nowhere"),
        (
            !forced && d.diagnosis.health() != Health::Healthy,
            "traffic goes back to a primary that is not healthy",
        ),
        (
            !forced && d.streak.length < policy.failback_confirmations,
            "traffic goes back to a primary whose health is not confirmed",
        ),
        (!forced && d.pair.replica.is_some() && !follows(d), "traffic goes back behind a promoted replica"),
        (
            (tick || (!forced && d.pair.replica.is_some())) && latched,
            "traffic goes back while a promotion is under way",
        ),
        (!forced && broken_replication(d), "traffic goes back to a primary that nobody follows"),
        (!forced && recreated, "traffic goes back to a primary that was made anew"),
        (!forced && record_is_elsewhere, "traffic goes back where the record does not lead"),
        (tick && policy.failback == Failback::Manual, "traffic goes back by itself with FAILBACK=manual"),
        (
            !forced && memory.routed_by(version, now()).is_none(),
            "traffic goes back from what somebody forced elsewhere",
        ),
        (
            tick && memory.promoted.as_ref().is_some_and(|sent| sent.version == version)
                && status(d.seen.replica.as_ref()) != Some(&Status::Available),
            "traffic goes back by itself after a promotion that nothing disproves",
        ),
    ])
}

fn status(reading: Option<&Reading<Instance>>) -> Option<&Status> {
    reading.and_then(Reading::known).map(|instance| &instance.status)
}

fn follows(d: &Decided<'_>) -> bool {
    d.seen
        .replica()
        .and_then(|replica| replica.source.as_ref())
        .is_some_and(|source| matches!(source, Source::Instance(source) if source.identifier == PRIMARY))
}

fn alone(d: &Decided<'_>) -> bool {
    d.seen.replica().is_some_and(|replica| replica.source.is_none())
}

fn broken_replication(d: &Decided<'_>) -> bool {
    d.seen.replica().is_some_and(|replica| matches!(replica.replication, Replication::Broken(_)))
}

fn serves_badly(d: &Decided<'_>) -> bool {
    let healthy = |status: &Status| d.pair.policy.health_of(status) == Health::Healthy;
    d.pair.replica.is_some() && !(follows(d) && status(d.seen.replica.as_ref()).is_some_and(healthy))
}

/// A lag that CloudWatch gave, within the bound, of a replica that replicates.
fn lag_is_fine(d: &Decided<'_>) -> bool {
    let within = |seconds: f64| seconds <= d.pair.policy.max_lag.as_secs_f64();
    !broken_replication(d)
        && d.seen.lag.read().is_some_and(|samples| {
            // Whatever dates the outage, the sample that counts is one of these.
            samples.iter().any(|sample| sample.seconds >= 0.0 && within(sample.seconds))
        })
}

#[test]
fn each_promise_is_one_that_a_wrong_decision_breaks() {
    use rds_route53_failover::decide::Code::{
        FencePrimary, PrimaryRecovered, PrimaryUnhealthy, ReplicaFitToPromote,
    };
    use rds_route53_failover::model::Sample;

    use crate::scene::{Scene, ago, source};
    use crate::{FENCE, PROMOTE};

    let says = |code, scene: Scene| {
        let (rule, pair, order) = (Rule::of(code), &scene.pair, scene.order);
        let (streak, diagnosis) = (&scene.streak(), &scene.diagnosis());
        broken(&Decided { rule, seen: &scene.seen, pair, order, streak, diagnosis }).unwrap_or("none")
    };
    let foreign = |scene: &mut Scene| scene.check().state = CheckState::Foreign;
    let stale = |scene: &mut Scene| scene.seen.switch_is_fresh = false;
    let lagging =
        |scene: &mut Scene| scene.seen.lag = Evidence::Read(vec![Sample { at: ago(4), seconds: 61.0 }]);
    let follows = |scene: &mut Scene| scene.replica().source = Some(source(PRIMARY));
    let back = || Scene::moved(By::Auto, "available");
    let split = || back().set(&[PROMOTE, FENCE]).split();
    for (code, scene, promise) in [
        (PrimaryUnhealthy, Scene::with("failed"), "none"),
        (PrimaryUnhealthy, Scene::with("failed").paused(), "an automatic change while paused"),
        (PrimaryUnhealthy, Scene::with("failed").but(foreign), "a person's setting is overwritten"),
        (PrimaryUnhealthy, Scene::with("failed").but(stale), "a change on a stale look at the switch"),
        (PrimaryUnhealthy, Scene::steady(), "traffic is moved from a primary that is not unhealthy"),
        (
            PrimaryUnhealthy,
            Scene::with("failed").observed(2),
            "traffic is moved on an outage that is not confirmed",
        ),
        (
            PrimaryUnhealthy,
            Scene::with("failed").secondary(0),
            "traffic is moved to a secondary that does not answer",
        ),
        (ReplicaFitToPromote, Scene::promoting("failed"), "none"),
        (ReplicaFitToPromote, Scene::promoting("stopped"), "promoted on a symptom that is not in PROMOTE_ON"),
        (
            ReplicaFitToPromote,
            Scene::promoting("failed").but(lagging),
            "promoted over a lag that is unknown or too high",
        ),
        (ReplicaFitToPromote, Scene::promoting("failed").observed(1), "promoted on a single look"),
        (ReplicaFitToPromote, Scene::promoting("failed").sent(1), "promoted twice"),
        (PrimaryRecovered, back(), "none"),
        (PrimaryRecovered, back().split(), "traffic goes back behind a promoted replica"),
        (
            PrimaryRecovered,
            back().set(&[("FAILBACK", "manual")]),
            "traffic goes back by itself with FAILBACK=manual",
        ),
        (FencePrimary, split(), "none"),
        (FencePrimary, split().but(follows), "stopped before the replica is on its own"),
        (
            FencePrimary,
            split().but(|s| s.memory().promoted = None),
            "stopped without a promotion of this incident",
        ),
    ] {
        assert_eq!(says(code, scene), promise, "{code}");
    }
}
