//! Which type an ARN names, and which id of an object it tells.
//!
//! The table is of all services, whichever are compiled in: what is found in an account may be of any of them.

use std::iter;

/// What an ARN tells of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The types that it may be of: one, or several whose ARNs look alike.
    pub types: &'static [&'static str],
    /// Its id in phx. `None`: the ARN does not tell.
    pub id: Option<String>,
}

/// A form of ARNs: the service, the last part of the ARN, the types that have such ARNs, and the id.
///
/// `{name}` stands for something without `/` and `:`, `{name*}` for something without `:`, and `{name**}` for anything; it is never empty. The id is
/// put together from these and from `{arn}`, `{account}`, `{region}` and `{domain}`, the domain that AWS's hosts are in. Without an id, the
/// ARN does not tell it. What has no types is of none of phx's.
type Kind = (&'static str, &'static str, &'static [&'static str], &'static str);

/// The first that fits counts.
#[rustfmt::skip] // a table
const KINDS: &[Kind] = &[
    ("acm", "certificate/{}", &["aws:acm:Certificate"], "{arn}"),
    ("autoscaling", "autoScalingGroup:{}:autoScalingGroupName/{name*}", &["aws:autoscaling:Group"], "{name}"),
    ("backup", "backup-plan:{id}", &["aws:backup:Plan"], "{id}"),
    ("backup", "backup-vault:{name}", &["aws:backup:Vault"], "{name}"),
    // Budgets' names may have slashes, but not this.
    ("budgets", "budget/{*}/action/{}", &[], ""),
    ("budgets", "budget/{name*}", &["aws:budgets:Budget"], "{name}"),
    ("ce", "anomalymonitor/{}", &["aws:ce:AnomalyMonitor"], "{arn}"),
    ("ce", "anomalysubscription/{}", &["aws:ce:AnomalySubscription"], "{arn}"),
    ("cloudtrail", "trail/{name}", &["aws:cloudtrail:Trail"], "{name}"),
    ("cloudwatch", "alarm:{name**}", &["aws:cloudwatch:CompositeAlarm", "aws:cloudwatch:MetricAlarm"], "{name}"),
    ("cloudwatch", "dashboard/{name}", &["aws:cloudwatch:Dashboard"], "{name}"),
    // The id of AWS's choosing, not the name.
    ("config", "config-rule/{}", &["aws:config:Rule"], ""),
    ("config", "configuration-recorder/{name}/{}", &["aws:config:Recorder"], "{name}"),
    ("dynamodb", "table/{name}", &["aws:dynamodb:Table"], "{name}"),
    ("ec2", "customer-gateway/{id}", &["aws:ec2:CustomerGateway"], "{id}"),
    ("ec2", "dhcp-options/{id}", &["aws:ec2:DhcpOptions"], "{id}"),
    ("ec2", "egress-only-internet-gateway/{id}", &["aws:ec2:EgressOnlyInternetGateway"], "{id}"),
    ("ec2", "elastic-ip/{id}", &["aws:ec2:Eip"], "{id}"),
    ("ec2", "instance/{id}", &["aws:ec2:Instance"], "{id}"),
    ("ec2", "internet-gateway/{id}", &["aws:ec2:InternetGateway"], "{id}"),
    ("ec2", "key-pair/{id}", &["aws:ec2:KeyPair"], "{id}"),
    ("ec2", "launch-template/{id}", &["aws:ec2:LaunchTemplate"], "{id}"),
    ("ec2", "natgateway/{id}", &["aws:ec2:NatGateway"], "{id}"),
    ("ec2", "network-acl/{id}", &["aws:ec2:NetworkAcl"], "{id}"),
    ("ec2", "prefix-list/{id}", &["aws:ec2:ManagedPrefixList"], "{id}"),
    ("ec2", "route-table/{id}", &["aws:ec2:RouteTable"], "{id}"),
    ("ec2", "security-group/{id}", &["aws:ec2:SecurityGroup"], "{id}"),
    ("ec2", "security-group-rule/{id}", &["aws:ec2:SecurityGroupEgressRule", "aws:ec2:SecurityGroupIngressRule"], "{id}"),
    ("ec2", "subnet/{id}", &["aws:ec2:Subnet"], "{id}"),
    ("ec2", "volume/{id}", &["aws:ec2:EbsVolume"], "{id}"),
    ("ec2", "vpc/{id}", &["aws:ec2:Vpc"], "{id}"),
    ("ec2", "vpc-endpoint/{id}", &["aws:ec2:VpcEndpoint"], "{id}"),
    ("ec2", "vpc-flow-log/{id}", &["aws:ec2:FlowLog"], "{id}"),
    ("ec2", "vpc-peering-connection/{id}", &["aws:ec2:VpcPeeringConnection"], "{id}"),
    ("ec2", "vpn-connection/{id}", &["aws:ec2:VpnConnection"], "{id}"),
    ("ec2", "vpn-gateway/{id}", &["aws:ec2:VpnGateway"], "{id}"),
    ("ecr", "repository/{name*}", &["aws:ecr:Repository"], "{name}"),
    // Who it is for is named without a path, and so not by the ARN that is a part of the id.
    ("eks", "access-entry/{*}", &["aws:eks:AccessEntry"], ""),
    ("eks", "addon/{cluster}/{name}/{}", &["aws:eks:Addon"], "{cluster}/{name}"),
    ("eks", "cluster/{name}", &["aws:eks:Cluster"], "{name}"),
    ("eks", "fargateprofile/{cluster}/{name}/{}", &["aws:eks:FargateProfile"], "{cluster}/{name}"),
    ("eks", "identityproviderconfig/{cluster}/oidc/{name}/{}", &["aws:eks:IdentityProviderConfig"], "{cluster}/{name}"),
    ("eks", "nodegroup/{cluster}/{name}/{}", &["aws:eks:NodeGroup"], "{cluster}/{name}"),
    ("eks", "podidentityassociation/{cluster}/{id}", &["aws:eks:PodIdentityAssociation"], "{cluster}/{id}"),
    ("elasticloadbalancing", "listener/{}/{}/{}/{}", &["aws:elbv2:Listener"], "{arn}"),
    // A classic one has its name alone.
    ("elasticloadbalancing", "loadbalancer/{}/{}/{}", &["aws:elbv2:LoadBalancer"], "{arn}"),
    ("elasticloadbalancing", "targetgroup/{}/{}", &["aws:elbv2:TargetGroup"], "{arn}"),
    // The name of a bus may have slashes.
    ("events", "rule/{id*}", &["aws:events:Rule"], "{id}"),
    ("guardduty", "detector/{id}", &["aws:guardduty:Detector"], "{id}"),
    // Names are unique whatever the path, which stands before them.
    ("iam", "instance-profile/{name}", &["aws:iam:InstanceProfile"], "{name}"),
    ("iam", "instance-profile/{**}/{name}", &["aws:iam:InstanceProfile"], "{name}"),
    ("iam", "oidc-provider/{**}", &["aws:iam:OidcProvider"], "{arn}"),
    ("iam", "policy/{**}", &["aws:iam:Policy"], "{arn}"),
    ("iam", "role/aws-service-role/{}/{name}", &["aws:iam:ServiceLinkedRole"], "{name}"),
    ("iam", "role/{name}", &["aws:iam:Role"], "{name}"),
    ("iam", "role/{**}/{name}", &["aws:iam:Role"], "{name}"),
    ("iam", "user/{name}", &["aws:iam:User"], "{name}"),
    ("iam", "user/{**}/{name}", &["aws:iam:User"], "{name}"),
    ("kms", "key/{id}", &["aws:kms:Key"], "{id}"),
    ("logs", "log-group:{name*}", &["aws:logs:LogGroup"], "{name}"),
    ("logs", "log-group:{name*}:*", &["aws:logs:LogGroup"], "{name}"),
    ("rds", "cluster:{name}", &["aws:rds:DbCluster"], "{name}"),
    ("rds", "cluster-pg:{name}", &["aws:rds:DbClusterParameterGroup"], "{name}"),
    ("rds", "db:{name}", &["aws:rds:DbInstance"], "{name}"),
    // The id of AWS's choosing, not the name.
    ("rds", "db-proxy:{}", &["aws:rds:DbProxy"], ""),
    ("rds", "es:{name}", &["aws:rds:EventSubscription"], "{name}"),
    ("rds", "og:{name}", &["aws:rds:OptionGroup"], "{name}"),
    ("rds", "pg:{name}", &["aws:rds:DbParameterGroup"], "{name}"),
    // Those that AWS makes by itself have a colon in their names: rds:main-2026-01-01-06-10.
    ("rds", "snapshot:{name}", &["aws:rds:DbSnapshot"], "{name}"),
    ("rds", "subgrp:{name}", &["aws:rds:DbSubnetGroup"], "{name}"),
    ("route53", "hostedzone/{id}", &["aws:route53:HostedZone"], "{id}"),
    ("s3", "{bucket}", &["aws:s3:Bucket"], "{bucket}"),
    ("secretsmanager", "secret:{*}", &["aws:secretsmanager:Secret"], "{arn}"),
    ("securityhub", "hub/{}", &["aws:securityhub:Account"], "{arn}"),
    ("sns", "{}", &["aws:sns:Topic"], "{arn}"),
    ("sqs", "{name}", &["aws:sqs:Queue"], "https://sqs.{region}.{domain}/{account}/{name}"),
    // `/x` and `x` have the same ARN; a name with more slashes begins with one.
    ("ssm", "parameter/{}", &["aws:ssm:Parameter"], ""),
    ("ssm", "parameter/{name*}", &["aws:ssm:Parameter"], "/{name}"),
    ("wafv2", "global/webacl/{}/{}", &["aws:wafv2:WebAcl"], "{arn}"),
    ("wafv2", "regional/webacl/{}/{}", &["aws:wafv2:WebAcl"], "{arn}"),
];

/// What an ARN names, if it is of a type of phx's.
pub fn of(arn: &str) -> Option<Named> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let ["arn", partition, service, region, account, resource] = parts[..] else { return None };
    let mut kinds = KINDS.iter().filter(|kind| kind.0 == service);
    let (types, id, mut known) = kinds.find_map(|(_, form, types, id)| Some((*types, *id, fit(form, resource)?)))?;
    known.extend([("arn", arn), ("region", region), ("account", account)]);
    known.extend(domain(partition).map(|domain| ("domain", domain)));
    let id = if id.is_empty() { None } else { fill(id, &known) };
    (!types.is_empty()).then_some(Named { types, id })
}

/// The domain that a partition's hosts are in.
fn domain(partition: &str) -> Option<&'static str> {
    match partition {
        "aws" | "aws-us-gov" => Some("amazonaws.com"),
        "aws-cn" => Some("amazonaws.com.cn"),
        _ => None,
    }
}

/// What a text has in the place of each of a form's names; `None` if it has another form.
fn fit<'a>(form: &'a str, text: &'a str) -> Option<Vec<(&'a str, &'a str)>> {
    let Some((before, rest)) = form.split_once('{') else { return (form == text).then(Vec::new) };
    let (name, after) = rest.split_once('}')?;
    let text = text.strip_prefix(before)?;
    let plain = name.trim_end_matches('*');
    let ends: &[char] = match name.len() - plain.len() {
        0 => &['/', ':'],
        1 => &[':'],
        _ => &[],
    };
    let most = text.find(ends).unwrap_or(text.len());
    // The longest with which the rest fits.
    let mut lengths = (1..=most).rev().filter(|at| text.is_char_boundary(*at));
    lengths.find_map(|at| Some(iter::once((plain, &text[..at])).chain(fit(after, &text[at..])?).collect()))
}

/// A form with what is known in the place of its names; `None` if one is not known.
fn fill(form: &str, known: &[(&str, &str)]) -> Option<String> {
    let Some((before, rest)) = form.split_once('{') else { return Some(form.to_owned()) };
    let (name, after) = rest.split_once('}')?;
    let (_, value) = known.iter().find(|(n, _)| *n == name)?;
    Some(format!("{before}{value}{}", fill(after, known)?))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The ARN after the partition, the type, and the id; `ARN` stands for the ARN, and nothing for what it does not tell.
    #[rustfmt::skip] // a table
    const ARNS: &[(&str, &str, &str)] = &[
        ("acm:us-west-2:1:certificate/0a-1b", "aws:acm:Certificate", "ARN"),
        ("autoscaling:us-west-2:1:autoScalingGroup:0a-1b:autoScalingGroupName/web/blue", "aws:autoscaling:Group", "web/blue"),
        ("backup:us-west-2:1:backup-plan:0a-1b", "aws:backup:Plan", "0a-1b"),
        ("backup:us-west-2:1:backup-vault:main", "aws:backup:Vault", "main"),
        ("budgets::1:budget/a team/all", "aws:budgets:Budget", "a team/all"),
        ("ce::1:anomalymonitor/0a-1b", "aws:ce:AnomalyMonitor", "ARN"),
        ("ce::1:anomalysubscription/0a-1b", "aws:ce:AnomalySubscription", "ARN"),
        ("cloudtrail:us-west-2:1:trail/main", "aws:cloudtrail:Trail", "main"),
        ("cloudwatch::1:dashboard/web", "aws:cloudwatch:Dashboard", "web"),
        ("config:us-west-2:1:config-rule/config-rule-0a1b", "aws:config:Rule", ""),
        ("config:us-west-2:1:configuration-recorder/default/0a1b", "aws:config:Recorder", "default"),
        ("dynamodb:us-west-2:1:table/orders", "aws:dynamodb:Table", "orders"),
        ("ec2:us-west-2:1:customer-gateway/cgw-1", "aws:ec2:CustomerGateway", "cgw-1"),
        ("ec2:us-west-2:1:dhcp-options/dopt-1", "aws:ec2:DhcpOptions", "dopt-1"),
        ("ec2:us-west-2:1:egress-only-internet-gateway/eigw-1", "aws:ec2:EgressOnlyInternetGateway", "eigw-1"),
        ("ec2:us-west-2:1:elastic-ip/eipalloc-1", "aws:ec2:Eip", "eipalloc-1"),
        ("ec2:us-west-2:1:instance/i-1", "aws:ec2:Instance", "i-1"),
        ("ec2:us-west-2:1:internet-gateway/igw-1", "aws:ec2:InternetGateway", "igw-1"),
        ("ec2:us-west-2:1:key-pair/key-1", "aws:ec2:KeyPair", "key-1"),
        ("ec2:us-west-2:1:launch-template/lt-1", "aws:ec2:LaunchTemplate", "lt-1"),
        ("ec2:us-west-2:1:natgateway/nat-1", "aws:ec2:NatGateway", "nat-1"),
        ("ec2:us-west-2:1:network-acl/acl-1", "aws:ec2:NetworkAcl", "acl-1"),
        ("ec2:us-west-2:1:prefix-list/pl-1", "aws:ec2:ManagedPrefixList", "pl-1"),
        ("ec2:us-west-2:1:route-table/rtb-1", "aws:ec2:RouteTable", "rtb-1"),
        ("ec2:us-west-2:1:security-group/sg-1", "aws:ec2:SecurityGroup", "sg-1"),
        ("ec2:us-west-2:1:subnet/subnet-1", "aws:ec2:Subnet", "subnet-1"),
        ("ec2:us-west-2:1:volume/vol-1", "aws:ec2:EbsVolume", "vol-1"),
        ("ec2:us-west-2:1:vpc/vpc-1", "aws:ec2:Vpc", "vpc-1"),
        ("ec2:us-west-2:1:vpc-endpoint/vpce-1", "aws:ec2:VpcEndpoint", "vpce-1"),
        ("ec2:us-west-2:1:vpc-flow-log/fl-1", "aws:ec2:FlowLog", "fl-1"),
        ("ec2:us-west-2:1:vpc-peering-connection/pcx-1", "aws:ec2:VpcPeeringConnection", "pcx-1"),
        ("ec2:us-west-2:1:vpn-connection/vpn-1", "aws:ec2:VpnConnection", "vpn-1"),
        ("ec2:us-west-2:1:vpn-gateway/vgw-1", "aws:ec2:VpnGateway", "vgw-1"),
        ("ecr:us-west-2:1:repository/team/web", "aws:ecr:Repository", "team/web"),
        ("eks:us-west-2:1:access-entry/demo/role/1/ops/0a-1b", "aws:eks:AccessEntry", ""),
        ("eks:us-west-2:1:addon/demo/vpc-cni/0a-1b", "aws:eks:Addon", "demo/vpc-cni"),
        ("eks:us-west-2:1:cluster/demo", "aws:eks:Cluster", "demo"),
        ("eks:us-west-2:1:fargateprofile/demo/batch/0a-1b", "aws:eks:FargateProfile", "demo/batch"),
        ("eks:us-west-2:1:identityproviderconfig/demo/oidc/okta/0a-1b", "aws:eks:IdentityProviderConfig", "demo/okta"),
        ("eks:us-west-2:1:nodegroup/demo/workers/0a-1b", "aws:eks:NodeGroup", "demo/workers"),
        ("eks:us-west-2:1:podidentityassociation/demo/a-0a1b", "aws:eks:PodIdentityAssociation", "demo/a-0a1b"),
        ("elasticloadbalancing:us-west-2:1:listener/app/web/0a/1b", "aws:elbv2:Listener", "ARN"),
        ("elasticloadbalancing:us-west-2:1:loadbalancer/net/web/0a", "aws:elbv2:LoadBalancer", "ARN"),
        ("elasticloadbalancing:us-west-2:1:targetgroup/web/0a", "aws:elbv2:TargetGroup", "ARN"),
        ("events:us-west-2:1:rule/nightly", "aws:events:Rule", "nightly"),
        ("events:us-west-2:1:rule/aws.partner/x.com/y/nightly", "aws:events:Rule", "aws.partner/x.com/y/nightly"),
        ("guardduty:us-west-2:1:detector/0a1b", "aws:guardduty:Detector", "0a1b"),
        ("iam::1:instance-profile/web", "aws:iam:InstanceProfile", "web"),
        ("iam::1:instance-profile/a/b/web", "aws:iam:InstanceProfile", "web"),
        ("iam::1:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/EX", "aws:iam:OidcProvider", "ARN"),
        ("iam::1:policy/a/deploy", "aws:iam:Policy", "ARN"),
        ("iam::1:role/deploy", "aws:iam:Role", "deploy"),
        ("iam::1:role/a:x/b/deploy", "aws:iam:Role", "deploy"),
        ("iam::1:role/aws-service-role/eks.amazonaws.com/AWSServiceRoleForAmazonEKS", "aws:iam:ServiceLinkedRole", "AWSServiceRoleForAmazonEKS"),
        ("iam::1:user/ci", "aws:iam:User", "ci"),
        ("iam::1:user/a/ci", "aws:iam:User", "ci"),
        ("kms:us-west-2:1:key/mrk-1", "aws:kms:Key", "mrk-1"),
        ("logs:us-west-2:1:log-group:/app/x", "aws:logs:LogGroup", "/app/x"),
        ("logs:us-west-2:1:log-group:/app/x:*", "aws:logs:LogGroup", "/app/x"),
        ("rds:us-west-2:1:cluster:main", "aws:rds:DbCluster", "main"),
        ("rds:us-west-2:1:cluster-pg:main", "aws:rds:DbClusterParameterGroup", "main"),
        ("rds:us-west-2:1:db:main", "aws:rds:DbInstance", "main"),
        ("rds:us-west-2:1:db-proxy:prx-0a1b", "aws:rds:DbProxy", ""),
        ("rds:us-west-2:1:es:alerts", "aws:rds:EventSubscription", "alerts"),
        ("rds:us-west-2:1:og:main", "aws:rds:OptionGroup", "main"),
        ("rds:us-west-2:1:pg:main", "aws:rds:DbParameterGroup", "main"),
        ("rds:us-west-2:1:snapshot:before", "aws:rds:DbSnapshot", "before"),
        ("rds:us-west-2:1:subgrp:main", "aws:rds:DbSubnetGroup", "main"),
        ("route53:::hostedzone/Z1", "aws:route53:HostedZone", "Z1"),
        ("s3:::logs-of-mine", "aws:s3:Bucket", "logs-of-mine"),
        ("secretsmanager:us-west-2:1:secret:app/db-0a1b2c", "aws:secretsmanager:Secret", "ARN"),
        ("securityhub:us-west-2:1:hub/default", "aws:securityhub:Account", "ARN"),
        ("sns:us-west-2:1:alerts.fifo", "aws:sns:Topic", "ARN"),
        ("sqs:us-west-2:1:jobs", "aws:sqs:Queue", "https://sqs.us-west-2.amazonaws.com/1/jobs"),
        ("ssm:us-west-2:1:parameter/app/db/url", "aws:ssm:Parameter", "/app/db/url"),
        ("ssm:us-west-2:1:parameter/x", "aws:ssm:Parameter", ""),
        ("wafv2:us-east-1:1:global/webacl/web/0a-1b", "aws:wafv2:WebAcl", "ARN"),
        ("wafv2:us-west-2:1:regional/webacl/web/0a-1b", "aws:wafv2:WebAcl", "ARN"),
    ];

    /// The types that other types' ARNs cannot be told from.
    const ALIKE: &[&[&str]] = &[
        &["aws:cloudwatch:CompositeAlarm", "aws:cloudwatch:MetricAlarm"],
        &["aws:ec2:SecurityGroupEgressRule", "aws:ec2:SecurityGroupIngressRule"],
    ];

    #[test]
    fn an_arn_tells_type_and_id() {
        for (rest, type_name, id) in ARNS {
            let arn = format!("arn:aws:{rest}");
            let named = of(&arn).unwrap_or_else(|| panic!("{arn} is not known"));
            let id = match *id {
                "" => None,
                "ARN" => Some(arn.clone()),
                id => Some(id.to_owned()),
            };
            assert_eq!((named.types, named.id), (&[*type_name][..], id), "{arn}");
        }
        for (arn, types, id) in [
            ("arn:aws:cloudwatch:us-west-2:1:alarm:web: errors/s", ALIKE[0], "web: errors/s"),
            ("arn:aws:ec2:us-west-2:1:security-group-rule/sgr-1", ALIKE[1], "sgr-1"),
        ] {
            assert_eq!(of(arn), Some(Named { types, id: Some(id.to_owned()) }), "{arn}");
        }
    }

    #[test]
    fn every_type_in_the_table_is_tried() {
        let tried: BTreeSet<&str> = ARNS.iter().map(|(_, name, _)| *name).chain(ALIKE.concat()).collect();
        let known: BTreeSet<&str> = KINDS.iter().flat_map(|kind| kind.2).copied().collect();
        assert_eq!(known, tried);
    }

    #[test]
    fn what_is_no_types_is_none_of_them() {
        for arn in [
            "",
            "nonsense",
            "arn:aws:ec2",
            "arn:aws:backup:us-west-2:1:recovery-point:0a-1b",
            "arn:aws:budgets::1:budget/all/action/0a-1b",
            "arn:aws:dynamodb:us-west-2:1:table/orders/index/by-day",
            "arn:aws:dynamodb:us-west-2:1:table/orders/stream/2026-01-01T00:00:00.000",
            "arn:aws:ec2:us-west-2:1:network-interface/eni-1",
            "arn:aws:ec2:us-west-2:1:vpc/",
            "arn:aws:ec2:us-west-2:1:vpc/vpc-1/x",
            "arn:aws:ec2:us-west-2:1:vpc-endpoint-service/vpce-svc-1",
            "arn:aws:eks:us-west-2:1:eks-anywhere-subscription/0a-1b",
            "arn:aws:elasticloadbalancing:us-west-2:1:loadbalancer/classic",
            "arn:aws:elasticloadbalancing:us-west-2:1:listener-rule/app/web/0a/1b/2c",
            "arn:aws:events:us-west-2:1:event-bus/orders",
            "arn:aws:guardduty:us-west-2:1:detector/0a1b/filter/f",
            "arn:aws:iam::1:server-certificate/web",
            "arn:aws:kms:us-west-2:1:alias/app",
            "arn:aws:logs:us-west-2:1:log-group:/app/x:log-stream:y",
            "arn:aws:rds:us-west-2:1:cluster-snapshot:before",
            "arn:aws:rds:us-west-2:1:snapshot:rds:main-2026-01-01-06-10",
            "arn:aws:rds:us-west-2:1:snapshot:awsbackup:job-0a-1b",
            "arn:aws:s3:us-west-2:1:accesspoint/a",
            "arn:aws:s3:::logs-of-mine/a/key",
            "arn:aws:sns:us-west-2:1:alerts:0a-1b",
            "arn:aws:ssm:us-west-2:1:document/d",
            "arn:aws:wafv2:us-west-2:1:regional/ipset/i/0a-1b",
            "arn:aws:elsewhere:us-west-2:1:vpc/vpc-1",
        ] {
            assert_eq!(of(arn), None, "{arn}");
        }
    }

    #[test]
    fn a_queues_url_is_its_partitions() {
        let id = |arn: &str| of(arn).and_then(|named| named.id);
        let china = "https://sqs.cn-north-1.amazonaws.com.cn/1/jobs";
        assert_eq!(id("arn:aws-cn:sqs:cn-north-1:1:jobs").as_deref(), Some(china));
        assert_eq!(id("arn:aws-iso:sqs:us-iso-east-1:1:jobs"), None);
    }

    #[test]
    fn every_type_with_tags_is_in_the_table() {
        // What AWS does not list by tags cannot be found by them: objects in buckets.
        let unlisted = ["aws:s3:Object"];
        let known: BTreeSet<&str> = KINDS.iter().flat_map(|kind| kind.2).copied().collect();
        for schema in crate::schemas() {
            let listed = schema.tagged() && !unlisted.contains(&schema.type_name);
            assert_eq!(known.contains(schema.type_name), listed, "{}", schema.type_name);
        }
    }

    #[cfg(feature = "full")]
    #[test]
    fn every_type_in_the_table_is_there() {
        let there: BTreeSet<&str> = crate::schemas().into_iter().map(|schema| schema.type_name).collect();
        for (_, form, types, _) in KINDS {
            assert!(types.iter().all(|name| there.contains(name)), "{form}: {types:?}");
        }
    }
}
