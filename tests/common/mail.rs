//! What the notification topic received.

use proof::rig::{REGION, Rig, TOPIC};
use serde_json::{Value, json};

/// The topic of the standard world.
pub fn topic() -> String {
    format!("arn:aws:sns:{REGION}:{}:{TOPIC}", emulator::ACCOUNT)
}

/// The event by which SNS hands a message of the topic to a function.
pub fn delivered(message: String) -> Value {
    json!({"Records": [{"EventSource": "aws:sns", "EventVersion": "1.0", "EventSubscriptionArn": "arn",
        "Sns": {"Type": "Notification", "MessageId": "1", "TopicArn": topic(), "Subject": "s",
        "Message": message, "Timestamp": "2026-01-31T12:00:00.000Z", "SignatureVersion": "1",
        "Signature": "s", "SigningCertUrl": "u", "UnsubscribeUrl": "u", "MessageAttributes": {}}}]})
}

/// One published message in its forms.
#[derive(Clone, Debug)]
pub struct Told {
    pub subject: String,
    /// What a person reads.
    pub mail: String,
    /// What chat shows.
    pub chat: Value,
}

pub fn told(rig: &Rig) -> Vec<Told> {
    let world = rig.emulator.world();
    let messages = world.messages().iter().map(|message| {
        let forms: Value = serde_json::from_str(&message.message).expect("the forms of one message");
        let form = |name: &str| forms[name].as_str().unwrap_or_else(|| panic!("no form {name}: {forms}"));
        assert_eq!(form("default"), form("email"));
        Told {
            subject: message.subject.clone().unwrap_or_default(),
            mail: form("email").to_owned(),
            chat: serde_json::from_str(form("https")).expect("chat reads JSON"),
        }
    });
    messages.collect()
}

/// The subjects, without the primary's name before them.
pub fn subjects(rig: &Rig) -> Vec<String> {
    let cut = |told: Told| told.subject.split_once(": ").expect("the primary comes first").1.to_owned();
    told(rig).into_iter().map(cut).collect()
}
