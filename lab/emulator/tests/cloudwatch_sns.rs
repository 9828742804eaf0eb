#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub, dead_code)]
//! CloudWatch and SNS as the real clients see them.

mod common;

use aws_sdk_cloudwatch::error::ProvideErrorMetadata;
use aws_sdk_cloudwatch::operation::get_metric_statistics::builders::GetMetricStatisticsFluentBuilder;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricDataQuery, MetricStat, Statistic};
use aws_sdk_sns::types::MessageAttributeValue;
use common::{Clients, emulator, inprocess, inprocess_in, start, world};
use emulator::Change;

fn seconds(offset: i64) -> DateTime {
    DateTime::from_secs(start().as_second() + offset)
}

fn replica() -> Dimension {
    Dimension::builder().name("DBInstanceIdentifier").value("orders-replica").build()
}

fn lag(clients: &Clients, from: i64, to: i64) -> GetMetricStatisticsFluentBuilder {
    clients
        .cloudwatch
        .get_metric_statistics()
        .namespace("AWS/RDS")
        .metric_name("ReplicaLag")
        .dimensions(replica())
        .start_time(seconds(from))
        .end_time(seconds(to))
        .period(60)
        .statistics(Statistic::Maximum)
}

async fn points(call: GetMetricStatisticsFluentBuilder) -> Vec<(i64, f64)> {
    let answer = call.send().await.unwrap();
    let point = |point: &aws_sdk_cloudwatch::types::Datapoint| {
        let time = point.timestamp().unwrap().secs() - start().as_second();
        (time, point.maximum().unwrap())
    };
    answer.datapoints().iter().map(point).collect()
}

#[tokio::test]
async fn datapoints_come_in_no_order_and_stop_when_the_samples_stop() {
    let mut world = world();
    world.set_replica_lag("orders-replica", Some(1.5));
    let (emulator, clock) = emulator(world);
    let clients = inprocess(&emulator);
    clock.pass(180);
    let found = points(lag(&clients, -600, 240)).await;
    assert_eq!(found, [(120, 1.5), (180, 1.5), (0, 1.5), (60, 1.5)]);
    emulator.world().set_replica_lag("orders-replica", None);
    clock.pass(600);
    assert_eq!(points(lag(&clients, 0, 780)).await.len(), 4);
    assert!(points(lag(&clients, 300, 780)).await.is_empty());
    emulator.world().set_replica_lag("orders-replica", Some(-1.0));
    clock.pass(60);
    assert_eq!(points(lag(&clients, 600, 900)).await, [(840, -1.0), (780, -1.0)].map(|p| p));
}

#[tokio::test]
async fn the_lag_of_postgresql_grows_once_its_source_is_dead_and_ends_with_replication() {
    let mut world = world();
    world.grow_replica_lag("orders-replica", 5.0);
    let (emulator, clock) = emulator(world);
    let clients = inprocess(&emulator);
    clock.pass(120);
    let mut found = points(lag(&clients, 0, 180)).await;
    found.sort_by_key(|(time, _)| *time);
    assert_eq!(found, [(0, 5.0), (60, 65.0), (120, 125.0)]);
    emulator.world().console_promote("orders-replica").unwrap();
    clock.pass(600);
    let last = points(lag(&clients, 0, 900)).await.into_iter().map(|(time, _)| time).max();
    assert_eq!(last, Some(360), "the promotion ended at 380");
}

#[tokio::test]
async fn a_metric_is_of_its_region_and_of_exactly_its_dimensions() {
    let mut world = world();
    world.set_replica_lag("orders-replica", Some(1.0));
    let (emulator, _) = emulator(world);
    let other = Dimension::builder().name("EngineName").value("postgres").build();
    assert!(points(lag(&inprocess(&emulator), -60, 60).dimensions(other)).await.is_empty());
    assert!(points(lag(&inprocess_in(&emulator, "eu-west-1"), -60, 60)).await.is_empty());
    assert_eq!(points(lag(&inprocess(&emulator), -60, 60)).await.len(), 1);
}

#[tokio::test]
async fn a_wrong_query_is_refused_with_the_modelled_codes() {
    let (emulator, _) = emulator(world());
    let clients = inprocess(&emulator);
    for (call, code) in [
        (lag(&clients, 60, 60), "InvalidParameterValue"),
        (lag(&clients, 0, 60).period(45), "InvalidParameterValue"),
        (lag(&clients, 0, 86_400 * 2), "InvalidParameterCombination"),
        (lag(&clients, 0, 60).set_statistics(None), "InvalidParameterCombination"),
        (lag(&clients, 0, 60).set_namespace(None), "MissingParameter"),
    ] {
        let refused = call.send().await.unwrap_err();
        assert_eq!(refused.code(), Some(code));
    }
    let refused = clients.cloudwatch.list_metrics().send().await.unwrap_err();
    assert_eq!(refused.code(), Some("NotEmulated"));
}

#[tokio::test]
async fn metric_data_comes_newest_first_unless_asked_otherwise() {
    let mut world = world();
    world.set_replica_lag("orders-replica", Some(2.0));
    let (emulator, clock) = emulator(world);
    clock.pass(120);
    let metric = Metric::builder().namespace("AWS/RDS").metric_name("ReplicaLag").dimensions(replica());
    let stat = MetricStat::builder().metric(metric.build()).period(60).stat("Average").build();
    let query = MetricDataQuery::builder().id("lag").metric_stat(stat).build();
    let clients = inprocess(&emulator);
    let call = || {
        let call = clients.cloudwatch.get_metric_data().metric_data_queries(query.clone());
        call.start_time(seconds(0)).end_time(seconds(180))
    };
    let times = |answer: &aws_sdk_cloudwatch::operation::get_metric_data::GetMetricDataOutput| {
        let result = &answer.metric_data_results()[0];
        assert_eq!(result.values(), [2.0, 2.0, 2.0]);
        result.timestamps().iter().map(|t| t.secs() - start().as_second()).collect::<Vec<_>>()
    };
    let newest = call().send().await.unwrap();
    assert_eq!(times(&newest), [120, 60, 0]);
    let oldest = call().scan_by(aws_sdk_cloudwatch::types::ScanBy::TimestampAscending);
    assert_eq!(times(&oldest.send().await.unwrap()), [0, 60, 120]);
}

#[tokio::test]
async fn what_is_published_is_kept_and_what_sns_refuses_is_not() {
    let mut world = world();
    let topic = world.add_topic("us-east-1", "alerts");
    let (emulator, _) = emulator(world);
    let clients = inprocess(&emulator);
    let publish = |topic: &str| clients.sns.publish().topic_arn(topic).message("moved: ü");
    publish(&topic).subject("Failover").send().await.unwrap();
    let nobody = topic.replace("alerts", "nobody");
    let elsewhere = topic.replace("us-east-1", "eu-west-1");
    let long = "x".repeat(101);
    for (call, code) in [
        (publish(&nobody), "NotFound"),
        (publish(&elsewhere), "InvalidParameter"),
        (publish(&topic).subject("ü"), "InvalidParameter"),
        (publish(&topic).subject("a\nb"), "InvalidParameter"),
        (publish(&topic).subject(long), "InvalidParameter"),
        (publish(&topic).message(""), "InvalidParameter"),
    ] {
        let refused = call.send().await.unwrap_err();
        assert_eq!(refused.code(), Some(code));
    }
    let world = emulator.world();
    assert_eq!(world.messages().len(), 1);
    assert_eq!(world.messages()[0].message, "moved: ü");
    let published = |event: &&emulator::Event| matches!(event.change, Change::Published { .. });
    assert_eq!(world.history().iter().filter(published).count(), 1);
}

#[tokio::test]
async fn connections_are_a_metric_of_their_own() {
    let mut world = world();
    world.set_database_connections("orders-replica", Some(17.0));
    let (emulator, clock) = emulator(world);
    let clients = inprocess(&emulator);
    clock.pass(60);
    let answer = lag(&clients, -60, 120).metric_name("DatabaseConnections").send().await.unwrap();
    assert_eq!(answer.datapoints().len(), 2);
    assert_eq!(answer.datapoints()[0].maximum(), Some(17.0));
    assert_eq!(answer.datapoints()[0].unit().unwrap().as_str(), "Count");
    assert!(points(lag(&clients, -60, 120)).await.is_empty());
}

#[tokio::test]
async fn a_message_in_json_has_a_form_for_each_protocol_and_must_have_a_default() {
    let mut world = world();
    let topic = world.add_topic("us-east-1", "alerts");
    let (emulator, _) = emulator(world);
    let clients = inprocess(&emulator);
    let publish = |message: &str| clients.sns.publish().topic_arn(&topic).message(message);
    let json = r#"{"default":"d","email":"for people","https":"{\"version\":\"1.0\"}","sms":1,"pager":"x"}"#;
    publish(json).message_structure("json").send().await.unwrap();
    publish(json).send().await.unwrap();
    for bad in ["moved", "[]", "null", "{}", r#"{"email":"e"}"#, r#"{"default":{"a":1}}"#] {
        let refused = publish(bad).message_structure("json").send().await.unwrap_err();
        assert_eq!(refused.code(), Some("InvalidParameter"), "{bad}");
    }
    let refused = publish(json).message_structure("xml").send().await.unwrap_err();
    assert_eq!(refused.code(), Some("InvalidParameter"));
    let world = emulator.world();
    let [forms, plain] = world.messages() else { panic!("{:?}", world.messages()) };
    assert_eq!(forms.text_for("email"), "for people");
    assert_eq!(forms.text_for("https"), r#"{"version":"1.0"}"#);
    assert_eq!(forms.text_for("sms"), "d", "a value that is no string is ignored");
    assert_eq!(forms.forms.keys().collect::<Vec<_>>(), ["default", "email", "https"]);
    assert_eq!(plain.text_for("email"), json);
    assert!(plain.forms.is_empty());
}

#[tokio::test]
async fn a_message_has_256_kb_with_its_attributes() {
    let mut world = world();
    let topic = world.add_topic("us-east-1", "alerts");
    let (emulator, _) = emulator(world);
    let clients = inprocess(&emulator);
    let publish = |size: usize| clients.sns.publish().topic_arn(&topic).message("x".repeat(size));
    publish(256 * 1024).send().await.unwrap();
    let attribute = MessageAttributeValue::builder().data_type("String").string_value("v").build().unwrap();
    for call in [publish(256 * 1024 + 1), publish(256 * 1024).message_attributes("a", attribute)] {
        assert_eq!(call.send().await.unwrap_err().code(), Some("InvalidParameter"));
    }
}

#[tokio::test]
async fn a_fifo_topic_wants_a_group_and_a_deduplication_id() {
    let mut world = world();
    let fifo = world.add_topic("us-east-1", "alerts.fifo");
    let plain = world.add_topic("us-east-1", "alerts");
    let (emulator, _) = emulator(world);
    let clients = inprocess(&emulator);
    let publish = |topic: &str| clients.sns.publish().topic_arn(topic).message("moved");
    for call in [
        publish(&fifo),
        publish(&fifo).message_deduplication_id("1"),
        publish(&fifo).message_group_id("orders"),
        publish(&fifo).message_group_id("or ders").message_deduplication_id("1"),
        publish(&plain).message_deduplication_id("1"),
    ] {
        assert_eq!(call.send().await.unwrap_err().code(), Some("InvalidParameter"));
    }
    let call = publish(&fifo).message_group_id("orders").message_deduplication_id("1");
    call.send().await.unwrap();
    assert_eq!(emulator.world().messages()[0].group.as_deref(), Some("orders"));
}
