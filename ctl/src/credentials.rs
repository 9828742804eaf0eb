//! Who asks: credentials found as the AWS CLI finds them, before anything is sent, and what to do where there are none.

use std::error::Error;

use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};

use crate::args::Common;

/// Region and credentials, both certain.
///
/// # Errors
/// What is missing and what to do, in sentences.
pub async fn find(common: &Common) -> Result<SdkConfig, String> {
    let http = aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
        .build_https();
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12()).http_client(http.clone());
    if common.local.is_some() {
        // Nobody checks them.
        let nobody = Credentials::new("local", "local", None, None, "local");
        return Ok(loader.region(Region::new("us-east-1")).credentials_provider(nobody).load().await);
    }
    loader = match region(common) {
        Some(region) => loader.region(Region::new(region)),
        None => loader,
    };
    if let Some(profile) = &common.profile {
        loader = of_profile(loader, profile, http);
    }
    let sdk = loader.load().await;
    if sdk.region().is_none() {
        return Err("No region is set. Pass --region, or set AWS_REGION.".to_owned());
    }
    let found = match sdk.credentials_provider() {
        Some(provider) => provider.provide_credentials().await,
        None => return Err(advice(common, "")),
    };
    match found {
        Ok(_) => Ok(sdk),
        Err(error) => Err(advice(common, &chain(&error))),
    }
}

/// A profile named on the command line wins over credentials in the environment, as in the AWS CLI.
fn of_profile(
    loader: ConfigLoader,
    profile: &str,
    http: impl aws_smithy_runtime_api::client::http::HttpClient + 'static,
) -> ConfigLoader {
    let config = ProviderConfig::default().with_http_client(http);
    let provider = aws_config::profile::ProfileFileCredentialsProvider::builder()
        .configure(&config)
        .profile_name(profile)
        .build();
    loader.profile_name(profile).credentials_provider(provider)
}

/// `--region`, or the fourth field of an ARN.
fn region(common: &Common) -> Option<String> {
    let of_arn = || {
        let mut fields = common.function.split(':');
        (fields.next() == Some("arn")).then(|| fields.nth(2).map(str::to_owned)).flatten()
    };
    common.region.clone().or_else(of_arn).filter(|region| !region.is_empty())
}

/// What to do where there are no credentials, or none that still work.
pub fn advice(common: &Common, why: &str) -> String {
    let profile = common.profile.clone().or_else(|| std::env::var("AWS_PROFILE").ok());
    let named = profile.as_deref().unwrap_or("default");
    let lower = why.to_lowercase();
    let todo = if lower.contains("was not defined") || lower.contains("no profiles were defined") {
        format!(
            "There is no profile `{named}`: `aws configure list-profiles` lists those that exist. Pass --profile, or set AWS_PROFILE."
        )
    } else if lower.contains("sso") || lower.contains("token") {
        format!("Log in again: `aws sso login --profile {named}`.")
    } else {
        format!(
            "Log in with `aws sso login --profile {named}`, pass --profile, or set AWS_PROFILE or AWS_ACCESS_KEY_ID. `aws sts get-caller-identity` shows what works."
        )
    };
    let why = if why.is_empty() { String::new() } else { format!(" ({why})") };
    match profile {
        Some(profile) => format!("No working credentials for profile `{profile}`{why}. {todo}"),
        None => format!("No working credentials{why}. {todo}"),
    }
}

/// An error and its causes as a person reads them, each said once.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let said = error.to_string();
        // Some causes print their own causes in Rust's debug format.
        let said = said.split(" (").next().unwrap_or_default().trim().to_owned();
        if !said.is_empty() && !words.iter().any(|word| word.contains(&said)) {
            words.push(said);
        }
        next = error.source();
    }
    words.join(": ")
}
