//! [`Addon`].
//!
//! moto has no add-ons. ministack has them, instantly active, without namespaces, and tells their pod identity associations in another form than
//! EKS: those, states and what a change came to follow the service model alone. It also keeps tags that are set later apart from the add-on.

use std::collections::BTreeSet;

use aws_sdk_eks::types as sdk;
use phx_model::driver::Cx;
use phx_model::error::ErrorKind;
use phx_model::state::IntentId;
use phx_model::typed::{Input, Tags};
use phx_model::value::Json;
use phx_model::{Block, CloudError, Outputs, Resource};

use super::pod_identity_association as pod_identity;
use super::{
    Eks, EksClusterName, Update, create_named, deleted, differs, going, issues, malformed, once_free, once_known,
    settled, split, update_tags,
};
use crate::arn::Arn;
use crate::call::client_token;
use crate::client::Aws;
use crate::manage::{Created, Found, Manage, Target};
use crate::tags::with_intent;
use crate::wait::{Stage, until};
use crate::{batch, forms, owner};

/// Software in a cluster that EKS installs and keeps up. <https://docs.aws.amazon.com/eks/latest/APIReference/API_CreateAddon.html>
#[derive(Clone, Debug, Resource)]
#[resource(
    type = "aws:eks:Addon",
    terraform = "aws_eks_addon",
    cloudformation = "AWS::EKS::Addon",
    identity = NaturalKey,
    unique(cluster_name, addon_name)
)]
pub struct Addon {
    /// The cluster.
    #[field(replace)]
    pub cluster_name: Input<EksClusterName>,
    /// The name that EKS knows it by: `vpc-cni`, `coredns`, `aws-ebs-csi-driver` and others.
    #[field(replace)]
    pub addon_name: Input<String>,
    /// The version: `v1.19.0-eksbuild.1`. Unset, EKS's default when it is installed, and it stays as it is.
    #[field(cloud_default)]
    pub addon_version: Option<Input<String>>,
    /// The role of its service account, by way of the cluster's OpenID Connect provider. Unset, it has the nodes' rights, or those of
    /// `pod_identity_associations`.
    pub service_account_role_arn: Option<Input<Arn>>,
    /// What happens where something in the cluster is already otherwise than the add-on would have it: `NONE` (EKS's default: it fails), `OVERWRITE`, or, where
    /// it is changed, `PRESERVE`.
    #[field(write_only)]
    pub resolve_conflicts: Option<Input<String>>,
    /// Its settings, by the schema that `aws eks describe-addon-configuration` shows.
    #[field(json)]
    pub configuration_values: Option<Input<Json>>,
    /// The roles of its service accounts, by way of the pod identity agent.
    #[field(set)]
    pub pod_identity_associations: Option<Input<Vec<AddonPodIdentityAssociation>>>,
    /// The Kubernetes namespace that it is installed in. Unset, its own.
    #[field(replace, cloud_default)]
    pub namespace_config: Option<Input<AddonNamespaceConfig>>,
    /// Whether the software stays in the cluster, looked after by nobody, when the add-on is deleted. EKS's default: no.
    #[field(write_only)]
    pub preserve: Option<Input<bool>>,
    /// The tags.
    pub tags: Tags,
}

/// The role of one of an add-on's service accounts.
#[derive(Clone, Debug, Block)]
pub struct AddonPodIdentityAssociation {
    /// The Kubernetes service account.
    pub service_account: Input<String>,
    /// The role.
    pub role_arn: Input<Arn>,
}

/// Where an add-on is installed.
#[derive(Clone, Debug, Block)]
pub struct AddonNamespaceConfig {
    /// The Kubernetes namespace.
    #[field(cloud_default)]
    pub namespace: Option<Input<String>>,
}

/// What AWS decides of an [`Addon`].
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct AddonOutputs {
    /// The ARN.
    pub arn: Arn,
    /// The version.
    #[output(volatile)]
    pub addon_version: Option<String>,
}

impl Manage for Addon {
    async fn read_many(aws: &Aws, cx: &Cx, targets: &[Target<'_>]) -> Result<Vec<Found<Self>>, CloudError> {
        let eks = &aws.eks(cx).await?;
        batch::each(targets, |target| async { Ok(read(eks, target).await.unwrap_or_else(Found::Failed)) }).await
    }

    async fn create(aws: &Aws, cx: &Cx, want: &AddonResolved, intent: &IntentId) -> Result<Created<Self>, CloudError> {
        let eks = &aws.eks(cx).await?;
        let namespace = want
            .namespace_config
            .as_ref()
            .map(|n| sdk::AddonNamespaceConfigRequest::builder().set_namespace(n.namespace.clone()).build());
        let request = &eks
            .create_addon()
            .client_request_token(client_token(intent))
            .cluster_name(want.cluster_name.as_str())
            .addon_name(&want.addon_name)
            .set_addon_version(want.addon_version.clone())
            .set_service_account_role_arn(want.service_account_role_arn.as_ref().map(Arn::to_string))
            .set_resolve_conflicts(want.resolve_conflicts.as_deref().map(Into::into))
            .set_configuration_values(want.configuration_values.as_ref().map(forms::text))
            .set_pod_identity_associations(want.pod_identity_associations.as_deref().map(associations).transpose()?)
            .set_namespace_config(namespace)
            .set_tags(Some(with_intent(&want.tags, intent).into_iter().collect()));
        let send = || async move {
            let answer = once_known(cx, || eks.write("CreateAddon", || request.clone().send())).await?;
            let addon = answer.addon.as_ref().and_then(created);
            addon.ok_or_else(|| eks.unexpected("CreateAddon", "the answer names no add-on"))
        };
        create_named(cx, send, || Self::find(aws, cx, want, intent)).await
    }

    async fn finish(aws: &Aws, cx: &Cx, id: &str, _: &AddonResolved) -> Result<Option<AddonOutputs>, CloudError> {
        let eks = &aws.eks(cx).await?;
        active(eks, cx, id, None).await.map(|addon| outputs(&addon))
    }

    async fn update(
        aws: &Aws,
        cx: &Cx,
        id: &str,
        want: &AddonResolved,
        change: &AddonChange,
    ) -> Result<Option<AddonOutputs>, CloudError> {
        let eks = &aws.eks(cx).await?;
        let (cluster, name) = split(id)?;
        let addon = describe(eks, cluster, name).await?.ok_or_else(|| missing(eks, id))?;
        if let Some(arn) = addon.addon_arn() {
            update_tags(eks, arn, change.tags.as_ref()).await?;
        }
        // EKS never tells how conflicts are resolved, and takes a change of that for nothing to do.
        let mut now = fields(&addon).ok_or_else(|| incomplete(eks))?;
        if change.pod_identity_associations.is_some() {
            now.pod_identity_associations = Some(pod_identities(eks, cluster, &addon).await?);
        }
        let differing = |changed: bool, field| changed && differs::<Self>(field, &now, want);
        let version = differing(change.addon_version.is_some(), "addon_version");
        let role = differing(change.service_account_role_arn.is_some(), "service_account_role_arn");
        let values = differing(change.configuration_values.is_some(), "configuration_values");
        let pods = differing(change.pod_identity_associations.is_some(), "pod_identity_associations");
        if !(version || role || values || pods) {
            return Ok(outputs(&addon));
        }
        // What is left out stays as it is; but a role that is left out is taken away, and so one that the program never set is named.
        let role_arn = match (&change.service_account_role_arn, &want.service_account_role_arn) {
            (None, None) => &now.service_account_role_arn,
            (_, role) => role,
        };
        let request = eks
            .update_addon()
            .cluster_name(cluster)
            .addon_name(name)
            .set_addon_version(want.addon_version.clone().filter(|_| version))
            .set_service_account_role_arn(role_arn.as_ref().map(Arn::to_string))
            .set_resolve_conflicts(want.resolve_conflicts.as_deref().map(Into::into))
            .set_configuration_values(
                values.then(|| want.configuration_values.as_ref().map_or_else(|| "{}".to_owned(), forms::text)),
            )
            .set_pod_identity_associations(if pods {
                Some(associations(want.pod_identity_associations.as_deref().unwrap_or_default())?)
            } else {
                None
            })
            .client_request_token(super::token());
        let send = || once_known(cx, || eks.write_idempotent("UpdateAddon", || request.clone().send()));
        let answer = once_free(cx, send).await?;
        let addon = active(eks, cx, id, Some(answer.update.as_ref())).await?;
        Ok(outputs(&addon))
    }

    async fn delete(aws: &Aws, cx: &Cx, id: &str, was: Option<&AddonResolved>) -> Result<(), CloudError> {
        let eks = &aws.eks(cx).await?;
        let (cluster, name) = split(id)?;
        let preserve = was.and_then(|was| was.preserve);
        let request = eks.delete_addon().cluster_name(cluster).addon_name(name).set_preserve(preserve);
        let send = || eks.write_idempotent("DeleteAddon", || request.clone().send());
        deleted(once_free(cx, send).await)?;
        let what = format!("add-on {id}");
        until(cx, &what, || async {
            match describe(eks, cluster, name).await? {
                None => Ok(Stage::Ready(())),
                Some(addon) => going(&what, state(&addon), &problems(&addon)),
            }
        })
        .await
    }

    async fn find(
        aws: &Aws,
        cx: &Cx,
        want: &AddonResolved,
        intent: &IntentId,
    ) -> Result<Option<Created<Self>>, CloudError> {
        let eks = &aws.eks(cx).await?;
        let found = describe(eks, want.cluster_name.as_str(), &want.addon_name).await?;
        let Some(addon) = found.filter(|addon| state(addon) != "DELETING") else { return Ok(None) };
        let what = format!("the add-on {} of the cluster {}", want.addon_name, want.cluster_name);
        owner::check(&what, &super::tag_map(addon.tags()), intent)?;
        Ok(created(&addon))
    }
}

fn created(addon: &sdk::Addon) -> Option<Created<Addon>> {
    let id = format!("{}/{}", addon.cluster_name()?, addon.addon_name()?);
    Some(Created { id, outputs: outputs(addon)?, complete: false })
}

fn incomplete(eks: &Eks) -> CloudError {
    eks.unexpected("DescribeAddon", "the answer holds an add-on without a name or an ARN")
}

fn missing(eks: &Eks, id: &str) -> CloudError {
    let error = eks.unexpected("DescribeAddon", format!("there is no add-on {id}"));
    CloudError { kind: ErrorKind::NotFound, ..error }
}

async fn describe(eks: &Eks, cluster: &str, name: &str) -> Result<Option<sdk::Addon>, CloudError> {
    let request = eks.describe_addon().cluster_name(cluster).addon_name(name);
    let answer = super::known(eks.read("DescribeAddon", || request.clone().send()).await)?;
    answer.map(|answer| answer.addon.ok_or_else(|| incomplete(eks))).transpose()
}

async fn read(eks: &Eks, target: &Target<'_>) -> Result<Found<Addon>, CloudError> {
    let (cluster, name) = split(target.id)?;
    let found = describe(eks, cluster, name).await?;
    let Some(addon) = found.filter(|addon| state(addon) != "DELETING") else { return Ok(Found::Gone) };
    let (Some(mut fields), Some(outputs)) = (fields(&addon), outputs(&addon)) else { return Err(incomplete(eks)) };
    if target.wants("pod_identity_associations") {
        fields.pod_identity_associations = Some(pod_identities(eks, cluster, &addon).await?);
    }
    Ok(Found::present(fields, outputs))
}

fn fields(addon: &sdk::Addon) -> Option<AddonResolved> {
    let text = |text: Option<&str>| text.filter(|t| !t.is_empty()).map(str::to_owned);
    Some(AddonResolved {
        cluster_name: EksClusterName::new(addon.cluster_name()?),
        addon_name: addon.addon_name()?.to_owned(),
        addon_version: text(addon.addon_version()),
        service_account_role_arn: text(addon.service_account_role_arn()).map(Arn::new),
        resolve_conflicts: None,
        configuration_values: forms::document(addon.configuration_values()),
        pod_identity_associations: None,
        namespace_config: addon
            .namespace_config()
            .map(|n| AddonNamespaceConfigResolved { namespace: n.namespace.clone() }),
        preserve: None,
        tags: super::tag_map(addon.tags()),
    })
}

fn associations(
    want: &[AddonPodIdentityAssociationResolved],
) -> Result<Vec<sdk::AddonPodIdentityAssociations>, CloudError> {
    let one = |want: &AddonPodIdentityAssociationResolved| {
        sdk::AddonPodIdentityAssociations::builder()
            .service_account(&want.service_account)
            .role_arn(want.role_arn.as_str())
            .build()
            .map_err(malformed)
    };
    want.iter().map(one).collect()
}

/// The add-on itself tells no more than the ARNs of its associations.
async fn pod_identities(
    eks: &Eks,
    cluster: &str,
    addon: &sdk::Addon,
) -> Result<Vec<AddonPodIdentityAssociationResolved>, CloudError> {
    let ids: BTreeSet<&str> =
        addon.pod_identity_associations().iter().filter_map(|arn| arn.rsplit('/').next()).collect();
    let found = batch::each(ids, |id| pod_identity::describe(eks, cluster, id)).await?;
    let one = |association: sdk::PodIdentityAssociation| {
        Some(AddonPodIdentityAssociationResolved {
            service_account: association.service_account?,
            role_arn: Arn::new(association.role_arn?),
        })
    };
    Ok(found.into_iter().flatten().filter_map(one).collect())
}

fn state(addon: &sdk::Addon) -> &str {
    addon.status().map(sdk::AddonStatus::as_str).unwrap_or_default()
}

fn problems(addon: &sdk::Addon) -> Vec<String> {
    issues!(addon.health())
}

/// Waits until the add-on works, and a change of it is over. One whose pods do not run yet (there may be no nodes so far) is still waited for.
async fn active(eks: &Eks, cx: &Cx, id: &str, update: Option<Option<&sdk::Update>>) -> Result<sdk::Addon, CloudError> {
    let (cluster, name) = split(id)?;
    let update =
        update.map(|answer| Update { operation: "UpdateAddon", cluster, nodegroup: None, addon: Some(name), answer });
    let what = format!("add-on {id}");
    until(cx, &what, || async {
        let addon = describe(eks, cluster, name).await?.ok_or_else(|| missing(eks, id))?;
        let problems = problems(&addon);
        let settled = match state(&addon).to_owned().as_str() {
            "DEGRADED" => Ok(Stage::Waiting(format!("degraded: {}", problems.join("; ")))),
            state => settled(&what, state, &problems, addon),
        };
        match (settled, &update) {
            (Ok(Stage::Ready(_)) | Err(_), Some(update)) if !update.is_over(eks).await? => {
                Ok(Stage::Waiting("being changed".to_owned()))
            }
            (settled, _) => settled,
        }
    })
    .await
}

fn outputs(addon: &sdk::Addon) -> Option<AddonOutputs> {
    let version = addon.addon_version.clone().filter(|v| !v.is_empty());
    Some(AddonOutputs { arn: Arn::new(addon.addon_arn()?), addon_version: version })
}
