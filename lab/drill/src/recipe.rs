//! The recipe found in many places, in this drill's own words, to be watched and not to be copied: describe the
//! instance, take every error for an outage, and set `Disabled` alone.

use aws_config::SdkConfig;
use proof::rig::{CHECK, PRIMARY};

use super::timeline::Ending;

pub fn run(sdk: &SdkConfig) -> impl Future<Output = Ending> + use<> {
    let (rds, route53) = (aws_sdk_rds::Client::new(sdk), aws_sdk_route53::Client::new(sdk));
    async move {
        let answer = rds.describe_db_instances().db_instance_identifier(PRIMARY).send().await;
        let status = answer.ok().and_then(|answer| answer.db_instances().first()?.db_instance_status.clone());
        let up = status.as_deref() == Some("available");
        let update = route53.update_health_check().health_check_id(CHECK).disabled(!up).send().await;
        let (reason, message) = match (up, update.is_ok()) {
            (true, true) => ("enabled", "The instance is available: Disabled is cleared"),
            (false, true) => {
                ("disabled", "The instance is not available: Disabled is set. Consider promoting the replica")
            }
            (_, false) => {
                ("printed-an-error", "The update failed; the error is printed and the answer is 200")
            }
        };
        Ending::Answered {
            decision: "update".to_owned(),
            reason: reason.to_owned(),
            message: message.to_owned(),
            actions: Vec::new(),
            observations: 1,
            primary: status.unwrap_or_else(|| "an error".to_owned()),
            health: if up { "healthy" } else { "unhealthy" }.to_owned(),
        }
    }
}
