#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub, dead_code)]
//! Route 53 as the real client sees it.

mod common;

use aws_sdk_route53::error::ProvideErrorMetadata;
use aws_sdk_route53::types::{
    AliasTarget, Change, ChangeAction, ChangeBatch, HealthCheck, ResourceRecord, ResourceRecordSet, RrType,
    Tag, TagResourceType,
};
use common::{CHECK, Clients, NAME, emulator, inprocess, world};
use emulator::HealthCheck as Check;

async fn get(clients: &Clients) -> HealthCheck {
    let answer = clients.route53.get_health_check().health_check_id(CHECK);
    answer.send().await.unwrap().health_check.unwrap()
}

fn tag(key: &str, value: &str) -> Tag {
    Tag::builder().key(key).value(value).build()
}

async fn set_tags(clients: &Clients, tags: Vec<Tag>, remove: Vec<String>) -> Result<(), String> {
    let call = clients
        .route53
        .change_tags_for_resource()
        .resource_type(TagResourceType::Healthcheck)
        .resource_id(CHECK)
        .set_add_tags((!tags.is_empty()).then_some(tags))
        .set_remove_tag_keys((!remove.is_empty()).then_some(remove));
    match call.send().await {
        Ok(_) => Ok(()),
        Err(error) => Err(error.code().unwrap_or("none").to_owned()),
    }
}

async fn tags(clients: &Clients) -> Vec<(String, String)> {
    let answer = clients
        .route53
        .list_tags_for_resource()
        .resource_type(TagResourceType::Healthcheck)
        .resource_id(CHECK)
        .send()
        .await
        .unwrap();
    let set = answer.resource_tag_set.unwrap();
    let pair = |tag: &Tag| (tag.key().unwrap().to_owned(), tag.value().unwrap().to_owned());
    set.tags().iter().map(pair).collect()
}

#[tokio::test]
async fn an_update_of_a_version_that_is_not_the_present_one_changes_nothing() {
    let (emulator, _) = emulator(world());
    let clients = inprocess(&emulator);
    assert_eq!(get(&clients).await.health_check_version, 1);
    let update = |version| {
        clients
            .route53
            .update_health_check()
            .health_check_id(CHECK)
            .health_check_version(version)
            .disabled(true)
            .inverted(true)
    };
    for stale in [2, 7] {
        let refused = update(stale).send().await.unwrap_err();
        assert_eq!(refused.code(), Some("HealthCheckVersionMismatch"));
        assert_eq!(refused.raw_response().unwrap().status().as_u16(), 409);
    }
    let before = get(&clients).await;
    assert_eq!(before.health_check_config.as_ref().unwrap().disabled(), Some(false));
    let after = update(1).send().await.unwrap().health_check.unwrap();
    assert_eq!(after.health_check_version, 2);
    assert_eq!(after.health_check_config.unwrap().inverted(), Some(true));
    let idle = update(2).send().await.unwrap().health_check.unwrap();
    assert_eq!(idle.health_check_version, 3, "an update that changes nothing is an update");
}

#[tokio::test]
async fn a_change_at_the_console_between_read_and_update_makes_a_mismatch() {
    let (emulator, _) = emulator(world());
    let clients = inprocess(&emulator);
    let version = get(&clients).await.health_check_version;
    emulator.world().on_next("UpdateHealthCheck", |world| {
        world.console_set_flags(CHECK, true, false);
    });
    let update = clients.route53.update_health_check().health_check_id(CHECK);
    let refused = update.health_check_version(version).disabled(true).inverted(true).send().await;
    assert_eq!(refused.unwrap_err().code(), Some("HealthCheckVersionMismatch"));
    let now = get(&clients).await;
    assert_eq!(now.health_check_version, 2);
    assert_eq!(now.health_check_config.unwrap().inverted(), Some(false));
}

#[tokio::test]
async fn a_recovery_control_check_cannot_be_updated_and_an_unknown_one_is_not_found() {
    let mut world = world();
    let control = "99999999-2222-4333-8444-555555555555";
    world.add_health_check(Check { kind: "RECOVERY_CONTROL".to_owned(), ..Check::switch(control) });
    let (emulator, _) = emulator(world);
    let clients = inprocess(&emulator);
    for (id, code) in [(control, "InvalidInput"), ("nobody", "NoSuchHealthCheck")] {
        let refused = clients.route53.update_health_check().health_check_id(id).disabled(true);
        assert_eq!(refused.send().await.unwrap_err().code(), Some(code));
    }
    let refused = clients.route53.get_health_check().health_check_id("nobody").send().await;
    assert_eq!(refused.unwrap_err().code(), Some("NoSuchHealthCheck"));
}

#[tokio::test]
async fn an_update_of_anything_but_the_flags_is_refused_loudly() {
    let (emulator, _) = emulator(world());
    let clients = inprocess(&emulator);
    let update = clients.route53.update_health_check().health_check_id(CHECK);
    let refused = update.disabled(true).health_threshold(1).send().await.unwrap_err();
    assert_eq!(refused.code(), Some("NotEmulated"));
    assert_eq!(get(&clients).await.health_check_version, 1);
}

#[tokio::test]
async fn tags_keep_to_the_characters_and_lengths_of_route_53() {
    let (emulator, _) = emulator(world());
    let clients = inprocess(&emulator);
    let good = "version=2 by=auto at=2026-03-01T12:00:00Z reason=primary-failed +-=._:/@";
    set_tags(&clients, vec![tag("failover:routed", good)], vec![]).await.unwrap();
    assert_eq!(tags(&clients).await, [("failover:routed".to_owned(), good.to_owned())]);
    for bad in ["a,b", "a;b", "\"a\"", "a\nb", &"x".repeat(257)] {
        let refused = set_tags(&clients, vec![tag("failover:routed", bad)], vec![]).await;
        assert_eq!(refused.unwrap_err(), "InvalidInput", "{bad}");
    }
    for key in ["aws:mine", "", &"k".repeat(129)] {
        let refused = set_tags(&clients, vec![tag(key, "v")], vec![]).await;
        assert_eq!(refused.unwrap_err(), "InvalidInput", "{key}");
    }
    assert_eq!(set_tags(&clients, vec![], vec![]).await.unwrap_err(), "InvalidInput");
    let many = (0..11).map(|n| tag(&format!("k{n}"), "v")).collect();
    assert_eq!(set_tags(&clients, many, vec![]).await.unwrap_err(), "InvalidInput");
    let ten = (0..10).map(|n| tag(&format!("k{n}"), "v")).collect();
    assert_eq!(set_tags(&clients, ten, vec![]).await.unwrap_err(), "InvalidInput", "that would make 11");
    set_tags(&clients, vec![], vec!["failover:routed".to_owned()]).await.unwrap();
    assert!(tags(&clients).await.is_empty());
    assert_eq!(get(&clients).await.health_check_version, 1, "tags have no version");
}

#[tokio::test]
async fn records_are_listed_in_pages() {
    let (emulator, _) = emulator(world());
    let clients = inprocess(&emulator);
    let list = || clients.route53.list_resource_record_sets().hosted_zone_id("Z1").max_items(1);
    let first = list().send().await.unwrap();
    assert!(first.is_truncated);
    let record = &first.resource_record_sets()[0];
    assert_eq!(record.name(), "orders.example.com.");
    assert_eq!(record.set_identifier(), Some("primary"));
    assert_eq!(record.health_check_id(), Some(CHECK));
    let second = list()
        .set_start_record_name(first.next_record_name)
        .set_start_record_type(first.next_record_type)
        .set_start_record_identifier(first.next_record_identifier)
        .send()
        .await
        .unwrap();
    assert!(!second.is_truncated);
    assert_eq!(second.resource_record_sets()[0].set_identifier(), Some("secondary"));
    let all = clients.route53.list_resource_record_sets().hosted_zone_id("/hostedzone/Z1");
    assert_eq!(all.send().await.unwrap().resource_record_sets().len(), 2);
    let missing = clients.route53.list_resource_record_sets().hosted_zone_id("Z9").send().await;
    assert_eq!(missing.unwrap_err().code(), Some("NoSuchHostedZone"));
}

#[tokio::test]
async fn an_upsert_replaces_a_record_and_a_create_of_a_present_one_is_refused() {
    let (emulator, _) = emulator(world());
    let clients = inprocess(&emulator);
    let change = |action: ChangeAction, name: &str| {
        let record = ResourceRecord::builder().value("new.example.org").build().unwrap();
        let record = ResourceRecordSet::builder()
            .name(name)
            .r#type(RrType::Cname)
            .set_identifier("secondary")
            .failover(aws_sdk_route53::types::ResourceRecordSetFailover::Secondary)
            .ttl(30)
            .resource_records(record)
            .build()
            .unwrap();
        let change = Change::builder().action(action).resource_record_set(record).build().unwrap();
        let batch = ChangeBatch::builder().changes(change).build().unwrap();
        clients.route53.change_resource_record_sets().hosted_zone_id("Z1").change_batch(batch)
    };
    change(ChangeAction::Upsert, NAME).send().await.unwrap();
    assert_eq!(emulator.world().records("Z1").len(), 2);
    assert_eq!(emulator.world().records("Z1")[1].ttl, 30);
    for (action, name) in [(ChangeAction::Create, NAME), (ChangeAction::Upsert, "a.example.org")] {
        let refused = change(action, name).send().await.unwrap_err();
        assert_eq!(refused.code(), Some("InvalidChangeBatch"));
    }
}

#[tokio::test]
async fn health_checks_are_listed_in_pages() {
    let mut world = world();
    world.add_health_check(Check::switch("switch"));
    let (emulator, _) = emulator(world);
    let clients = inprocess(&emulator);
    let mut listed = Vec::new();
    let mut marker = None;
    loop {
        let page = clients.route53.list_health_checks().max_items(1).set_marker(marker).send().await.unwrap();
        listed.extend(page.health_checks().iter().map(|check| check.id.clone()));
        marker = page.next_marker;
        if !page.is_truncated {
            break;
        }
    }
    assert_eq!(listed, [CHECK, "switch"]);
}

#[tokio::test]
async fn an_alias_names_a_record_of_its_type_in_the_zone() {
    let (emulator, _) = emulator(world());
    let clients = inprocess(&emulator);
    let upsert = |name: &str, target: &str| {
        let alias = AliasTarget::builder().hosted_zone_id("Z1").dns_name(target).evaluate_target_health(true);
        let record = ResourceRecordSet::builder().name(name).r#type(RrType::Cname);
        let record = record.alias_target(alias.build().unwrap()).build().unwrap();
        let change = Change::builder().action(ChangeAction::Upsert).resource_record_set(record);
        let batch = ChangeBatch::builder().changes(change.build().unwrap()).build().unwrap();
        clients.route53.change_resource_record_sets().hosted_zone_id("Z1").change_batch(batch).send()
    };
    let refused = upsert("db.example.com", "nobody.example.com").await.unwrap_err();
    assert_eq!(refused.code(), Some("InvalidChangeBatch"));
    upsert("db.example.com", NAME).await.unwrap();
    let all = clients.route53.list_resource_record_sets().hosted_zone_id("Z1").send().await.unwrap();
    let alias = all.resource_record_sets().iter().find(|r| r.name() == "db.example.com.").unwrap();
    assert_eq!(alias.alias_target().unwrap().dns_name(), "orders.example.com.");
    assert!(alias.ttl().is_none() && alias.resource_records().is_empty());
}
