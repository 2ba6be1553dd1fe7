//! STS: who calls, and who he can become.
//!
//! The credentials of an assumed role say whose they are in their session token: the sandbox keeps nothing of them and checks nothing.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use serde_json::{Value, json};
use winterbaume_core::MockResponse;

use super::ACCOUNT_ID;
use super::iam::Iam;
use super::shape::query_answer;
use super::wire::{Fault, Params};

const XMLNS: &str = "https://sts.amazonaws.com/doc/2011-06-15/";
/// What a session token of the sandbox's begins with.
const TOKEN: &str = "phx-sandbox.";

/// Answers a call. `headers` tell with which session it was signed.
pub(super) fn handle(iam: &Iam, headers: &HeaderMap, p: &Params) -> MockResponse {
    let action = p.get("Action").unwrap_or_default();
    let answer = match action {
        "GetCallerIdentity" => Ok(caller(headers)),
        "AssumeRole" => assume_role(iam, p),
        _ => Err(Fault::not_implemented(&format!("sts:{action}"))),
    };
    match answer {
        Ok(result) => query_answer(action, XMLNS, result),
        Err(fault) => fault.query_xml(),
    }
}

/// The session's role, or a user of the sandbox's account.
fn caller(headers: &HeaderMap) -> Value {
    let token = headers.get("x-amz-security-token").and_then(|token| token.to_str().ok()?.strip_prefix(TOKEN));
    let said =
        token.and_then(|token| URL_SAFE_NO_PAD.decode(token).ok()).and_then(|bytes| String::from_utf8(bytes).ok());
    let session = said.as_deref().and_then(|said| {
        let (arn, id) = said.split_once(' ')?;
        Some((arn, id, arn.split(':').nth(4)?))
    });
    match session {
        Some((arn, id, account)) => json!({"Arn": arn, "UserId": id, "Account": account}),
        None => json!({
            "Arn": format!("arn:aws:iam::{ACCOUNT_ID}:user/sandbox"), "UserId": "AIDASANDBOX", "Account": ACCOUNT_ID,
        }),
    }
}

/// A role of this account has to be there; of other accounts every role is.
fn assume_role(iam: &Iam, p: &Params) -> Result<Value, Fault> {
    let (arn, session) = (p.required("RoleArn")?, p.required("RoleSessionName")?);
    let parts: Vec<&str> = arn.split(':').collect();
    let wrong = || Fault::new("ValidationError", format!("{arn} is invalid"));
    let [_, _, "iam", "", account, resource] = parts.as_slice() else { return Err(wrong()) };
    let name = resource.strip_prefix("role/").and_then(|path| path.rsplit('/').next()).ok_or_else(wrong)?;
    if *account == ACCOUNT_ID && !iam.role_exists(arn) {
        let message = format!(
            "User: arn:aws:iam::{ACCOUNT_ID}:user/sandbox is not authorized to perform: sts:AssumeRole on resource: {arn}"
        );
        return Err(Fault { status: 403, ..Fault::new("AccessDenied", message) });
    }
    let seconds = p.number("DurationSeconds")?.unwrap_or(3600);
    if !(900..=43200).contains(&seconds) {
        let message =
            format!("Value '{seconds}' at 'durationSeconds' failed to satisfy constraint: between 900 and 43200");
        return Err(Fault::new("ValidationError", message));
    }
    let random = || uuid::Uuid::new_v4().simple().to_string().to_uppercase();
    let id = format!("AROA{}:{session}", &random()[..17]);
    let assumed = format!("arn:aws:sts::{account}:assumed-role/{name}/{session}");
    let until = jiff::Timestamp::now().as_second() + seconds;
    let until = jiff::Timestamp::from_second(until).unwrap_or(jiff::Timestamp::MAX);
    Ok(json!({
        "Credentials": {
            "AccessKeyId": format!("ASIA{}", &random()[..16]), "SecretAccessKey": random(),
            "SessionToken": format!("{TOKEN}{}", URL_SAFE_NO_PAD.encode(format!("{assumed} {id}"))),
            "Expiration": until.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        },
        "AssumedRoleUser": {"AssumedRoleId": id, "Arn": assumed},
        "PackedPolicySize": 0,
    }))
}
