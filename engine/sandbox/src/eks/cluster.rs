//! Clusters.

use serde_json::{Value, json};

use super::{Eks, Fault, Fields, Kind, Object, catalog, in_use, invalid, new_tags, not_now, text};
use crate::ACCOUNT_ID;
use crate::near::{Network, Subnet, only, seconds};
use crate::service::Call;
use crate::shape::{members, texts};

/// The kinds of logs of a control plane.
const LOGS: [&str; 5] = ["api", "audit", "authenticator", "controllerManager", "scheduler"];
/// How entries give access to a cluster, from the oldest to the newest: it can only become newer.
const MODES: [&str; 3] = ["CONFIG_MAP", "API_AND_CONFIG_MAP", "API"];
/// What a cluster is made with that is kept as it was said.
const KEPT: [&str; 6] = [
    "encryptionConfig",
    "kubeApiServerConfig",
    "kubeControllerManagerConfig",
    "kubeSchedulerConfig",
    "remoteNetworkConfig",
    "upgradePolicy",
];
/// What phx signs its requests as: the creator of every cluster.
fn creator() -> String {
    format!("arn:aws:iam::{ACCOUNT_ID}:user/sandbox")
}

/// A name that clusters and what belongs to them may have.
fn check_name(name: &str) -> Result<(), Fault> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if !begins || name.len() > 100 || !name.chars().all(fits) {
        return Err(invalid(format!("{name:?} is not a name of a cluster: letters, digits, - and _, up to 100")));
    }
    Ok(())
}

/// Refuses subnets that do not exist or lie in several VPCs.
fn subnets(network: &Network, region: &str, ids: &[String]) -> Result<Vec<Subnet>, Fault> {
    if ids.is_empty() {
        return Err(invalid("Subnets must be said"));
    }
    let found = network.subnets(region, ids).map_err(|fault| invalid(fault.message))?;
    if found.iter().any(|subnet| subnet.vpc != found[0].vpc) {
        return Err(invalid("Subnets specified must be in one VPC"));
    }
    Ok(found)
}

/// The subnets of a control plane, which must be in two zones at least. Returns their VPC.
fn check_subnets(network: &Network, region: &str, ids: &[String]) -> Result<String, Fault> {
    let found = subnets(network, region, ids)?;
    if found.iter().all(|subnet| subnet.zone == found[0].zone) {
        return Err(invalid("Subnets specified must be in at least two different AZs"));
    }
    Ok(found[0].vpc.clone())
}

fn check_groups(network: &Network, region: &str, groups: &Value, vpc: &str) -> Result<(), Fault> {
    for group in texts(groups) {
        if !network.is_group_in(region, &group, vpc).map_err(|fault| invalid(fault.message))? {
            return Err(invalid(format!("The security group {group} is not in the subnets' VPC {vpc}")));
        }
    }
    Ok(())
}

/// The logs that are exported, as EKS tells them: those that are, and those that are not.
fn logging(on: &[&str]) -> Value {
    let (on, off): (Vec<&str>, Vec<&str>) = LOGS.iter().partition(|kind| on.contains(*kind));
    let setups = [(on, true), (off, false)].into_iter().filter(|(types, _)| !types.is_empty());
    let setups = setups.map(|(types, enabled)| json!({"types": types, "enabled": enabled}));
    json!({"clusterLogging": setups.collect::<Vec<_>>()})
}

/// The logs that are exported after a request's setups, beginning with what there was.
fn logs_after(now: &[&'static str], ask: &Value) -> Result<Vec<&'static str>, Fault> {
    let mut on = now.to_vec();
    for setup in ask["clusterLogging"].as_array().into_iter().flatten() {
        for kind in texts(&setup["types"]) {
            let known = LOGS.iter().find(|known| **known == kind);
            let known = known.ok_or_else(|| invalid(format!("{kind} is no kind of logs of a control plane")))?;
            on.retain(|there| there != known);
            if setup["enabled"] == json!(true) {
                on.push(known);
            }
        }
    }
    Ok(on)
}

fn logs_of(cluster: &Object) -> Vec<&'static str> {
    let setups = cluster.get("logging")["clusterLogging"].as_array().into_iter().flatten();
    let on: Vec<String> =
        setups.filter(|setup| setup["enabled"] == json!(true)).flat_map(|s| texts(&s["types"])).collect();
    LOGS.into_iter().filter(|kind| on.iter().any(|on| on == kind)).collect()
}

/// The three parts of Auto Mode are on or off together.
fn check_auto_mode(compute: &Value, storage: &Value, network: &Value) -> Result<(), Fault> {
    let on = |value: &Value| value.as_bool().unwrap_or(false);
    let parts = [
        on(&compute["enabled"]),
        on(&storage["blockStorage"]["enabled"]),
        on(&network["elasticLoadBalancing"]["enabled"]),
    ];
    if parts.iter().any(|part| *part != parts[0]) {
        return Err(invalid(
            "For EKS Auto Mode, please ensure that all required configs, including computeConfig, kubernetesNetworkConfig, and blockStorage are all either fully enabled or fully disabled.",
        ));
    }
    Ok(())
}

/// Puts what is said into what there is, part by part.
pub(super) fn merge(there: &mut Value, new: &Value) {
    match (there, new) {
        (_, Value::Null) => {}
        (Value::Object(there), Value::Object(new)) => {
            for (name, value) in new {
                merge(there.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (there, new) => *there = new.clone(),
    }
}

impl Eks {
    pub(super) fn create_cluster(&mut self, call: &Call, network: &Network, ask: &Value) -> Result<Value, Fault> {
        let mut known = vec![
            "accessConfig",
            "bootstrapSelfManagedAddons",
            "clientRequestToken",
            "computeConfig",
            "controlPlaneScalingConfig",
            "deletionProtection",
            "kubernetesNetworkConfig",
            "logging",
            "name",
            "resourcesVpcConfig",
            "roleArn",
            "storageConfig",
            "tags",
            "version",
            "zonalShiftConfig",
        ];
        known.extend(KEPT);
        only(ask, "eks:CreateCluster", &known)?;
        let (name, role) = (text(ask, "name")?, text(ask, "roleArn")?);
        check_name(name)?;
        let place = (Kind::Cluster, name, "");
        let taken = || format!("Cluster already exists with name: {name}");
        if let Some(made) = self.made_before(place, ask, "cluster", taken)? {
            return Ok(made);
        }
        let version = ask["version"].as_str().unwrap_or(catalog::newest());
        catalog::check_version(version)?;
        let vpc_config = &ask["resourcesVpcConfig"];
        let vpc = check_subnets(network, &call.region, &texts(&vpc_config["subnetIds"]))?;
        check_groups(network, &call.region, &vpc_config["securityGroupIds"], &vpc)?;
        let mode = ask["accessConfig"]["authenticationMode"].as_str().unwrap_or(MODES[0]);
        if !MODES.contains(&mode) {
            return Err(invalid(format!("{mode} is no authentication mode")));
        }
        let mut kubernetes = json!({"ipFamily": "ipv4", "elasticLoadBalancing": {"enabled": false}});
        merge(&mut kubernetes, &ask["kubernetesNetworkConfig"]);
        if kubernetes["ipFamily"] == "ipv6" {
            if !kubernetes["serviceIpv4Cidr"].is_null() {
                return Err(invalid("A cluster of the IPv6 family takes no serviceIpv4Cidr"));
            }
            kubernetes["serviceIpv6Cidr"] = json!(format!("fd{}:{}::/108", &hex()[..2], &hex()[..4]));
        } else if kubernetes["serviceIpv4Cidr"].is_null() {
            // As EKS chooses: away from the VPC's own addresses.
            let inside = network.cidr(&call.region, &vpc)?.starts_with("10.");
            kubernetes["serviceIpv4Cidr"] = json!(if inside { "172.20.0.0/16" } else { "10.100.0.0/16" });
        }
        let (mut compute, mut storage) = (json!({"enabled": false}), json!({"blockStorage": {"enabled": false}}));
        merge(&mut compute, &ask["computeConfig"]);
        merge(&mut storage, &ask["storageConfig"]);
        check_auto_mode(&compute, &storage, &kubernetes)?;
        let logs = logs_after(&[], &ask["logging"])?;
        let tags = new_tags(ask)?;

        // From here on nothing is refused, but by EC2.
        let owned = format!("kubernetes.io/cluster/{name}");
        let group_name = format!("eks-cluster-sg-{name}-{}", uuid::Uuid::new_v4().as_u128() % 10_000_000_000);
        let description = "EKS created security group applied to ENI that is attached to EKS Control Plane master nodes, as well as any managed workloads.";
        let group_tags = [("Name", group_name.as_str()), (owned.as_str(), "owned")];
        let group = network.make_group(&call.region, &vpc, &group_name, description, &group_tags)?;
        let mut vpc_shown = json!({
            "endpointPublicAccess": true, "endpointPrivateAccess": false, "publicAccessCidrs": ["0.0.0.0/0"], "securityGroupIds": [],
            "clusterSecurityGroupId": group, "vpcId": vpc,
        });
        merge(&mut vpc_shown, vpc_config);
        let id = hex().to_uppercase();
        let region = &call.region;
        let mut fields = json!({
            "name": name, "arn": call.arn("eks", &format!("cluster/{name}")), "createdAt": seconds(), "version": version, "roleArn": role,
            "endpoint": format!("https://{id}.gr7.{region}.eks.amazonaws.com"), "resourcesVpcConfig": vpc_shown,
            "kubernetesNetworkConfig": kubernetes, "logging": logging(&logs), "status": "ACTIVE",
            "identity": {"oidc": {"issuer": format!("https://oidc.eks.{region}.amazonaws.com/id/{id}")}},
            "certificateAuthority": {"data": catalog::AUTHORITY}, "platformVersion": catalog::platform(version), "tags": tags,
            "health": {"issues": []}, "accessConfig": {"authenticationMode": mode}, "computeConfig": compute, "storageConfig": storage,
            "upgradePolicy": {"supportType": "EXTENDED"}, "zonalShiftConfig": {"enabled": false}, "deletionProtection": false,
            "controlPlaneScalingConfig": {"tier": "standard"},
        });
        for name in KEPT.into_iter().chain(["zonalShiftConfig", "deletionProtection", "controlPlaneScalingConfig"]) {
            merge(&mut fields[name], &ask[name]);
        }
        let answer = self.add(place, ask, fields, "cluster");
        let bootstrap = ask["accessConfig"]["bootstrapClusterCreatorAdminPermissions"] != json!(false);
        if bootstrap && mode != MODES[0] {
            self.give_creator_access(call, name, &creator())?;
        }
        Ok(answer)
    }

    /// Refuses access entries where they give no access.
    pub(super) fn check_entries(&self, cluster: &str) -> Result<(), Fault> {
        let there = self.object(Kind::Cluster, cluster, "")?;
        if there.get("accessConfig")["authenticationMode"] == MODES[0] {
            return Err(not_now(
                "The cluster's authentication mode must be set to one of [API, API_AND_CONFIG_MAP] to perform this operation.",
            ));
        }
        Ok(())
    }

    pub(super) fn update_cluster(
        &mut self,
        call: &Call,
        network: &Network,
        cluster: &str,
        ask: &Value,
    ) -> Result<Value, Fault> {
        let known = [
            "accessConfig",
            "clientRequestToken",
            "computeConfig",
            "controlPlaneScalingConfig",
            "deletionProtection",
            "kubeApiServerConfig",
            "kubeControllerManagerConfig",
            "kubeSchedulerConfig",
            "kubernetesNetworkConfig",
            "logging",
            "remoteNetworkConfig",
            "resourcesVpcConfig",
            "storageConfig",
            "upgradePolicy",
            "zonalShiftConfig",
        ];
        only(ask, "eks:UpdateClusterConfig", &known)?;
        let mut there = self.object(Kind::Cluster, cluster, "")?.clone();
        let before = there.fields.clone();
        let said = |name: &str| !ask[name].is_null();
        let auto = ["computeConfig", "storageConfig", "kubernetesNetworkConfig"];
        let kube = ["kubeApiServerConfig", "kubeSchedulerConfig", "kubeControllerManagerConfig"];
        // EKS takes one kind of change at a time.
        let kinds = [
            ("resourcesVpcConfig", "VpcConfigUpdate"),
            ("logging", "LoggingUpdate"),
            ("accessConfig", "AccessConfigUpdate"),
            ("upgradePolicy", "UpgradePolicyUpdate"),
            ("zonalShiftConfig", "ZonalShiftConfigUpdate"),
            ("remoteNetworkConfig", "RemoteNetworkConfigUpdate"),
            ("deletionProtection", "DeletionProtectionUpdate"),
            ("controlPlaneScalingConfig", "ControlPlaneScalingConfigUpdate"),
        ];
        let mut kinds: Vec<&str> = kinds.into_iter().filter(|(name, _)| said(name)).map(|(_, kind)| kind).collect();
        kinds.extend(auto.into_iter().any(&said).then_some("AutoModeUpdate"));
        kinds.extend(kube.into_iter().any(&said).then_some("ControlPlaneComponentConfigUpdate"));
        let [kind] = kinds.as_slice() else {
            return Err(invalid(format!(
                "Exactly one kind of change is to be said, not {}: {}",
                kinds.len(),
                kinds.join(", ")
            )));
        };
        match *kind {
            "VpcConfigUpdate" => Self::change_vpc(&mut there, call, network, &ask["resourcesVpcConfig"])?,
            "LoggingUpdate" => {
                let logs = logs_after(&logs_of(&there), &ask["logging"])?;
                there.set("logging", logging(&logs));
            }
            "AccessConfigUpdate" => {
                let mode = |value: &Value| MODES.iter().position(|mode| value["authenticationMode"] == *mode);
                match (mode(there.get("accessConfig")), mode(&ask["accessConfig"])) {
                    (Some(now), Some(new)) if new >= now => {
                        there.set("accessConfig", json!({"authenticationMode": MODES[new]}));
                    }
                    _ => return Err(invalid("Unsupported authentication mode update")),
                }
            }
            // What is said of networks takes the place of what there was; those that are not said stay.
            "RemoteNetworkConfigUpdate" => {
                let mut networks = members(there.get("remoteNetworkConfig").clone());
                networks.extend(members(ask["remoteNetworkConfig"].clone()));
                there.set("remoteNetworkConfig", Value::Object(networks));
            }
            _ => {
                for (name, new) in
                    ask.as_object().into_iter().flatten().filter(|(name, _)| *name != "clientRequestToken")
                {
                    there.merge(name, new);
                }
                let part = |name: &str| there.get(name);
                check_auto_mode(part("computeConfig"), part("storageConfig"), part("kubernetesNetworkConfig"))?;
            }
        }
        if same(&before, &there.fields) {
            return Err(invalid("No changes needed for the cluster config provided"));
        }
        self.objects.insert(Kind::Cluster.key(cluster, ""), there);
        Ok(self.updated(cluster, ("", None), kind, ask))
    }

    fn change_vpc(there: &mut Object, call: &Call, network: &Network, new: &Value) -> Result<(), Fault> {
        let mut config = there.get("resourcesVpcConfig").clone();
        let vpc = config["vpcId"].as_str().unwrap_or_default().to_owned();
        if !new["subnetIds"].is_null() && check_subnets(network, &call.region, &texts(&new["subnetIds"]))? != vpc {
            return Err(invalid(format!("Provided subnets belong to another VPC than the cluster's, {vpc}")));
        }
        check_groups(network, &call.region, &new["securityGroupIds"], &vpc)?;
        merge(&mut config, new);
        let off = |name: &str| config[name] == json!(false);
        if off("endpointPublicAccess") && off("endpointPrivateAccess") {
            return Err(invalid("Private and public endpoint access can't both be disabled"));
        }
        there.set("resourcesVpcConfig", config);
        Ok(())
    }

    pub(super) fn update_cluster_version(&mut self, cluster: &str, ask: &Value) -> Result<Value, Fault> {
        only(ask, "eks:UpdateClusterVersion", &["clientRequestToken", "force", "version"])?;
        let version = text(ask, "version")?;
        catalog::check_version(version)?;
        let there = self.object_mut(Kind::Cluster, cluster, "")?;
        let now = there.text("version").to_owned();
        match catalog::steps(&now, version) {
            Some(1) => {}
            Some(0) => return Err(invalid(format!("Cluster is already at version {now}"))),
            _ => {
                return Err(invalid(format!("Unsupported Kubernetes minor version update from {now} to {version}")));
            }
        }
        there.set("version", json!(version));
        there.set("platformVersion", json!(catalog::platform(version)));
        Ok(self.updated(cluster, ("", None), "VersionUpdate", ask))
    }

    pub(super) fn encrypt(&mut self, cluster: &str, ask: &Value) -> Result<Value, Fault> {
        only(ask, "eks:AssociateEncryptionConfig", &["clientRequestToken", "encryptionConfig"])?;
        let there = self.object_mut(Kind::Cluster, cluster, "")?;
        if !there.get("encryptionConfig").is_null() {
            return Err(invalid("Cluster already has encryption config"));
        }
        there.set("encryptionConfig", ask["encryptionConfig"].clone());
        Ok(self.updated(cluster, ("", None), "AssociateEncryptionConfig", ask))
    }

    pub(super) fn delete_cluster(&mut self, call: &Call, network: &Network, cluster: &str) -> Result<Value, Fault> {
        let there = self.object(Kind::Cluster, cluster, "")?;
        if there.get("deletionProtection") == &json!(true) {
            return Err(not_now(format!("The cluster {cluster} has deletion protection enabled")));
        }
        for (kind, holders) in [(Kind::NodeGroup, "nodegroups"), (Kind::Fargate, "Fargate profiles")] {
            if self.of(kind, cluster).next().is_some() {
                return Err(in_use(format!("Cluster has {holders} attached")));
            }
        }
        // What else belongs to a cluster goes with it.
        for kind in [Kind::Addon, Kind::Access, Kind::PodIdentity, Kind::Provider, Kind::Update] {
            let prefix = kind.prefix(cluster);
            self.objects.retain(|key, _| !key.starts_with(&prefix));
        }
        let answer = self.take((Kind::Cluster, cluster, ""), "cluster")?;
        if let Some(group) = answer["cluster"]["resourcesVpcConfig"]["clusterSecurityGroupId"].as_str() {
            network.drop_group(&call.region, group);
        }
        Ok(answer)
    }

    /// The subnets that something in a cluster is to be in, which must lie in the cluster's VPC.
    pub(super) fn subnets_of(
        &self,
        network: &Network,
        call: &Call,
        cluster: &str,
        ids: &[String],
    ) -> Result<Vec<Subnet>, Fault> {
        let found = subnets(network, &call.region, ids)?;
        let there = self.object(Kind::Cluster, cluster, "")?;
        match there.get("resourcesVpcConfig")["vpcId"] == found[0].vpc.as_str() {
            true => Ok(found),
            false => Err(invalid(format!("Subnets are not in the VPC of the cluster {cluster}"))),
        }
    }
}

/// Whether nothing is different. Lists of ids and the like have no order.
fn same(a: &Fields, b: &Fields) -> bool {
    fn sorted(value: &Value) -> Value {
        match value {
            Value::Array(items) => {
                let mut items: Vec<Value> = items.iter().map(sorted).collect();
                items.sort_by_key(Value::to_string);
                Value::Array(items)
            }
            Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), sorted(value))).collect(),
            other => other.clone(),
        }
    }
    sorted(&Value::Object(a.clone())) == sorted(&Value::Object(b.clone()))
}

/// 32 hexadecimal digits at random.
fn hex() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}
