//! A bucket's access control list: as a canned one, or as what the headers of its creation say.

use aws_sdk_s3::types::{BucketCannedAcl, Grant, Permission};
use phx_model::{CloudError, Value};

use super::S3;
use super::bucket::BucketResolved;

/// Everyone.
const EVERYONE: &str = "http://acs.amazonaws.com/groups/global/AllUsers";
/// Everyone whom AWS knows.
const AUTHENTICATED: &str = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers";
/// The service that delivers access logs.
const LOG_DELIVERY: &str = "http://acs.amazonaws.com/groups/s3/LogDelivery";

/// What a bucket's list says, as fields. Either the canned list is set, or some of the others.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Acl {
    pub acl: Option<String>,
    pub full_control: Option<String>,
    pub read: Option<String>,
    pub read_acp: Option<String>,
    pub write: Option<String>,
    pub write_acp: Option<String>,
}

impl Acl {
    /// What a bucket shall have, if its fields say anything.
    pub(super) fn of(want: &BucketResolved) -> Option<Self> {
        let acl = Self {
            acl: want.acl.clone(),
            full_control: want.grant_full_control.clone(),
            read: want.grant_read.clone(),
            read_acp: want.grant_read_acp.clone(),
            write: want.grant_write.clone(),
            write_acp: want.grant_write_acp.clone(),
        };
        (acl != Self::default()).then_some(acl)
    }

    /// What a new bucket has to be given: a private one is so already.
    pub(super) fn to_set(want: &BucketResolved) -> Option<Self> {
        Self::of(want).filter(|acl| acl.acl.as_deref() != Some("private"))
    }
}

pub(super) async fn get(s3: &S3, bucket: &str, by_grants: bool) -> Result<Acl, CloudError> {
    let answer = s3.read("GetBucketAcl", || s3.get_bucket_acl().bucket(bucket).send()).await?;
    let owner = answer.owner().and_then(|o| o.id()).unwrap_or_default();
    Ok(read(owner, answer.grants(), by_grants))
}

pub(super) async fn put(s3: &S3, bucket: &str, acl: &Acl) -> Result<(), CloudError> {
    let request = s3
        .put_bucket_acl()
        .bucket(bucket)
        .set_acl(acl.acl.as_deref().map(BucketCannedAcl::from))
        .set_grant_full_control(acl.full_control.clone())
        .set_grant_read(acl.read.clone())
        .set_grant_read_acp(acl.read_acp.clone())
        .set_grant_write(acl.write.clone())
        .set_grant_write_acp(acl.write_acp.clone());
    match s3.write_idempotent("PutBucketAcl", || request.clone().send()).await {
        Err(error) if error.code.as_deref() == Some("AccessControlListNotSupported") => Err(error
            .hint("ACLs are off: set object_ownership to BucketOwnerPreferred or ObjectWriter, or leave the ACL out")),
        answer => answer.map(drop),
    }
}

/// `by_grants`: the program writes grants, not a canned list.
fn read(owner: &str, grants: &[Grant], by_grants: bool) -> Acl {
    if let Some(canned) = canned(owner, grants).filter(|_| !by_grants) {
        return Acl { acl: Some(canned.to_owned()), ..Acl::default() };
    }
    let to = |permission: Permission| {
        let whom = grants.iter().filter(|g| g.permission() == Some(&permission)).filter_map(grantee);
        let text = canonical(&whom.collect::<Vec<_>>().join(","));
        Some(text).filter(|t| !t.is_empty())
    };
    Acl {
        acl: None,
        full_control: to(Permission::FullControl),
        read: to(Permission::Read),
        read_acp: to(Permission::ReadAcp),
        write: to(Permission::Write),
        write_acp: to(Permission::WriteAcp),
    }
}

/// Whom a grant is to, as the headers say it.
fn grantee(grant: &Grant) -> Option<String> {
    let grantee = grant.grantee()?;
    let by_id = grantee.id().filter(|id| !id.is_empty()).map(|id| format!("id={id}"));
    let by_uri = grantee.uri().filter(|uri| !uri.is_empty()).map(|uri| format!("uri={uri}"));
    by_id.or(by_uri).or_else(|| grantee.email_address().map(|email| format!("emailAddress={email}")))
}

/// The canned list that says just this.
fn canned(owner: &str, grants: &[Grant]) -> Option<&'static str> {
    let mut others = Vec::new();
    let mut owned = false;
    for grant in grants {
        let whom = grant.grantee()?;
        match (whom.id(), whom.uri(), grant.permission()?.as_str()) {
            (Some(id), _, "FULL_CONTROL") if id == owner => owned = true,
            (_, Some(uri), permission) => others.push((uri, permission)),
            _ => return None,
        }
    }
    others.sort_unstable();
    match others.as_slice() {
        _ if !owned => None,
        [] => Some("private"),
        [(EVERYONE, "READ")] => Some("public-read"),
        [(EVERYONE, "READ"), (EVERYONE, "WRITE")] => Some("public-read-write"),
        [(AUTHENTICATED, "READ")] => Some("authenticated-read"),
        [(LOG_DELIVERY, "READ_ACP"), (LOG_DELIVERY, "WRITE")] => Some("log-delivery-write"),
        _ => None,
    }
}

/// The form in which two lists of grantees are compared: `id=1,uri=http://…`, in order.
pub(super) fn grantees(value: &Value) -> Value {
    match value.expose() {
        Value::String(text) => Value::String(canonical(text).into()),
        other => other.clone(),
    }
}

fn canonical(text: &str) -> String {
    let mut whom: Vec<String> = text
        .split(',')
        .filter_map(|one| {
            let (kind, value) = one.split_once('=')?;
            Some(format!("{}={}", kind.trim(), value.trim().trim_matches('"')))
        })
        .collect();
    whom.sort_unstable();
    whom.dedup();
    whom.join(",")
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::types::{Grantee, Type};

    use super::*;

    fn to(whom: &str, permission: &str) -> Grant {
        let grantee = if whom.starts_with("http") {
            Grantee::builder().r#type(Type::Group).uri(whom)
        } else {
            Grantee::builder().r#type(Type::CanonicalUser).id(whom)
        };
        Grant::builder().grantee(grantee.build().unwrap()).permission(Permission::from(permission)).build()
    }

    #[test]
    fn canned_lists_are_recognized() {
        let full = to("me", "FULL_CONTROL");
        let acl = |grants: &[Grant]| read("me", grants, false).acl;
        assert_eq!(acl(std::slice::from_ref(&full)).as_deref(), Some("private"));
        assert_eq!(acl(&[to(EVERYONE, "READ"), full.clone()]).as_deref(), Some("public-read"));
        let both = [full.clone(), to(EVERYONE, "WRITE"), to(EVERYONE, "READ")];
        assert_eq!(acl(&both).as_deref(), Some("public-read-write"));
        assert_eq!(acl(&[full.clone(), to("you", "READ")]), None);
        assert_eq!(acl(&[]), None);
    }

    #[test]
    fn grants_are_told_as_they_are_written() {
        let acl = read("me", &[to("me", "FULL_CONTROL"), to("you", "READ"), to(EVERYONE, "READ")], true);
        assert_eq!(acl.full_control.as_deref(), Some("id=me"));
        let text = |s: &str| grantees(&Value::String(s.into()));
        let written = format!("uri=\"{EVERYONE}\", id=\"you\"");
        assert_eq!(text(&written), Value::String(acl.read.clone().unwrap().into()));
        assert_eq!(acl.write, None);
    }
}
