//! `aws:sns:Subscription`.
//!
//! # What waits for confirmation
//!
//! Whoever is behind an e-mail address, or a web address of another account, must confirm a subscription before anything is delivered. Until then SNS does not list
//! its ARN, and it cannot be taken away; it vanishes by itself when nobody confirms it for a few days. SNS is asked for the ARN all the same
//! when it is made. An endpoint that does not tell it leaves topic, protocol and endpoint as the id.
//!
//! No emulator keeps a subscription pending; scripted answers test that.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use aws_sdk_sns::types::Subscription as Listed;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::value::Json;
use phx_model::{Block, CloudError, Input, Outputs, Resource, Value};

use super::Sns;
use crate::arn::Arn;
use crate::client::Aws;
use crate::forms::{document, flag, off_is_unset, own, text};
use crate::manage::{Created, Found, Manage, Target};
use crate::{batch, owner, wait};

/// How long a new topic may be unknown somewhere.
const UNTIL_KNOWN: Duration = Duration::from_secs(30);
/// Up to so many subscriptions of a topic are asked for one by one.
const ONE_BY_ONE: usize = 3;
/// The fields that a list does not tell.
const ATTRIBUTES: &[&str] = &[
    "delivery_policy",
    "filter_policy",
    "filter_policy_scope",
    "raw_message_delivery",
    "redrive_policy",
    "subscription_role_arn",
    "replay_policy",
];

/// Somewhere that a topic's messages go.
///
/// A subscription bears no mark, and an endpoint subscribes to a topic or it does not: one that is there already is taken over if it is just as the
/// program wants it, and otherwise left alone. Deleting one ends it, whoever made it; the option `retain` keeps it.
///
/// <https://docs.aws.amazon.com/sns/latest/api/API_Subscribe.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:sns:Subscription",
    terraform = "aws_sns_topic_subscription",
    cloudformation = "AWS::SNS::Subscription",
    identity = NaturalKey,
    unique(topic_arn, protocol, endpoint),
    vanishes_with(topic_arn)
)]
pub struct Subscription {
    /// The topic.
    #[field(replace)]
    pub topic_arn: Input<Arn>,
    /// How messages are delivered: `sqs`, `lambda`, `firehose`, `https`, `http`, `email`, `email-json`, `sms` or `application`.
    #[field(replace)]
    pub protocol: Input<String>,
    /// Where: an ARN, an address or a telephone number, as the protocol has it.
    #[field(replace)]
    pub endpoint: Option<Input<String>>,
    /// Which messages are delivered, in JSON: `{"event": ["made", "sold"]}`. Unset, all.
    #[field(json)]
    pub filter_policy: Option<Input<Json>>,
    /// What `filter_policy` is about: `MessageAttributes` (which it is unset) or `MessageBody`.
    #[field(cloud_default)]
    pub filter_policy_scope: Option<Input<String>>,
    /// Whether messages are delivered as they were published, without SNS's JSON around them. Unset, they are not.
    #[field(normalize = off_is_unset)]
    pub raw_message_delivery: Option<Input<bool>>,
    /// How deliveries over HTTP are tried again, in JSON.
    #[field(json)]
    pub delivery_policy: Option<Input<Json>>,
    /// Where messages go that cannot be delivered.
    pub redrive_policy: Option<Input<SubscriptionRedrivePolicy>>,
    /// The role with which messages are put into Firehose. That protocol needs it.
    pub subscription_role_arn: Option<Input<Arn>>,
    /// Which of a FIFO topic's kept messages are delivered again, in JSON.
    #[field(json)]
    pub replay_policy: Option<Input<Json>>,
}

/// Where messages go that cannot be delivered.
#[derive(Clone, Debug, Block)]
pub struct SubscriptionRedrivePolicy {
    /// The queue.
    pub dead_letter_target_arn: Input<Arn>,
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct SubscriptionOutputs {
    /// The ARN, or topic, protocol and endpoint while that is not told.
    pub id: String,
    /// The ARN.
    pub arn: Option<Arn>,
    /// Whether it still waits for whoever is at the endpoint to confirm it.
    #[output(volatile)]
    pub pending_confirmation: Option<bool>,
}

impl Manage for Subscription {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let sns = &aws.sns(cx).await?;
        let mut topics: BTreeMap<&str, usize> = BTreeMap::new();
        for topic in targets.iter().filter(|t| !ATTRIBUTES.iter().any(|a| t.wants(a))).filter_map(|t| topic_of(t.id)) {
            *topics.entry(topic).or_default() += 1;
        }
        let many = topics.into_iter().filter(|(_, count)| *count > ONE_BY_ONE);
        // A list may lag behind, so what it lacks is asked for by itself, and so is everything if it fails.
        let listed = batch::each(many, |(topic, count)| async move {
            list(sns, topic, count).await.or_else(|error| {
                tracing::debug!(%error, topic, "subscriptions are read one by one");
                Ok(Vec::new())
            })
        });
        let listed: HashMap<String, Listed> =
            listed.await?.into_iter().flatten().filter_map(|l| Some((l.subscription_arn.clone()?, l))).collect();
        let listed = &listed;
        batch::each(targets, |target| async move {
            let told = listed.get(target.id).filter(|_| !ATTRIBUTES.iter().any(|a| target.wants(a)));
            Ok(match told {
                Some(told) => shown(target, told),
                None => read(sns, target).await,
            })
        })
        .await
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &SubscriptionResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        let sns = &aws.sns(cx).await?;
        let attributes: HashMap<String, String> =
            attributes(want).into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
        let request = sns
            .subscribe()
            .topic_arn(want.topic_arn.as_str())
            .protocol(&want.protocol)
            .set_endpoint(want.endpoint.clone())
            .set_attributes(Some(attributes).filter(|attributes| !attributes.is_empty()))
            .return_subscription_arn(true);
        // To a topic that was made just now, nobody else subscribes the same.
        let part = format!("{}/{}", want.protocol, want.endpoint.as_deref().unwrap_or_default());
        let first = sns.is_first_in("topic", want.topic_arn.as_str(), &part);
        // Subscribing again gives the same subscription.
        let send = || sns.write_idempotent("Subscribe", || request.clone().send());
        let answer = match wait::eventually(cx, UNTIL_KNOWN, |e| e.kind == ErrorKind::NotFound, send).await {
            Err(taken) if taken.message.contains("already exists with different attributes") => {
                let taken = CloudError { kind: ErrorKind::AlreadyExists, ..taken };
                return Self::find(aws, cx, want, intent).await?.ok_or(taken);
            }
            answer => answer?,
        };
        let arn = answer.subscription_arn.filter(|arn| arn.starts_with("arn:"));
        if let Some(arn) = arn.as_deref().filter(|_| !first) {
            says_no_more(sns, arn, want).await?;
        }
        let pending = arn.is_none().then_some(true);
        Ok(created(arn, want, pending))
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &SubscriptionResolved,
        change: &SubscriptionChange,
    ) -> Result<Option<SubscriptionOutputs>, CloudError> {
        let sns = &aws.sns(cx).await?;
        let Some(arn) = arn_of(sns, id).await? else {
            return Err(CloudError::local(ErrorKind::Invalid, format!("{id} waits for its confirmation"))
                .hint("it can be changed when whoever is at the endpoint has confirmed it"));
        };
        for (name, value) in changed(want, change) {
            // To take this one away SNS wants no value at all: an empty one is no JSON.
            let value = Some(value).filter(|value| name != "RedrivePolicy" || !value.is_empty());
            let request = sns
                .set_subscription_attributes()
                .subscription_arn(&arn)
                .attribute_name(name)
                .set_attribute_value(value);
            sns.write_idempotent("SetSubscriptionAttributes", || request.clone().send()).await?;
        }
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _was: Option<&SubscriptionResolved>) -> Result<(), CloudError> {
        let sns = &aws.sns(cx).await?;
        let Some(arn) = arn_of(sns, id).await? else {
            (cx.progress)(&format!("{id} was not confirmed; SNS takes it away by itself"));
            return Ok(());
        };
        match sns.write_idempotent("Unsubscribe", || sns.unsubscribe().subscription_arn(&arn).send()).await {
            Ok(_) => Ok(()),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
            Err(error) if error.kind == ErrorKind::Invalid && is_pending(sns, &arn).await? => {
                (cx.progress)(&format!("{id} was not confirmed; SNS takes it away by itself"));
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &SubscriptionResolved,
        _intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let sns = &aws.sns(cx).await?;
        // Which password one has is not told: subscribing again is, and tells the same one.
        if want.endpoint.as_deref().is_some_and(|endpoint| without_password(endpoint) != endpoint) {
            return Ok(None);
        }
        let found = match list(sns, want.topic_arn.as_str(), usize::MAX).await {
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
            found => found?.into_iter().find(|listed| is_to(listed, &want.protocol, want.endpoint.as_deref())),
        };
        // One that waits for its confirmation has no ARN here: subscribing again tells it.
        let arn = found.and_then(|listed| listed.subscription_arn).filter(|arn| arn.starts_with("arn:"));
        let Some(arn) = arn else { return Ok(None) };
        let Some(there) = attributes_of(sns, &arn).await? else { return Ok(None) };
        owner::check_alike::<Self>(&named(want), want, &as_wished(&there, want))?;
        Ok(Some(created(Some(arn), want, None)))
    }
}

/// What SNS tells of a subscription by its ARN; `None` if there is none.
async fn attributes_of(sns: &Sns, arn: &str) -> Result<Option<HashMap<String, String>>, CloudError> {
    let request = sns.get_subscription_attributes().subscription_arn(arn);
    match sns.read("GetSubscriptionAttributes", || request.clone().send()).await {
        Ok(answer) => Ok(Some(answer.attributes.unwrap_or_default())),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// What is there, with that which names it as the program writes it: which password an endpoint has is not told.
fn as_wished(there: &HashMap<String, String>, want: &SubscriptionResolved) -> SubscriptionResolved {
    let mut there = fields(there);
    let set = want.clone();
    (there.topic_arn, there.protocol, there.endpoint) = (set.topic_arn, set.protocol, set.endpoint);
    let policy = set.delivery_policy.map(|policy| policy.0);
    there.delivery_policy = own(policy.as_ref(), there.delivery_policy);
    there
}

/// Passes if a subscription has nothing that the program did not ask for, such as a filter: then it was there before, and is somebody else's.
async fn says_no_more(sns: &Sns, arn: &str, want: &SubscriptionResolved) -> Result<(), CloudError> {
    let there = match attributes_of(sns, arn).await {
        Ok(Some(there)) => there,
        // A new one may not be known everywhere yet. It is there, whether or not it may be read.
        Ok(None) => return Ok(()),
        Err(error) => {
            tracing::debug!(%error, "whether the subscription was there before is not known");
            return Ok(());
        }
    };
    let mut there = as_wished(&there, want);
    // What was asked for may be told a little later, and SNS itself refuses what differs.
    macro_rules! asked_for {
        ($($field:ident),*) => {$(
            if want.$field.is_some() {
                there.$field = want.$field.clone();
            }
        )*};
    }
    asked_for!(filter_policy, filter_policy_scope, raw_message_delivery, delivery_policy, redrive_policy);
    asked_for!(subscription_role_arn, replay_policy);
    owner::check_alike::<Subscription>(&named(want), want, &there)
}

/// The endpoint is not said: it may be a secret.
fn named(want: &SubscriptionResolved) -> String {
    format!("the {} subscription to {}", want.protocol, want.topic_arn)
}

fn created(arn: Option<String>, want: &SubscriptionResolved, pending: Option<bool>) -> Created<Subscription> {
    let endpoint = without_password(want.endpoint.as_deref().unwrap_or_default());
    let id = arn.clone().unwrap_or_else(|| format!("{}/{}/{endpoint}", want.topic_arn, want.protocol));
    let outputs = SubscriptionOutputs { id: id.clone(), arn: arn.map(Arn::new), pending_confirmation: pending };
    Created { id, outputs, complete: true }
}

/// Topic, protocol and endpoint of an id that is no ARN. A topic's ARN has no slash.
fn natural(id: &str) -> Option<(&str, &str, &str)> {
    let (topic, rest) = id.split_once('/')?;
    let (protocol, endpoint) = rest.split_once('/')?;
    Some((topic, protocol, endpoint))
}

/// The topic of a subscription: its ARN is the topic's, with something after it.
fn topic_of(id: &str) -> Option<&str> {
    match natural(id) {
        Some((topic, ..)) => Some(topic),
        None => id.rsplit_once(':').map(|(topic, _)| topic).filter(|topic| topic.split(':').count() == 6),
    }
}

fn is_to(listed: &Listed, protocol: &str, endpoint: Option<&str>) -> bool {
    let same = |a: Option<&str>, b: Option<&str>| {
        without_password(a.unwrap_or_default()) == without_password(b.unwrap_or_default())
    };
    listed.protocol() == Some(protocol) && same(listed.endpoint(), endpoint)
}

/// An endpoint as SNS tells it, without the password that may stand before its host: `https://me:****@example.com`.
fn without_password(endpoint: &str) -> String {
    let parts = || {
        let (scheme, rest) = endpoint.split_once("://")?;
        let authority = rest.split(['/', '?', '#']).next()?;
        let (who, host) = authority.rsplit_once('@')?;
        let (user, _) = who.split_once(':')?;
        Some(format!("{scheme}://{user}:****@{host}{}", rest.strip_prefix(authority)?))
    };
    parts().unwrap_or_else(|| endpoint.to_owned())
}

/// The endpoint that is there: as it was set, if that is what it is but for the password, which SNS never tells.
fn endpoint_of(target: &Target<'_>, told: Option<String>) -> Option<String> {
    let set = target.inputs.get("endpoint").and_then(Value::as_str);
    match set.filter(|set| told.as_deref() == Some(without_password(set).as_str())) {
        Some(set) => Some(set.to_owned()),
        None => told,
    }
}

/// The subscriptions of a topic, as far as so many pages go.
async fn list(sns: &Sns, topic: &str, pages: usize) -> Result<Vec<Listed>, CloudError> {
    let mut page = 0;
    batch::pages(|token| {
        page += 1;
        let last = page >= pages;
        async move {
            let request = sns.list_subscriptions_by_topic().topic_arn(topic).set_next_token(token);
            let answer = sns.read("ListSubscriptionsByTopic", || request.clone().send()).await?;
            Ok((answer.subscriptions.unwrap_or_default(), answer.next_token.filter(|_| !last)))
        }
    })
    .await
}

/// The ARN of a subscription; `None` while it waits for its confirmation and is known by topic, protocol and endpoint only.
async fn arn_of(sns: &Sns, id: &str) -> Result<Option<String>, CloudError> {
    let Some((topic, protocol, endpoint)) = natural(id) else { return Ok(Some(id.to_owned())) };
    let listed = match list(sns, topic, usize::MAX).await {
        Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
        listed => listed?,
    };
    let found = listed.into_iter().find(|listed| is_to(listed, protocol, Some(endpoint)));
    Ok(found.and_then(|listed| listed.subscription_arn).filter(|arn| arn.starts_with("arn:")))
}

async fn is_pending(sns: &Sns, arn: &str) -> Result<bool, CloudError> {
    Ok(attributes_of(sns, arn).await?.is_none_or(|there| pending(&there) == Some(true)))
}

fn pending(attributes: &HashMap<String, String>) -> Option<bool> {
    flag(attributes.get("PendingConfirmation").map(String::as_str))
}

async fn read(sns: &Sns, target: &Target<'_>) -> Found<Subscription> {
    match read_one(sns, target).await {
        Ok(found) => found,
        Err(error) if error.kind == ErrorKind::NotFound => Found::Gone,
        Err(error) => Found::Failed(error),
    }
}

async fn read_one(sns: &Sns, target: &Target<'_>) -> Result<Found<Subscription>, CloudError> {
    let id = target.id;
    let mut arn = id.to_owned();
    if let Some((topic, protocol, endpoint)) = natural(id) {
        let listed = list(sns, topic, usize::MAX).await?;
        let Some(listed) = listed.into_iter().find(|listed| is_to(listed, protocol, Some(endpoint))) else {
            return Ok(Found::Gone);
        };
        match listed.subscription_arn() {
            Some(told) if told.starts_with("arn:") => arn = told.to_owned(),
            _ => return Ok(shown(target, &listed)),
        }
    }
    let request = sns.get_subscription_attributes().subscription_arn(&arn);
    let answer = sns.read("GetSubscriptionAttributes", || request.clone().send()).await?;
    let there = answer.attributes.unwrap_or_default();
    let outputs =
        SubscriptionOutputs { id: id.to_owned(), arn: Some(Arn::new(&arn)), pending_confirmation: pending(&there) };
    let mut fields = fields(&there);
    fields.delivery_policy = own(target.inputs.get("delivery_policy"), fields.delivery_policy);
    fields.endpoint = endpoint_of(target, fields.endpoint);
    Ok(Found::present(fields, outputs))
}

/// As a list tells it.
fn shown(target: &Target<'_>, listed: &Listed) -> Found<Subscription> {
    let told = |name: &str, value: Option<&str>| Some((name.to_owned(), value?.to_owned()));
    let there = [
        told("TopicArn", listed.topic_arn()),
        told("Protocol", listed.protocol()),
        told("Endpoint", listed.endpoint()),
    ];
    let arn = listed.subscription_arn().filter(|arn| arn.starts_with("arn:")).map(Arn::new);
    let pending_confirmation = Some(arn.is_none());
    let outputs = SubscriptionOutputs { id: target.id.to_owned(), arn, pending_confirmation };
    let mut fields = fields(&there.into_iter().flatten().collect());
    fields.endpoint = endpoint_of(target, fields.endpoint);
    Found::present(fields, outputs)
}

fn fields(there: &HashMap<String, String>) -> SubscriptionResolved {
    let get = |name: &str| there.get(name).map(String::as_str).filter(|text| !text.is_empty());
    // An empty document is none.
    let json = |name: &str| document(get(name)).filter(|document| !document.0.is_empty());
    SubscriptionResolved {
        topic_arn: Arn::new(get("TopicArn").unwrap_or_default()),
        protocol: get("Protocol").unwrap_or_default().to_owned(),
        endpoint: get("Endpoint").map(str::to_owned),
        filter_policy: json("FilterPolicy"),
        filter_policy_scope: get("FilterPolicyScope").map(str::to_owned),
        raw_message_delivery: flag(get("RawMessageDelivery")).filter(|on| *on),
        delivery_policy: json("DeliveryPolicy"),
        redrive_policy: get("RedrivePolicy").and_then(redrive),
        subscription_role_arn: get("SubscriptionRoleArn").map(Arn::new),
        replay_policy: json("ReplayPolicy"),
    }
}

fn redrive(text: &str) -> Option<SubscriptionRedrivePolicyResolved> {
    let document: serde_json::Value = serde_json::from_str(text).ok()?;
    let arn = Arn::new(document["deadLetterTargetArn"].as_str()?);
    Some(SubscriptionRedrivePolicyResolved { dead_letter_target_arn: arn })
}

/// SNS's names of the attributes, and what they shall be.
fn attributes(want: &SubscriptionResolved) -> [(&'static str, Option<String>); 7] {
    let redrive = want.redrive_policy.as_ref();
    let redrive = redrive.map(|r| serde_json::json!({"deadLetterTargetArn": r.dead_letter_target_arn.as_str()}));
    [
        ("FilterPolicyScope", want.filter_policy_scope.clone()),
        ("FilterPolicy", want.filter_policy.as_ref().map(text)),
        ("RawMessageDelivery", want.raw_message_delivery.map(|on| on.to_string())),
        ("DeliveryPolicy", want.delivery_policy.as_ref().map(text)),
        ("RedrivePolicy", redrive.map(|document| document.to_string())),
        ("SubscriptionRoleArn", want.subscription_role_arn.as_ref().map(Arn::to_string)),
        ("ReplayPolicy", want.replay_policy.as_ref().map(text)),
    ]
}

/// What changes, and what is taken away, in the order in which it is set. A filter for bodies may have a form that one for attributes must not have.
fn changed(want: &SubscriptionResolved, change: &SubscriptionChange) -> Vec<(&'static str, String)> {
    let changes = |name: &str| match name {
        "FilterPolicyScope" => change.filter_policy_scope.as_ref().is_some_and(|c| c.after.is_some()),
        "FilterPolicy" => change.filter_policy.is_some(),
        "RawMessageDelivery" => change.raw_message_delivery.is_some(),
        "DeliveryPolicy" => change.delivery_policy.is_some(),
        "RedrivePolicy" => change.redrive_policy.is_some(),
        "SubscriptionRoleArn" => change.subscription_role_arn.is_some(),
        _ => change.replay_policy.is_some(),
    };
    let none = |name: &str| match name {
        "RawMessageDelivery" => "false",
        "FilterPolicy" | "ReplayPolicy" => "{}",
        _ => "",
    };
    let mut set: Vec<_> = attributes(want)
        .into_iter()
        .filter(|(name, _)| changes(name))
        .map(|(name, value)| (name, value.unwrap_or_else(|| none(name).to_owned())))
        .collect();
    if set.iter().any(|(name, value)| *name == "FilterPolicyScope" && value == "MessageAttributes") {
        set.sort_by_key(|(name, _)| *name == "FilterPolicyScope");
    }
    set
}

#[cfg(test)]
mod tests {
    use phx_model::typed::FieldChange;

    use super::*;

    fn subscription(json: serde_json::Value) -> SubscriptionResolved {
        let Value::Map(fields) = Value::from(json) else { panic!("no map") };
        Subscription::resolve(&fields).unwrap()
    }

    #[test]
    fn what_was_sent_comes_back() {
        let want = subscription(serde_json::json!({"topic_arn": "arn:aws:sns:r:1:t", "protocol": "sqs",
            "endpoint": "arn:aws:sqs:r:1:q", "filter_policy": {"a": ["b"]}, "raw_message_delivery": true,
            "redrive_policy": {"dead_letter_target_arn": "arn:aws:sqs:r:1:d"}}));
        let mut there: HashMap<String, String> =
            attributes(&want).into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
        for (name, value) in [("TopicArn", "arn:aws:sns:r:1:t"), ("Protocol", "sqs"), ("Endpoint", "arn:aws:sqs:r:1:q")]
        {
            there.insert(name.to_owned(), value.to_owned());
        }
        assert_eq!(fields(&there), want);
    }

    #[test]
    fn an_id_is_an_arn_or_what_makes_it_unique() {
        assert_eq!(topic_of("arn:aws:sns:r:1:t:0f8f"), Some("arn:aws:sns:r:1:t"));
        assert_eq!(topic_of("arn:aws:sns:r:1:t/email/a@b"), Some("arn:aws:sns:r:1:t"));
        assert_eq!(topic_of("x"), None);
        for (endpoint, told) in [
            ("https://me:pass@word@example.com/a?b=c", "https://me:****@example.com/a?b=c"),
            ("https://example.com/a:b@c", "https://example.com/a:b@c"),
            ("https://me@example.com", "https://me@example.com"),
            ("a@example.com", "a@example.com"),
            ("", ""),
        ] {
            assert_eq!(without_password(endpoint), told);
        }
        let web = "arn:aws:sns:r:1:t/https/https://example.com/a/b";
        assert_eq!(natural(web), Some(("arn:aws:sns:r:1:t", "https", "https://example.com/a/b")));
    }

    #[test]
    fn a_filter_and_its_scope_are_set_in_the_order_that_sns_takes() {
        let none = || Subscription::change(&BTreeMap::new()).unwrap();
        let order = |scope: &str| {
            let want = subscription(serde_json::json!({"topic_arn": "t", "protocol": "sqs",
                "filter_policy": {"a": ["b"]}, "filter_policy_scope": scope}));
            let change = SubscriptionChange {
                filter_policy: Some(FieldChange { before: None, after: want.filter_policy.clone() }),
                filter_policy_scope: Some(FieldChange { before: None, after: Some(scope.to_owned()) }),
                ..none()
            };
            changed(&want, &change).into_iter().map(|(name, _)| name).collect::<Vec<_>>()
        };
        assert_eq!(order("MessageBody"), ["FilterPolicyScope", "FilterPolicy"]);
        assert_eq!(order("MessageAttributes"), ["FilterPolicy", "FilterPolicyScope"]);
        let want = subscription(serde_json::json!({"topic_arn": "t", "protocol": "sqs"}));
        let gone = SubscriptionChange { filter_policy: Some(FieldChange { before: None, after: None }), ..none() };
        assert_eq!(changed(&want, &gone), [("FilterPolicy", "{}".to_owned())]);
    }
}
