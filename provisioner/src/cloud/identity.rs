//! Who the machine's own credentials are, for people. Reads a file, and asks nobody.

use std::path::PathBuf;

use serde_json::Value;

/// Whom Application Default Credentials stand for.
pub(super) fn of_the_machine() -> String {
    match file().and_then(|path| std::fs::read_to_string(path).ok()) {
        Some(text) => of_file(&serde_json::from_str(&text).unwrap_or_default()),
        None => "the machine's own account".to_owned(),
    }
}

/// Where they lie, as every client of Google's looks for them.
fn file() -> Option<PathBuf> {
    let named = std::env::var_os("GOOGLE_APPLICATION_CREDENTIALS").filter(|path| !path.is_empty());
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".config/gcloud"));
    let configured = || std::env::var_os("CLOUDSDK_CONFIG").map(PathBuf::from).or_else(home);
    named.map(PathBuf::from).or_else(|| Some(configured()?.join("application_default_credentials.json")))
}

fn of_file(file: &Value) -> String {
    let text = |key: &str| file[key].as_str().filter(|text| !text.is_empty());
    let named = match text("type") {
        Some("service_account") => text("client_email").map(str::to_owned),
        Some("impersonated_service_account") => {
            let url = text("service_account_impersonation_url").unwrap_or_default();
            let account = url.rsplit('/').next().and_then(|last| last.split(':').next());
            account.filter(|account| account.contains('@')).map(str::to_owned)
        }
        Some("authorized_user") => Some(text("account").unwrap_or("a user's own credentials").to_owned()),
        Some("external_account") => text("audience").map(|audience| format!("an identity of {audience}")),
        _ => None,
    };
    named.unwrap_or_else(|| "the caller".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn credentials_tell_whose_they_are() {
        let url = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/ci@p.iam.gserviceaccount.com:generateAccessToken";
        for (file, whose) in [
            (json!({"type": "service_account", "client_email": "a@p"}), "a@p"),
            (
                json!({"type": "impersonated_service_account", "service_account_impersonation_url": url}),
                "ci@p.iam.gserviceaccount.com",
            ),
            (json!({"type": "authorized_user", "account": ""}), "a user's own credentials"),
            (json!({"type": "external_account", "audience": "//iam/pool"}), "an identity of //iam/pool"),
            (json!(7), "the caller"),
        ] {
            assert_eq!(of_file(&file), whose);
        }
    }
}
