//! [`Listener`].
//!
//! No emulator tells a listener's attributes, or serves mutual authentication and logins with tokens; those parts follow the service model alone.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use aws_sdk_elasticloadbalancingv2::types as sdk;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::{FieldChange, Tags};
use phx_model::value::Val;
use phx_model::{Block, CloudError, Input, Outputs, Resource};

use super::listener_actions::{self as actions, Action};
use super::{
    Elb, PAGE, changed_attributes, created_tags, has_intent, list_tags, managed, text, unless_absent, update_tags,
};
use crate::arn::Arn;
use crate::client::Aws;
use crate::forms::in_order_of;
use crate::manage::{Created, Found, Manage, Target};
use crate::{batch, owner, wait};

/// For so long a certificate that was just issued may not be known where listeners are made.
const UNTIL_KNOWN: Duration = Duration::from_secs(60);

/// Where a load balancer listens, and what it does with what it hears.
///
/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateListener.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:elbv2:Listener",
    terraform = "aws_lb_listener",
    cloudformation = "AWS::ElasticLoadBalancingV2::Listener",
    identity = IntentTag,
    unique(load_balancer_arn, port),
    vanishes_with(load_balancer_arn)
)]
pub struct Listener {
    /// The load balancer.
    #[field(replace)]
    pub load_balancer_arn: Input<Arn>,
    /// `HTTP`, `HTTPS`, `TCP`, `TLS`, `UDP`, `TCP_UDP`, `QUIC` or `TCP_QUIC`. Not for gateway load balancers.
    #[field(cloud_default)]
    pub protocol: Option<Input<String>>,
    /// The port. Not for gateway load balancers.
    #[field(cloud_default)]
    pub port: Option<Input<i32>>,
    /// Which versions of TLS and which ciphers it takes: `ELBSecurityPolicy-TLS13-1-2-2021-06`.
    #[field(cloud_default)]
    pub ssl_policy: Option<Input<String>>,
    /// The certificates of HTTPS and TLS. The first is shown to clients that name no host; of the others, the one for the host that they name.
    pub certificates: Option<Input<Vec<Arn>>>,
    /// What is done with requests for which no rule says otherwise.
    pub default_actions: Input<Vec<Action>>,
    /// Which protocol a TLS listener chooses: `HTTP1Only`, `HTTP2Only`, `HTTP2Optional`, `HTTP2Preferred` or `None`.
    pub alpn_policy: Option<Input<Vec<String>>>,
    /// Whether clients must bring certificates too.
    #[field(cloud_default)]
    pub mutual_authentication: Option<Input<MutualAuthentication>>,
    /// Attributes, of which those that are not set stay as they are: `tcp.idle_timeout.seconds`,
    /// `routing.http.response.server.enabled` … .
    /// <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_ListenerAttribute.html>
    #[field(cloud_default)]
    pub attributes: Option<Input<BTreeMap<String, String>>>,
    /// The tags.
    pub tags: Tags,
}

/// Whether clients must bring certificates too.
#[derive(Clone, Debug, Block)]
pub struct MutualAuthentication {
    /// `off`, `passthrough` or `verify`.
    pub mode: Input<String>,
    /// The trust store that they are verified with.
    pub trust_store_arn: Option<Input<Arn>>,
    /// Whether expired ones are taken as well.
    #[field(cloud_default)]
    pub ignore_client_certificate_expiry: Option<Input<bool>>,
    /// Whether clients are told the names of the authorities: `on` or `off`.
    #[field(cloud_default)]
    pub advertise_trust_store_ca_names: Option<Input<String>>,
}

/// What AWS decides.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct ListenerOutputs {
    /// The ARN.
    pub arn: Arn,
}

/// The listeners of a load balancer, by ARN.
type Listeners = HashMap<String, sdk::Listener>;

impl Manage for Listener {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let elb = &aws.elbv2(cx).await?;
        // One unknown ARN among several would fail the call; a load balancer's list does not.
        let balancers: BTreeSet<String> = targets.iter().filter_map(|t| balancer(t.id)).collect();
        let asked =
            batch::each(balancers, |arn| async move { Ok((arn.clone(), of_balancer(elb, &arn).await)) }).await?;
        let listeners: &HashMap<String, Result<Listeners, CloudError>> = &asked.into_iter().collect();
        let there = |target: &Target<'_>| match listeners.get(&balancer(target.id)?) {
            Some(Ok(all)) => all.get(target.id),
            _ => None,
        };
        let tagged = targets.iter().filter(|t| t.wants("tags") && there(t).is_some()).map(|t| t.id);
        let mut tags = list_tags(elb, tagged).await?;
        let tags: Vec<_> = targets.iter().map(|t| tags.remove(t.id).unwrap_or_default()).collect();
        batch::each(targets.iter().zip(tags), |(target, tags)| async move {
            let Some(balancer) = balancer(target.id) else {
                let message = format!("{:?} is not the ARN of a listener", target.id);
                return Ok(Found::Failed(CloudError::local(ErrorKind::Invalid, message)));
            };
            Ok(match listeners.get(&balancer) {
                Some(Ok(all)) => match all.get(target.id) {
                    Some(listener) => match extras(elb, target, listener).await {
                        Ok(Some(extras)) => shown(target, listener, extras, tags),
                        Ok(None) => Found::Gone,
                        Err(error) => Found::Failed(error),
                    },
                    None => Found::Gone,
                },
                Some(Err(error)) => Found::Failed(error.clone()),
                None => Found::Gone,
            })
        })
        .await
    }

    async fn create(
        aws: &Aws,
        cx: &Cx,
        want: &ListenerResolved,
        intent: &IntentId,
    ) -> Result<Created<Self>, CloudError> {
        let elb = &aws.elbv2(cx).await?;
        if let Some(there) = there_already(elb, want, intent).await? {
            return Ok(there);
        }
        let request = elb
            .create_listener()
            .load_balancer_arn(want.load_balancer_arn.as_str())
            .set_protocol(want.protocol.as_deref().map(Into::into))
            .set_port(want.port)
            .set_ssl_policy(want.ssl_policy.clone())
            .set_certificates(default_certificate(want))
            .set_default_actions(Some(actions::to_actions(&want.default_actions, false)))
            .set_alpn_policy(want.alpn_policy.clone())
            .set_mutual_authentication(want.mutual_authentication.as_ref().map(to_mutual))
            .set_tags(created_tags(&want.tags, intent));
        let answer = match once_known(cx, || elb.write("CreateListener", || request.clone().send())).await {
            // Perhaps this very intent's, made by a call whose answer was lost.
            Err(taken) if taken.kind == ErrorKind::AlreadyExists => {
                return Self::find(aws, cx, want, intent).await?.ok_or(taken);
            }
            answer => answer?,
        };
        let made = answer.listeners.unwrap_or_default().into_iter().find_map(|l| l.listener_arn);
        let made = made.ok_or_else(|| elb.unexpected("CreateListener", "the answer describes no listener"))?;
        Ok(created(&made, want))
    }

    async fn finish(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &ListenerResolved,
    ) -> Result<Option<ListenerOutputs>, CloudError> {
        let elb = &aws.elbv2(cx).await?;
        add_certificates(elb, cx, id, more_certificates(want)).await?;
        set_attributes(elb, id, want.attributes.clone().unwrap_or_default()).await?;
        Ok(None)
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &ListenerResolved,
        change: &ListenerChange,
    ) -> Result<Option<ListenerOutputs>, CloudError> {
        let elb = &aws.elbv2(cx).await?;
        let mut request = elb.modify_listener().listener_arn(id);
        let mut changes = false;
        if change.protocol.is_some()
            || change.port.is_some()
            || change.ssl_policy.is_some()
            || change.certificates.is_some()
        {
            changes = true;
            request = request
                .set_protocol(want.protocol.as_deref().map(Into::into))
                .set_port(want.port)
                .set_ssl_policy(want.ssl_policy.clone())
                .set_certificates(default_certificate(want));
        }
        if change.default_actions.is_some() {
            changes = true;
            request = request.set_default_actions(Some(actions::to_actions(&want.default_actions, true)));
        }
        if let Some(FieldChange { after, .. }) = &change.alpn_policy {
            changes = true;
            request = request.set_alpn_policy(Some(after.clone().unwrap_or_else(|| vec!["None".to_owned()])));
        }
        if change.mutual_authentication.is_some() {
            changes = true;
            request = request.set_mutual_authentication(want.mutual_authentication.as_ref().map(to_mutual));
        }
        if changes {
            once_known(cx, || elb.write_idempotent("ModifyListener", || request.clone().send())).await?;
        }
        if change.certificates.is_some() {
            settle_certificates(elb, cx, id, want).await?;
        }
        set_attributes(elb, id, changed_attributes(change.attributes.as_ref())).await?;
        update_tags(elb, id, change.tags.as_ref()).await?;
        Ok(None)
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, _was: Option<&ListenerResolved>) -> Result<(), CloudError> {
        let elb = &aws.elbv2(cx).await?;
        let request = elb.delete_listener().listener_arn(id);
        unless_absent(elb.write_idempotent("DeleteListener", || request.clone().send()).await).map(drop)
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &ListenerResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let elb = &aws.elbv2(cx).await?;
        let listeners = of_balancer(elb, want.load_balancer_arn.as_str()).await?;
        let tags = list_tags(elb, listeners.keys().map(String::as_str)).await?;
        let made = tags.iter().find(|(_, tags)| has_intent(tags, intent));
        Ok(made.map(|(arn, _)| created(arn, want)))
    }
}

fn created(arn: &str, want: &ListenerResolved) -> Created<Listener> {
    let complete = more_certificates(want).is_empty() && want.attributes.as_ref().is_none_or(BTreeMap::is_empty);
    Created { id: arn.to_owned(), outputs: ListenerOutputs { arn: Arn::new(arn) }, complete }
}

/// The listener that there is already with the wanted protocol and port, if it is this intent's; another's is an error. A creation with the
/// settings of what is there answers with that, as if it had made it.
async fn there_already(
    elb: &Elb,
    want: &ListenerResolved,
    intent: &IntentId,
) -> Result<Option<Created<Listener>>, CloudError> {
    let listeners = of_balancer(elb, want.load_balancer_arn.as_str()).await?;
    // A gateway load balancer has one at most, and neither port nor protocol is said of it.
    let gateway = want.load_balancer_arn.as_str().contains(":loadbalancer/gwy/");
    let alike = |listener: &&sdk::Listener| {
        let protocol = listener.protocol().map(|protocol| protocol.as_str());
        gateway || (listener.port == want.port && protocol == want.protocol.as_deref())
    };
    let Some(arn) = listeners.values().find(alike).and_then(|listener| listener.listener_arn()) else {
        return Ok(None);
    };
    let Some(tags) = list_tags(elb, [arn]).await?.remove(arn) else { return Ok(None) };
    let port = want.port.map(|port| format!(" on port {port}")).unwrap_or_default();
    owner::check(&format!("the listener{port} of {}", want.load_balancer_arn), &tags, intent)?;
    Ok(Some(created(arn, want)))
}

/// Repeats a call while a certificate that it names is not known yet.
async fn once_known<T, F, Fut>(cx: &Cx, call: F) -> Result<T, CloudError>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, CloudError>>,
{
    wait::eventually(cx, UNTIL_KNOWN, |e| e.code.as_deref() == Some("CertificateNotFound"), call).await
}

/// The load balancer of a listener, by their ARNs.
fn balancer(listener: &str) -> Option<String> {
    let (stem, _) = listener.rsplit_once('/')?;
    let (before, name) = stem.split_once(":listener/")?;
    Some(format!("{before}:loadbalancer/{name}"))
}

async fn of_balancer(elb: &Elb, arn: &str) -> Result<Listeners, CloudError> {
    let all = batch::pages(|marker| async move {
        let request = elb.describe_listeners().load_balancer_arn(arn).page_size(PAGE).set_marker(marker);
        let answer = elb.read("DescribeListeners", || request.clone().send()).await?;
        Ok((answer.listeners.unwrap_or_default(), answer.next_marker))
    });
    let all = unless_absent(all.await)?.unwrap_or_default();
    Ok(all.into_iter().filter_map(|l| Some((l.listener_arn.clone()?, l))).collect())
}

fn certificate(arn: &Arn) -> sdk::Certificate {
    sdk::Certificate::builder().certificate_arn(arn.as_str()).build()
}

fn default_certificate(want: &ListenerResolved) -> Option<Vec<sdk::Certificate>> {
    want.certificates.as_ref().and_then(|all| all.first()).map(|first| vec![certificate(first)])
}

fn more_certificates(want: &ListenerResolved) -> &[Arn] {
    want.certificates.as_ref().and_then(|all| all.get(1..)).unwrap_or_default()
}

/// The certificates besides the default one.
async fn list_certificates(elb: &Elb, id: &str) -> Result<Vec<Arn>, CloudError> {
    let all = batch::pages(|marker| async move {
        let request = elb.describe_listener_certificates().listener_arn(id).page_size(PAGE).set_marker(marker);
        let answer = elb.read("DescribeListenerCertificates", || request.clone().send()).await?;
        Ok((answer.certificates.unwrap_or_default(), answer.next_marker))
    });
    let more = all.await?.into_iter().filter(|c| c.is_default() != Some(true));
    Ok(more.filter_map(|c| c.certificate_arn.map(Arn::new)).collect())
}

async fn add_certificates(elb: &Elb, cx: &Cx, id: &str, arns: &[Arn]) -> Result<(), CloudError> {
    // The call takes one.
    for arn in arns {
        let request = elb.add_listener_certificates().listener_arn(id).certificates(certificate(arn));
        let add = || elb.write_idempotent("AddListenerCertificates", || request.clone().send());
        once_known(cx, add).await?;
    }
    Ok(())
}

/// Brings the certificates besides the default one to what is wished.
async fn settle_certificates(elb: &Elb, cx: &Cx, id: &str, want: &ListenerResolved) -> Result<(), CloudError> {
    let there = list_certificates(elb, id).await?;
    let wanted = more_certificates(want);
    let missing: Vec<Arn> = wanted.iter().filter(|arn| !there.contains(arn)).cloned().collect();
    add_certificates(elb, cx, id, &missing).await?;
    // The default one may still stand among the others; it cannot be taken away.
    let default = want.certificates.as_ref().and_then(|all| all.first());
    // The call takes one.
    for arn in there.iter().filter(|arn| !wanted.contains(arn) && Some(*arn) != default) {
        let request = elb.remove_listener_certificates().listener_arn(id).certificates(certificate(arn));
        elb.write_idempotent("RemoveListenerCertificates", || request.clone().send()).await?;
    }
    Ok(())
}

fn to_mutual(want: &MutualAuthenticationResolved) -> sdk::MutualAuthenticationAttributes {
    sdk::MutualAuthenticationAttributes::builder()
        .mode(&want.mode)
        .set_trust_store_arn(want.trust_store_arn.as_ref().map(Arn::to_string))
        .set_ignore_client_certificate_expiry(want.ignore_client_certificate_expiry)
        .set_advertise_trust_store_ca_names(want.advertise_trust_store_ca_names.as_deref().map(Into::into))
        .build()
}

fn from_mutual(there: &sdk::MutualAuthenticationAttributes) -> Option<MutualAuthenticationResolved> {
    Some(MutualAuthenticationResolved {
        mode: text(there.mode())?,
        trust_store_arn: text(there.trust_store_arn()).map(Arn::new),
        ignore_client_certificate_expiry: there.ignore_client_certificate_expiry,
        advertise_trust_store_ca_names: there.advertise_trust_store_ca_names().map(|a| a.as_str().to_owned()),
    })
}

/// What DescribeListeners leaves out takes a call for each listener: asked only for what the program sets.
#[derive(Default)]
struct Extras {
    certificates: Vec<Arn>,
    attributes: Option<BTreeMap<String, String>>,
}

/// `None`: the listener is gone by now.
async fn extras(elb: &Elb, target: &Target<'_>, listener: &sdk::Listener) -> Result<Option<Extras>, CloudError> {
    let mut extras = Extras::default();
    if target.wants("certificates") && !listener.certificates().is_empty() {
        let Some(more) = unless_absent(list_certificates(elb, target.id).await)? else { return Ok(None) };
        extras.certificates = more;
    }
    if target.wants("attributes") {
        let request = elb.describe_listener_attributes().listener_arn(target.id);
        match unless_absent(elb.read("DescribeListenerAttributes", || request.clone().send()).await) {
            Ok(Some(answer)) => {
                let told = answer.attributes.unwrap_or_default().into_iter();
                let told = told.filter_map(|a| Some((a.key?, a.value.unwrap_or_default()))).collect();
                extras.attributes = managed(target, told);
            }
            Ok(None) => return Ok(None),
            // Being adopted, a listener need not have them where they cannot be told.
            Err(error) if target.inputs.is_empty() => tracing::debug!(%error, "attributes are not known"),
            Err(error) => return Err(error),
        }
    }
    Ok(Some(extras))
}

fn shown(
    target: &Target<'_>,
    listener: &sdk::Listener,
    extras: Extras,
    tags: BTreeMap<String, String>,
) -> Found<Listener> {
    let default = listener.certificates().iter().find_map(|c| c.certificate_arn()).map(Arn::new);
    let more = extras.certificates.into_iter().filter(|arn| Some(arn) != default.as_ref()).collect();
    let wanted = target.inputs.get("certificates").and_then(|v| Vec::<Arn>::from_value(v).ok());
    let wanted = wanted.map(|all| Vec::<Arn>::to_value(&all.into_iter().skip(1).collect()));
    let certificates: Vec<Arn> = default.into_iter().chain(in_order_of::<Arn>(wanted.as_ref(), more)).collect();
    let fields = ListenerResolved {
        load_balancer_arn: Arn::new(listener.load_balancer_arn().unwrap_or_default()),
        protocol: listener.protocol().map(|p| p.as_str().to_owned()),
        port: listener.port,
        ssl_policy: text(listener.ssl_policy()),
        certificates: Some(certificates).filter(|c| !c.is_empty()),
        default_actions: actions::from_actions(listener.default_actions(), target.inputs.get("default_actions")),
        alpn_policy: Some(listener.alpn_policy().to_vec()).filter(|p| !p.is_empty() && p.as_slice() != ["None"]),
        mutual_authentication: listener.mutual_authentication().and_then(from_mutual),
        attributes: extras.attributes,
        tags,
    };
    Found::present(fields, ListenerOutputs { arn: Arn::new(target.id) })
}

async fn set_attributes(elb: &Elb, id: &str, attributes: BTreeMap<String, String>) -> Result<(), CloudError> {
    if attributes.is_empty() {
        return Ok(());
    }
    let one = |(key, value)| sdk::ListenerAttribute::builder().key(key).value(value).build();
    let attributes = attributes.into_iter().map(one).collect();
    let request = elb.modify_listener_attributes().listener_arn(id).set_attributes(Some(attributes));
    elb.write_idempotent("ModifyListenerAttributes", || request.clone().send()).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listeners_arn_tells_its_load_balancer() {
        let arn = "arn:aws:elasticloadbalancing:us-west-2:123456789012:listener/app/web/0a1b/2c3d";
        let balancer_arn = "arn:aws:elasticloadbalancing:us-west-2:123456789012:loadbalancer/app/web/0a1b";
        assert_eq!(balancer(arn).as_deref(), Some(balancer_arn));
        assert_eq!(balancer("listener"), None);
        assert_eq!(balancer(balancer_arn), None);
    }
}
