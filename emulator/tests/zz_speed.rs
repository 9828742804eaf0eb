#![allow(clippy::unwrap_used, missing_docs, unreachable_pub, dead_code, clippy::expect_used)]
mod common;
use common::*;
#[tokio::test]
async fn speed() {
    let mut w = world();
    w.set_replica_lag("orders-replica", Some(1.0));
    let (e, _) = emulator(w);
    let c = inprocess(&e);
    let n = 2000;
    for k in 0..3 {
        let t = std::time::Instant::now();
        for _ in 0..n {
            match k {
                0 => {
                    c.rds
                        .describe_db_instances()
                        .db_instance_identifier("orders-primary")
                        .send()
                        .await
                        .unwrap();
                }
                1 => {
                    c.route53.get_health_check().health_check_id(CHECK).send().await.unwrap();
                }
                _ => {
                    c.route53
                        .update_health_check()
                        .health_check_id(CHECK)
                        .disabled(true)
                        .send()
                        .await
                        .unwrap();
                }
            }
        }
        println!("sdk {k}: {:?}", t.elapsed() / n);
    }
    for (path, scope, body) in [
        ("/", "us-east-1/rds", "Action=DescribeDBInstances&Version=2014-10-31&DBInstanceIdentifier=orders-primary".to_owned()),
        (&*format!("/2013-04-01/healthcheck/{CHECK}"), "us-east-1/route53", String::new()),
        (&*format!("/2013-04-01/healthcheck/{CHECK}"), "us-east-1/route53", "<UpdateHealthCheckRequest xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><Disabled>true</Disabled></UpdateHealthCheckRequest>".to_owned()),
    ] {
        let mut r = http::Request::new(bytes::Bytes::from(body.clone()));
        if path == "/" || !body.is_empty() { *r.method_mut() = http::Method::POST; }
        *r.uri_mut() = path.parse().unwrap();
        r.headers_mut().insert("authorization", format!("AWS4-HMAC-SHA256 Credential=A/20260301/{scope}/aws4_request, SignedHeaders=host, Signature=00").parse().unwrap());
        let t = std::time::Instant::now();
        for _ in 0..n { match e.handle(&r) { emulator::Reply::Answer(a) => assert_eq!(a.status(), 200), _ => panic!() } }
        println!("world: {:?}", t.elapsed() / n);
    }
}
