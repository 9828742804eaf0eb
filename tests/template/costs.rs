//! Holds the arithmetic of `docs/costs.md` to the template.

use crate::reading::{list, resources, template, text};

fn rows() -> Vec<Vec<String>> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/costs.md")).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| "));
    rows.map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
}

/// The number before the price in the row of that name, such as 16 in `16 × $0.10`.
fn counted(name: &str) -> usize {
    let rows = rows();
    let row = rows.iter().find(|row| row[0] == name).unwrap_or_else(|| panic!("no row {name}"));
    row[1].split(" × ").next().unwrap().parse().unwrap()
}

#[test]
fn the_bill_counts_what_the_template_creates() {
    let template = template();
    // An alarm over an expression costs as much as one for each metric in it.
    let alarmed: usize = resources(&template, "AWS::CloudWatch::Alarm")
        .iter()
        .map(|(_, alarm)| {
            let metrics = &alarm["Properties"]["Metrics"];
            list(metrics).iter().filter(|metric| metric["MetricStat"].is_object()).count().max(1)
        })
        .sum();
    assert_eq!(counted("alarms"), alarmed);
    assert_eq!(counted("dashboard"), resources(&template, "AWS::CloudWatch::Dashboard").len());
    assert_eq!(counted("health checks"), resources(&template, "AWS::Route53::HealthCheck").len());
    assert_eq!(counted("key of the topics"), resources(&template, "AWS::KMS::Key").len());
    let memory = template["Resources"]["Function"]["Properties"]["MemorySize"].as_f64().unwrap() / 1024.0;
    let tick = &template["Resources"]["Function"]["Properties"]["Events"]["Tick"]["Properties"];
    assert_eq!(text(&tick["ScheduleExpression"]), "rate(1 minute)");
    let durations: Vec<_> = rows().into_iter().filter(|row| row[0] == "duration").collect();
    assert_eq!(durations.len(), 2, "without and with a watch");
    for row in durations {
        let [ticks, seconds] = [0, 1].map(|at| {
            let factor = row[1].split(" × ").nth(at).unwrap();
            factor.trim_end_matches(" s").replace(',', "").parse::<f64>().unwrap()
        });
        assert_eq!(ticks, 60.0 * 24.0 * 30.0);
        let dollars = ticks * seconds * memory * 0.000_013_333_4;
        assert_eq!(format!("{dollars:.2}"), row[2]);
    }
}

#[test]
fn the_sum_is_the_sum() {
    let rows = rows();
    let begin = rows.iter().position(|row| row[0] == "ticks").unwrap();
    let end = rows.iter().position(|row| row[0] == "**sum**").unwrap();
    let sum: f64 = rows[begin..end].iter().map(|row| row[2].parse::<f64>().unwrap()).sum();
    assert_eq!(format!("**{sum:.2}**"), rows[end][2]);
}
