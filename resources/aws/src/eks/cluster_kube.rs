//! Settings of the Kubernetes programs that make up a [`Cluster`](super::Cluster)'s control plane, as a program has them and as EKS has them.

use aws_sdk_eks::types as sdk;
use phx_model::Block;
use phx_model::typed::Input;

/// Settings of `kube-apiserver`.
#[derive(Clone, Debug, Block)]
pub struct KubeApiServerConfig {
    /// How long events are kept, in one unit: `30m`, `1h`.
    #[field(cloud_default)]
    pub event_ttl: Option<Input<String>>,
    /// The ports that services of the type `NodePort` get.
    #[field(cloud_default)]
    pub service_node_port_range: Option<Input<ServiceNodePortRange>>,
}

/// The ports that services of the type `NodePort` get.
#[derive(Clone, Debug, Block)]
pub struct ServiceNodePortRange {
    /// The first.
    pub min_port: Input<i32>,
    /// The last.
    pub max_port: Input<i32>,
}

/// Settings of `kube-scheduler`.
#[derive(Clone, Debug, Block)]
pub struct KubeSchedulerConfig {
    /// How it chooses among nodes that have room.
    #[field(cloud_default)]
    pub node_resources_fit: Option<Input<NodeResourcesFit>>,
}

/// How the scheduler chooses among nodes that have room.
#[derive(Clone, Debug, Block)]
pub struct NodeResourcesFit {
    /// What makes a node better than another.
    #[field(cloud_default)]
    pub scoring_strategy: Option<Input<ScoringStrategy>>,
}

/// What makes a node better than another to the scheduler.
#[derive(Clone, Debug, Block)]
pub struct ScoringStrategy {
    /// `LeastAllocated` (pods are spread) or `MostAllocated` (nodes are filled).
    #[field(cloud_default)]
    pub r#type: Option<Input<String>>,
    /// How much each kind of resource counts.
    #[field(set, cloud_default)]
    pub resources: Option<Input<Vec<ResourceWeight>>>,
}

/// How much a kind of resource counts where the scheduler chooses a node.
#[derive(Clone, Debug, Block)]
pub struct ResourceWeight {
    /// The resource: `cpu`, `memory`.
    pub name: Input<String>,
    /// Its weight, from 1 to 100.
    pub weight: Input<i32>,
}

/// Settings of `kube-controller-manager`.
#[derive(Clone, Debug, Block)]
pub struct KubeControllerManagerConfig {
    /// How pods that have ended are cleared away.
    #[field(cloud_default)]
    pub pod_gc_controller_config: Option<Input<PodGcController>>,
    /// How pods are scaled horizontally.
    #[field(cloud_default)]
    pub horizontal_pod_autoscaler_controller_config: Option<Input<HorizontalPodAutoscalerController>>,
}

/// How pods that have ended are cleared away.
#[derive(Clone, Debug, Block)]
pub struct PodGcController {
    /// How many of them there may be before that begins.
    #[field(cloud_default)]
    pub terminated_pod_gc_threshold: Option<Input<i32>>,
}

/// How pods are scaled horizontally.
#[derive(Clone, Debug, Block)]
pub struct HorizontalPodAutoscalerController {
    /// How often their number is reconsidered, in one unit: `15s`, `1m`.
    #[field(cloud_default)]
    pub horizontal_pod_autoscaler_sync_period: Option<Input<String>>,
}

pub(crate) fn api_server(want: &KubeApiServerConfigResolved) -> sdk::KubeApiServerConfigRequest {
    let range = |want: &ServiceNodePortRangeResolved| {
        sdk::ServiceNodePortRange::builder().min_port(want.min_port).max_port(want.max_port).build()
    };
    sdk::KubeApiServerConfigRequest::builder()
        .set_event_ttl(want.event_ttl.clone())
        .set_service_node_port_range(want.service_node_port_range.as_ref().map(range))
        .build()
}

pub(crate) fn api_server_of(there: &sdk::KubeApiServerConfigResponse) -> KubeApiServerConfigResolved {
    let range = |there: &sdk::ServiceNodePortRange| ServiceNodePortRangeResolved {
        min_port: there.min_port(),
        max_port: there.max_port(),
    };
    KubeApiServerConfigResolved {
        event_ttl: there.event_ttl.clone(),
        service_node_port_range: there.service_node_port_range().map(range),
    }
}

pub(crate) fn scheduler(want: &KubeSchedulerConfigResolved) -> sdk::KubeSchedulerConfigRequest {
    let weight =
        |want: &ResourceWeightResolved| sdk::ResourceWeight::builder().name(&want.name).weight(want.weight).build();
    let strategy = |want: &ScoringStrategyResolved| {
        sdk::ScoringStrategy::builder()
            .set_type(want.r#type.as_deref().map(Into::into))
            .set_resources(want.resources.as_ref().map(|all| all.iter().map(weight).collect()))
            .build()
    };
    let fit = |want: &NodeResourcesFitResolved| {
        let strategy = want.scoring_strategy.as_ref().map(strategy);
        sdk::NodeResourcesFitConfig::builder().set_scoring_strategy(strategy).build()
    };
    let fit = want.node_resources_fit.as_ref().map(fit);
    sdk::KubeSchedulerConfigRequest::builder().set_node_resources_fit(fit).build()
}

pub(crate) fn scheduler_of(there: &sdk::KubeSchedulerConfigResponse) -> KubeSchedulerConfigResolved {
    let weight = |there: &sdk::ResourceWeight| {
        Some(ResourceWeightResolved { name: there.name.clone()?, weight: there.weight()? })
    };
    let strategy = |there: &sdk::ScoringStrategy| ScoringStrategyResolved {
        r#type: there.r#type().map(|t| t.as_str().to_owned()),
        resources: Some(there.resources().iter().filter_map(weight).collect()),
    };
    let fit = |there: &sdk::NodeResourcesFitConfig| NodeResourcesFitResolved {
        scoring_strategy: there.scoring_strategy().map(strategy),
    };
    KubeSchedulerConfigResolved { node_resources_fit: there.node_resources_fit().map(fit) }
}

pub(crate) fn controller_manager(
    want: &KubeControllerManagerConfigResolved,
) -> sdk::KubeControllerManagerConfigRequest {
    let pods = |want: &PodGcControllerResolved| {
        let threshold = want.terminated_pod_gc_threshold;
        sdk::PodGcControllerConfigRequest::builder().set_terminated_pod_gc_threshold(threshold).build()
    };
    let scaler = |want: &HorizontalPodAutoscalerControllerResolved| {
        sdk::HorizontalPodAutoscalerControllerConfigRequest::builder()
            .set_horizontal_pod_autoscaler_sync_period(want.horizontal_pod_autoscaler_sync_period.clone())
            .build()
    };
    sdk::KubeControllerManagerConfigRequest::builder()
        .set_pod_gc_controller_config(want.pod_gc_controller_config.as_ref().map(pods))
        .set_horizontal_pod_autoscaler_controller_config(
            want.horizontal_pod_autoscaler_controller_config.as_ref().map(scaler),
        )
        .build()
}

pub(crate) fn controller_manager_of(
    there: &sdk::KubeControllerManagerConfigResponse,
) -> KubeControllerManagerConfigResolved {
    KubeControllerManagerConfigResolved {
        pod_gc_controller_config: there
            .pod_gc_controller_config()
            .map(|p| PodGcControllerResolved { terminated_pod_gc_threshold: p.terminated_pod_gc_threshold() }),
        horizontal_pod_autoscaler_controller_config: there.horizontal_pod_autoscaler_controller_config().map(|h| {
            HorizontalPodAutoscalerControllerResolved {
                horizontal_pod_autoscaler_sync_period: h.horizontal_pod_autoscaler_sync_period.clone(),
            }
        }),
    }
}
