//! Credentials as the AWS CLI finds them: whose key signs the request that arrives.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::json;

use common::{Then, ctl, listener};

mod common;

/// The key id in the `Authorization` header of the one request that the client sends.
fn key_that_signs(prepare: impl FnOnce(&mut Command)) -> String {
    let (url, requests) =
        listener(Then::Answer(|_| (200, json!({"decision": "stay", "reason": "primary-healthy"}))));
    let mut command = ctl(&["status"], &url);
    prepare(&mut command);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let head = requests.try_recv().unwrap().head;
    let signed = head.lines().find(|line| line.to_lowercase().starts_with("authorization:")).unwrap();
    signed.split("Credential=").nth(1).unwrap().split('/').next().unwrap().to_owned()
}

#[test]
fn a_profile_of_a_shared_credentials_file_signs_with_its_own_key_and_not_the_default_one() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("keys");
    std::fs::write(
        &file,
        "[default]\naws_access_key_id = AKIADEFAULT\naws_secret_access_key = x\n\n[work]\naws_access_key_id = AKIAWORK\naws_secret_access_key = y\n",
    )
    .unwrap();
    let shared = |command: &mut Command| {
        command.env("HOME", home.path()).env("AWS_SHARED_CREDENTIALS_FILE", &file);
    };
    assert_eq!(key_that_signs(shared), "AKIADEFAULT");
    let by_environment = |command: &mut Command| {
        shared(command);
        command.env("AWS_PROFILE", "work");
    };
    assert_eq!(key_that_signs(by_environment), "AKIAWORK");
    let by_option = |command: &mut Command| {
        shared(command);
        command.args(["--profile", "work"]);
    };
    assert_eq!(key_that_signs(by_option), "AKIAWORK");
}

#[test]
fn a_credential_process_of_a_profile_is_run_and_its_key_signs() {
    let home = tempfile::tempdir().unwrap();
    let helper = home.path().join("helper");
    let keys = json!({"Version": 1, "AccessKeyId": "AKIAHELPER", "SecretAccessKey": "z"});
    std::fs::write(&helper, format!("#!/bin/sh\necho '{keys}'\n")).unwrap();
    std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o700)).unwrap();
    let config = home.path().join("config");
    std::fs::write(&config, format!("[profile work]\ncredential_process = {}\n", helper.display())).unwrap();
    let key = key_that_signs(|command| {
        command.env("HOME", home.path()).env("AWS_CONFIG_FILE", &config).env("AWS_PROFILE", "work");
    });
    assert_eq!(key, "AKIAHELPER");
}
