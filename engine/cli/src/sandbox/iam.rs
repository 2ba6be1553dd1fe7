//! IAM and STS: winterbaume's, with what it leaves out of roles put back.
//!
//! winterbaume 0.2 keeps a role's description, tags and permissions boundary but shows them in hardly any answer, drops the boundary that
//! CreateRole names, answers GetAccountAuthorizationDetails without the roles' tags, in one page and whatever the filter, has no
//! AWS-managed policies, accepts policy documents that are not JSON, and reads UTF-8 as if it were Latin-1.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value, json};
use winterbaume_core::{MockRequest, MockResponse, MockService, StateViewError, StatefulService};
use winterbaume_iam::views::{ManagedPolicyView, RoleView};
use winterbaume_iam::{IamService, IamStateView};
use winterbaume_sts::StsService;

use super::wire::{Fault, Params, elements, encode, request_id, response};

/// IAM has one state for all regions.
const SCOPE: &str = "us-east-1";
const AWS_MANAGED: &str = "arn:aws:iam::aws:policy/";

pub(super) struct Iam {
    inner: IamService,
    account: String,
    /// AWS-managed policies that winterbaume has been told of: looking into its state costs a copy of all of it.
    known: Mutex<BTreeSet<String>>,
}

impl Iam {
    pub(super) fn new(account: &str) -> Self {
        Self { inner: IamService::new(), account: account.to_owned(), known: Mutex::default() }
    }

    fn known(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn snapshot(&self) -> IamStateView {
        self.inner.snapshot(&self.account, SCOPE).await
    }

    pub(super) async fn restore(&self, view: IamStateView) -> Result<(), StateViewError> {
        self.known().clear();
        self.inner.restore(&self.account, SCOPE, view).await
    }

    pub(super) async fn handle(&self, mut request: MockRequest) -> MockResponse {
        "https://iam.amazonaws.com/".clone_into(&mut request.uri);
        let p = Params::parse(&request.body);
        match self.call(&p, request).await {
            Ok(response) => readable(response),
            Err(fault) => fault.query_xml(),
        }
    }

    async fn call(&self, p: &Params, request: MockRequest) -> Result<MockResponse, Fault> {
        let action = p.get("Action").unwrap_or_default();
        for document in ["AssumeRolePolicyDocument", "PolicyDocument"] {
            if p.get(document).is_some_and(|text| serde_json::from_str::<Map<String, Value>>(text).is_err()) {
                return Err(Fault::new("MalformedPolicyDocument", format!("{document} is not a JSON object")));
            }
        }
        for policy in ["PolicyArn", "PermissionsBoundary"] {
            if let Some(arn) = p.get(policy).filter(|a| a.starts_with(AWS_MANAGED)) {
                self.know_managed_policy(arn).await?;
            }
        }
        match action {
            "CreateRole" => self.create_role(p, request).await,
            "GetRole" => match self.role(p.required("RoleName")?).await {
                Some(role) => Ok(answer(action, json!({"Role": shown(&role, true)}))),
                // winterbaume says what is missing.
                None => Ok(self.inner.handle(request).await),
            },
            "ListRoles" => self.list_roles(p).await,
            "GetAccountAuthorizationDetails" => self.authorization_details(p, request).await,
            _ => Ok(self.inner.handle(request).await),
        }
    }

    async fn role(&self, name: &str) -> Option<RoleView> {
        self.snapshot().await.roles.remove(name)
    }

    async fn create_role(&self, p: &Params, request: MockRequest) -> Result<MockResponse, Fault> {
        let name = p.required("RoleName")?;
        let made = self.inner.handle(request.clone()).await;
        if made.status != 200 {
            return Ok(made);
        }
        if let Some(boundary) = p.get("PermissionsBoundary") {
            let body = format!(
                "Action=PutRolePermissionsBoundary&Version=2010-05-08&RoleName={}&PermissionsBoundary={}",
                encode(name),
                encode(boundary)
            );
            let set = self.inner.handle(MockRequest { body: body.into(), ..request }).await;
            if set.status != 200 {
                return Ok(set);
            }
        }
        // It names all that AWS has decided; the rest the caller knows.
        Ok(made)
    }

    async fn list_roles(&self, p: &Params) -> Result<MockResponse, Fault> {
        let prefix = p.get("PathPrefix").unwrap_or("/");
        let roles = self.snapshot().await.roles.into_values().filter(|r| r.path.starts_with(prefix)).collect();
        let (roles, marker) = page(roles, p)?;
        let roles: Vec<Value> = roles.iter().map(|r| shown(r, false)).collect();
        Ok(answer("ListRoles", json!({"Roles": roles, "IsTruncated": marker.is_some(), "Marker": marker})))
    }

    /// The roles from here; users, groups and policies from winterbaume, on the first page.
    async fn authorization_details(&self, p: &Params, request: MockRequest) -> Result<MockResponse, Fault> {
        let filter = p.list("Filter.member");
        let wanted = |kinds: &[&str]| filter.is_empty() || kinds.iter().any(|k| filter.contains(k));
        let (roles, marker) = if wanted(&["Role"]) {
            page(self.snapshot().await.roles.into_values().collect(), p)?
        } else {
            (Vec::new(), None)
        };
        let roles: Vec<Value> = roles.iter().map(details).collect();
        let others = self.inner.handle(request).await;
        let mut xml = String::from_utf8_lossy(&others.body).into_owned();
        let first = p.get("Marker").is_none();
        for (list, kinds) in [
            ("UserDetailList", &["User"][..]),
            ("GroupDetailList", &["Group"]),
            ("Policies", &["LocalManagedPolicy", "AWSManagedPolicy"]),
        ] {
            if !(first && wanted(kinds)) {
                xml = replace(&xml, list, "");
            }
        }
        let own = elements(&members(json!({"RoleDetailList": roles})), "member");
        xml = replace(&xml, "RoleDetailList", &own);
        xml = replace(&xml, "Marker", "");
        let truncated = elements(&members(json!({"IsTruncated": marker.is_some(), "Marker": marker})), "member");
        xml = replace(&xml, "IsTruncated", &truncated);
        Ok(MockResponse { body: xml.into(), ..others })
    }

    /// Any name under AWS's own path is taken for one of its policies: the list of them changes every week.
    async fn know_managed_policy(&self, arn: &str) -> Result<(), Fault> {
        if self.known().contains(arn) || self.snapshot().await.policies.contains_key(arn) {
            self.known().insert(arn.to_owned());
            return Ok(());
        }
        let name = arn.rsplit('/').next().unwrap_or_default().to_owned();
        let path = format!("/{}", &arn[AWS_MANAGED.len()..arn.len() - name.len()]);
        let policy = ManagedPolicyView {
            policy_id: format!("ANPASANDBOX{}", &request_id().replace('-', "").to_uppercase()[..10]),
            policy_name: name,
            arn: arn.to_owned(),
            path,
            default_version_id: "v1".to_owned(),
            description: String::new(),
            create_date: None,
            update_date: None,
            is_attachable: true,
            document: r#"{"Version":"2012-10-17","Statement":[]}"#.to_owned(),
            versions: Vec::new(),
            tags: Default::default(),
            attachment_count: 0,
        };
        let view = IamStateView { policies: [(arn.to_owned(), policy)].into(), ..IamStateView::default() };
        let merged = self.inner.merge(&self.account, SCOPE, view).await;
        merged.map_err(|e| Fault { status: 500, code: "ServiceFailure".to_owned(), message: e.to_string() })?;
        self.known().insert(arn.to_owned());
        Ok(())
    }
}

fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

fn answer(action: &str, result: Value) -> MockResponse {
    let result = elements(&members(result), "member");
    let id = request_id();
    let xmlns = "https://iam.amazonaws.com/doc/2010-05-08/";
    let body = format!(
        "<{action}Response xmlns=\"{xmlns}\"><{action}Result>{result}</{action}Result>\
         <ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata></{action}Response>"
    );
    response(200, "text/xml", body)
}

/// By name, at most `MaxItems` (100) from after `Marker`, and the marker of the next page.
fn page(mut roles: Vec<RoleView>, p: &Params) -> Result<(Vec<RoleView>, Option<String>), Fault> {
    let after = p.get("Marker").unwrap_or_default();
    let limit = p.number("MaxItems")?.and_then(|n| usize::try_from(n).ok()).unwrap_or(100).clamp(1, 1000);
    roles.retain(|r| r.name.as_str() > after);
    roles.sort_by(|a, b| a.name.cmp(&b.name));
    let more = roles.len() > limit;
    roles.truncate(limit);
    let marker = roles.last().filter(|_| more).map(|r| r.name.clone());
    Ok((roles, marker))
}

fn base(role: &RoleView) -> Map<String, Value> {
    let created = role.create_date.as_deref().and_then(|d| d.parse::<jiff::Timestamp>().ok());
    members(json!({
        "Path": role.path, "RoleName": role.name, "RoleId": role.role_id, "Arn": role.arn,
        "CreateDate": created.map(|t| t.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
        "AssumeRolePolicyDocument": encode(&utf8(&role.assume_role_policy_document)),
    }))
}

/// A role as GetRole (`full`) and ListRoles show it: the list leaves out tags and boundary.
fn shown(role: &RoleView, full: bool) -> Value {
    let mut fields = base(role);
    if !role.description.is_empty() {
        fields.insert("Description".to_owned(), json!(role.description));
    }
    fields.insert("MaxSessionDuration".to_owned(), json!(role.max_session_duration));
    if full {
        add_tags_and_boundary(&mut fields, role);
    }
    Value::Object(fields)
}

fn details(role: &RoleView) -> Value {
    let mut fields = base(role);
    let attached =
        role.attached_policies.iter().map(|a| json!({"PolicyName": a.policy_name, "PolicyArn": a.policy_arn}));
    let inline = role.inline_policies.iter();
    let inline =
        inline.map(|i| json!({"PolicyName": i.policy_name, "PolicyDocument": encode(&utf8(&i.policy_document))}));
    fields.insert("AttachedManagedPolicies".to_owned(), attached.collect());
    fields.insert("RolePolicyList".to_owned(), inline.collect());
    fields.insert("InstanceProfileList".to_owned(), json!([]));
    add_tags_and_boundary(&mut fields, role);
    Value::Object(fields)
}

fn add_tags_and_boundary(fields: &mut Map<String, Value>, role: &RoleView) {
    let mut tags: Vec<_> = role.tags.iter().collect();
    tags.sort();
    if !tags.is_empty() {
        fields.insert("Tags".to_owned(), tags.into_iter().map(|(k, v)| json!({"Key": k, "Value": v})).collect());
    }
    if let Some(arn) = &role.permissions_boundary {
        let boundary = json!({"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn});
        fields.insert("PermissionsBoundary".to_owned(), boundary);
    }
}

/// Puts `new` in the place of an element, whether it has content or not; without such an element nothing changes.
fn replace(xml: &str, element: &str, new: &str) -> String {
    let (open, close, empty) = (format!("<{element}>"), format!("</{element}>"), format!("<{element}/>"));
    if let (Some(start), Some(end)) = (xml.find(&open), xml.find(&close)) {
        return format!("{}{new}{}", &xml[..start], &xml[end + close.len()..]);
    }
    xml.replacen(&empty, new, 1)
}

/// Undoes winterbaume's reading of UTF-8 as Latin-1.
fn utf8(text: &str) -> String {
    let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
    bytes.and_then(|b| String::from_utf8(b).ok()).unwrap_or_else(|| text.to_owned())
}

fn readable(mut response: MockResponse) -> MockResponse {
    if let Ok(text) = std::str::from_utf8(&response.body)
        && !text.is_ascii()
    {
        response.body = utf8(text).into();
    }
    response
}

/// STS. The caller is a user of the sandbox's account, under an ARN of the right form (winterbaume's is not).
pub(super) async fn sts(inner: &StsService, account: &str, region: &str, mut request: MockRequest) -> MockResponse {
    if Params::parse(&request.body).get("Action") != Some("GetCallerIdentity") {
        request.uri = format!("https://sts.{region}.amazonaws.com/");
        return inner.handle(request).await;
    }
    let id = request_id();
    let body = format!(
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
         <Arn>arn:aws:iam::{account}:user/sandbox</Arn><UserId>AIDASANDBOX</UserId><Account>{account}</Account>\
         </GetCallerIdentityResult><ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata></GetCallerIdentityResponse>"
    );
    response(200, "text/xml", body)
}
