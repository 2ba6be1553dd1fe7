//! Provider contexts: the accounts and regions that a program's resources lie in, beside the stack's own.
//!
//! A place is named by a [`ProviderKey`], which a state keeps with every object. Its forms are
//!
//! | key | the place |
//! |---|---|
//! | empty | the stack's own account and region |
//! | `us-east-1` | another region of the stack's own account |
//! | `210987654321/eu-west-1` | an account and a region, with the stack's own credentials |
//! | `210987654321/eu-west-1@replica` | an account and a region, with the role of the provider context `replica` |
//!
//! So a key tells account and region by itself, for people too, and two roles in one account and region are two keys. What a provider context is
//! beyond that (the role's ARN, an external id, session tags) is its [`Provider`], which a program declares and a state keeps.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::state::ProviderKey;

/// Where resources lie that are not in the stack's own account and region, and in whose name they are managed there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// The region; without one, the stack's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The role that is assumed, which also says which account it is; without one, the stack's own account and credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
}

/// A role to assume, and how. <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// The role's ARN.
    pub arn: String,
    /// What the role's trust policy wants to be told (`sts:ExternalId`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// The session's name, which CloudTrail shows; without one, `phx`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_name: Option<String>,
    /// Tags of the session, which policies can refer to as `aws:PrincipalTag/KEY`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub session_tags: BTreeMap<String, String>,
}

impl fmt::Debug for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An external id is no secret to AWS, and still no business of whoever reads a log.
        f.debug_struct("Role")
            .field("arn", &self.arn)
            .field("external_id", &self.external_id.as_ref().map(|_| crate::value::REDACTED))
            .field("session_name", &self.session_name)
            .field("session_tags", &self.session_tags)
            .finish()
    }
}

impl Role {
    /// The account that it is in, if its ARN tells: `arn:aws:iam::210987654321:role/phx`.
    pub fn account(&self) -> Option<&str> {
        let mut parts = self.arn.splitn(6, ':');
        let ("arn", Some(_), Some("iam"), Some(""), Some(account), Some(resource)) =
            (parts.next()?, parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return None;
        };
        let is_account = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
        let is_role = resource.strip_prefix("role/").is_some_and(|name| !name.is_empty());
        (is_account && is_role).then_some(account)
    }
}

impl Provider {
    /// The stack's own account and region, to begin with.
    pub fn new() -> Self {
        Self::default()
    }

    /// Its region.
    #[must_use]
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// The role to assume, by its ARN. Its account is the provider context's.
    #[must_use]
    pub fn assume_role(mut self, arn: impl Into<String>) -> Self {
        self.role.get_or_insert_default().arn = arn.into();
        self
    }

    /// What the role's trust policy wants to be told.
    #[must_use]
    pub fn external_id(mut self, id: impl Into<String>) -> Self {
        self.role.get_or_insert_default().external_id = Some(id.into());
        self
    }

    /// The session's name, which CloudTrail shows.
    #[must_use]
    pub fn session_name(mut self, name: impl Into<String>) -> Self {
        self.role.get_or_insert_default().session_name = Some(name.into());
        self
    }

    /// A tag of the session.
    #[must_use]
    pub fn session_tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.role.get_or_insert_default().session_tags.insert(key.into(), value.into());
        self
    }

    /// What is wrong with it, by the rules that STS documents.
    pub(crate) fn mistake(&self) -> Option<String> {
        if let Some(region) = &self.region {
            let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            if region.is_empty() || !region.bytes().all(fits) {
                return Some(format!("{region:?} is not a region; expected for example us-east-1"));
            }
        }
        let Some(role) = &self.role else {
            return self.region.is_none().then(|| "it has neither a region nor a role".to_owned());
        };
        if role.arn.is_empty() {
            return Some(
                "it says how a role is to be assumed, and not which; give its ARN with `assume_role`".to_owned(),
            );
        }
        if role.account().is_none() {
            return Some(format!("{:?} is not a role's ARN; expected arn:aws:iam::210987654321:role/NAME", role.arn));
        }
        // https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
        let made_of = |text: &str, more: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c));
        if let Some(name) = &role.session_name
            && !((2..=64).contains(&name.len()) && made_of(name, "_+=,.@-"))
        {
            return Some(format!(
                "the session name {name:?} must have 2 to 64 letters, digits and characters of _+=,.@-"
            ));
        }
        if let Some(id) = &role.external_id
            && !((2..=1224).contains(&id.len()) && made_of(id, "_+=,.@:/-"))
        {
            return Some("the external id must have 2 to 1224 letters, digits and characters of _+=,.@:/-".to_owned());
        }
        if role.session_tags.len() > 50 {
            return Some(format!("it has {} session tags, and a session can have 50", role.session_tags.len()));
        }
        role.session_tags
            .iter()
            .find(|(key, value)| !(1..=128).contains(&key.chars().count()) || value.chars().count() > 256)
            .map(|(key, _)| format!("the session tag {key:?} is too long: 128 characters of key and 256 of value fit"))
    }

    /// Its key. `name` is its own in the program.
    pub(crate) fn key(&self, name: &str, home: &Home) -> ProviderKey {
        match &self.role {
            // Two names for the stack's own place would have an object move when it is only called otherwise.
            None if self.region == home.region => ProviderKey::default(),
            None => ProviderKey(self.region.clone().unwrap_or_default()),
            Some(role) => {
                let region = self.region.as_deref().or(home.region.as_deref()).unwrap_or_default();
                ProviderKey(format!("{}/{region}@{name}", role.account().unwrap_or_default()))
            }
        }
    }
}

/// The stack's own place, as far as its configuration says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Home {
    /// The region; `None`: whichever the environment says.
    pub region: Option<String>,
    /// The account; `None`: whichever the credentials belong to.
    pub account: Option<String>,
}

/// What a key says by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// The account; `None`: the stack's own.
    pub account: Option<&'a str>,
    /// The region; `None`: the stack's own.
    pub region: Option<&'a str>,
    /// The provider context whose role is assumed there.
    pub name: Option<&'a str>,
}

impl ProviderKey {
    /// What it says.
    pub fn place(&self) -> Place<'_> {
        let (place, name) = match self.0.rsplit_once('@') {
            Some((place, name)) => (place, Some(name)),
            None => (self.0.as_str(), None),
        };
        let (account, region) = place.rsplit_once('/').unwrap_or(("", place));
        Place {
            account: Some(account).filter(|a| !a.is_empty()),
            region: Some(region).filter(|r| !r.is_empty()),
            name: name.filter(|n| !n.is_empty()),
        }
    }

    /// Whether it is the stack's own place.
    pub fn is_home(&self) -> bool {
        self.0.is_empty()
    }

    /// The same account, in the same name, in another region.
    #[must_use]
    pub fn in_region(&self, region: &str) -> Self {
        let Place { account, name, .. } = self.place();
        let account = account.map(|account| format!("{account}/")).unwrap_or_default();
        let name = name.map(|name| format!("@{name}")).unwrap_or_default();
        Self(format!("{account}{region}{name}"))
    }

    /// Whether both name the same account and region, whoever works there.
    pub fn is_where(&self, other: &Self, home: &Home) -> bool {
        let whole = |place: Place<'_>| {
            (
                place.account.map(str::to_owned).or_else(|| home.account.clone()),
                place.region.map(str::to_owned).or_else(|| home.region.clone()),
            )
        };
        self == other || whole(self.place()) == whole(other.place())
    }
}

/// Account and region, as people read them: `210987654321/eu-west-1`, `us-east-1`.
impl fmt::Display for ProviderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.rsplit_once('@') {
            Some((place, _)) => f.write_str(place.trim_end_matches('/')),
            None if self.is_home() => f.write_str("the stack's own account and region"),
            None => f.write_str(&self.0),
        }
    }
}

/// A provider context that a program has declared: what [`Options::provider`](crate::Options::provider) and
/// [`Scope::with_provider`](crate::Scope::with_provider) take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderRef {
    pub(crate) key: ProviderKey,
}

impl ProviderRef {
    /// Its key, as states and plans have it.
    pub fn key(&self) -> &ProviderKey {
        &self.key
    }
}

impl AsRef<ProviderKey> for ProviderRef {
    fn as_ref(&self) -> &ProviderKey {
        &self.key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> ProviderKey {
        ProviderKey(text.to_owned())
    }

    #[test]
    fn a_key_tells_account_region_and_name() {
        let place = |account, region, name| Place { account, region, name };
        for (text, expected) in [
            ("", place(None, None, None)),
            ("us-west-2", place(None, Some("us-west-2"), None)),
            ("123456789012/us-west-2", place(Some("123456789012"), Some("us-west-2"), None)),
            ("123456789012/", place(Some("123456789012"), None, None)),
            ("123456789012/eu-west-1@a", place(Some("123456789012"), Some("eu-west-1"), Some("a"))),
            ("123456789012/@a", place(Some("123456789012"), None, Some("a"))),
        ] {
            assert_eq!(key(text).place(), expected, "{text}");
        }
        assert_eq!(key("123456789012/eu-west-1@a").in_region("us-east-1"), key("123456789012/us-east-1@a"));
        assert_eq!(key("eu-west-1").in_region("us-east-1"), key("us-east-1"));
        assert_eq!(key("").in_region("us-east-1"), key("us-east-1"));
        assert_eq!(key("123456789012/eu-west-1@a").to_string(), "123456789012/eu-west-1");
    }

    #[test]
    fn a_place_is_an_account_and_a_region_whoever_works_there() {
        let home = Home { region: Some("us-west-2".into()), account: Some("111111111111".into()) };
        let role = |arn: &str, region| Provider { region, ..Provider::new().assume_role(arn) };
        let in_home = role("arn:aws:iam::111111111111:role/x", None).key("a", &home);
        assert_eq!(in_home, key("111111111111/us-west-2@a"));
        assert!(in_home.is_where(&key(""), &home) && key("").is_where(&in_home, &home));
        assert!(!in_home.is_where(&key(""), &Home::default()), "nobody knows");
        assert!(key("222222222222/eu-west-1@a").is_where(&key("222222222222/eu-west-1@b"), &home));
        assert!(!key("222222222222/eu-west-1@a").is_where(&key("222222222222/eu-west-2@a"), &home));
        assert_eq!(Provider::new().region("us-west-2").key("a", &home), key(""));
        assert_eq!(Provider::new().region("us-east-1").key("a", &home), key("us-east-1"));
    }

    #[test]
    fn mistakes_are_named_and_external_ids_are_not() {
        let arn = "arn:aws:iam::111111111111:role/x";
        for (provider, said) in [
            (Provider::new(), "neither a region nor a role"),
            (Provider::new().region("US"), "not a region"),
            (Provider::new().external_id("abc"), "not which"),
            (Provider::new().assume_role("role/x"), "not a role's ARN"),
            (Provider::new().assume_role("arn:aws:iam::1:role/x"), "not a role's ARN"),
            (Provider::new().assume_role("arn:aws:iam::111111111111:user/x"), "not a role's ARN"),
            (Provider::new().assume_role(arn).session_name("a b"), "session name"),
            (Provider::new().assume_role(arn).external_id("hunter2 hunter2"), "external id"),
            (Provider::new().assume_role(arn).session_tag("", "x"), "session tag"),
        ] {
            let mistake = provider.mistake().unwrap();
            assert!(mistake.contains(said) && !mistake.contains("hunter2"), "{mistake}");
        }
        let good = Provider::new().assume_role(arn).external_id("hunter2").session_name("phx").session_tag("k", "v");
        assert_eq!(good.mistake(), None);
        assert!(!format!("{good:?}").contains("hunter2"));
    }
}
