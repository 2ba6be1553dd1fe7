#!/usr/bin/env python3
"""What exists behind an AWS endpoint, read by boto3 and by nothing of phx's: one JSON object {kind: [{"id", "tags"}]}.

inventory.py http://127.0.0.1:5700 [--all] [--loop]: with --loop, one a line for each line on stdin
Without --all, only what a network is made of (and buckets) is looked for, which is quick. A service that is somewhere else is named by
AWS_ENDPOINT_URL_<SERVICE>, as for any SDK. What an account has from the start (the default VPC and what belongs to it, main route tables, default groups and ACLs) is left out."""
import json
import os
import sys

import boto3
from botocore.config import Config

region = "us-west-2"
os.environ["AWS_ENDPOINT_URL"] = sys.argv[1]


def client(service):
    return boto3.client(
        service, region_name=region, aws_access_key_id="test", aws_secret_access_key="test",
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 8}))


def tags(items):
    return {t["Key"]: t["Value"] for t in items or []}


def pages(c, operation, key, **arguments):
    try:
        for page in c.get_paginator(operation).paginate(**arguments):
            yield from page[key]
    except c.exceptions.ClientError as e:
        # What phx's sandbox does not implement, nobody has made in it. The other emulators have no such code.
        if e.response["Error"]["Code"] != "NotImplemented":
            raise


ec2 = client("ec2")
iam = client("iam")
logs = client("logs")
route53 = client("route53")
s3 = client("s3")


def inventory():
    found = {}

    def add(kind, id, tagged=None):
        found.setdefault(kind, []).append({"id": id, "tags": tagged or {}})

    default_vpcs = {v["VpcId"] for v in pages(ec2, "describe_vpcs", "Vpcs") if v["IsDefault"]}
    ours = lambda o: o.get("VpcId") not in default_vpcs
    for o in pages(ec2, "describe_vpcs", "Vpcs"):
        if ours(o):
            add("vpc", o["VpcId"], tags(o.get("Tags")))
    for o in pages(ec2, "describe_subnets", "Subnets"):
        if ours(o):
            add("subnet", o["SubnetId"], tags(o.get("Tags")))
    for o in pages(ec2, "describe_internet_gateways", "InternetGateways"):
        if not any(a["VpcId"] in default_vpcs for a in o["Attachments"]):
            add("internet_gateway", o["InternetGatewayId"], tags(o.get("Tags")))
    for o in ec2.describe_addresses()["Addresses"]:
        add("eip", o["AllocationId"], tags(o.get("Tags")))
    for o in pages(ec2, "describe_nat_gateways", "NatGateways"):
        if o["State"] not in ("deleted", "deleting"):
            add("nat_gateway", o["NatGatewayId"], tags(o.get("Tags")))
    for o in pages(ec2, "describe_route_tables", "RouteTables"):
        if ours(o):
            main = any(a.get("Main") for a in o["Associations"])
            if not main:
                add("route_table", o["RouteTableId"], tags(o.get("Tags")))
            for r in o["Routes"]:
                # A gateway endpoint puts routes into tables by itself.
                own = not (r.get("GatewayId") or "").startswith("vpce-") and r.get("GatewayId") != "local"
                if r.get("Origin") == "CreateRoute" and own:
                    add("route", o["RouteTableId"] + "_" + (r.get("DestinationCidrBlock") or r.get("DestinationIpv6CidrBlock") or r["DestinationPrefixListId"]))
            for a in o["Associations"]:
                if not a.get("Main"):
                    add("association", a["RouteTableAssociationId"])
    groups = {}
    for o in pages(ec2, "describe_security_groups", "SecurityGroups"):
        if ours(o) and o["GroupName"] != "default":
            groups[o["GroupId"]] = o
            add("security_group", o["GroupId"], tags(o.get("Tags")))
    for o in pages(ec2, "describe_security_group_rules", "SecurityGroupRules"):
        automatic = o["IsEgress"] and o["IpProtocol"] == "-1" and o.get("CidrIpv4") == "0.0.0.0/0" and not o.get("Tags")
        if o["GroupId"] in groups and not automatic:
            add("security_group_rule", o["SecurityGroupRuleId"], tags(o.get("Tags")))
    for o in pages(ec2, "describe_network_acls", "NetworkAcls"):
        if not o["IsDefault"]:
            add("network_acl", o["NetworkAclId"], tags(o.get("Tags")))
    for o in pages(ec2, "describe_flow_logs", "FlowLogs"):
        add("flow_log", o["FlowLogId"], tags(o.get("Tags")))
    for o in pages(ec2, "describe_vpc_endpoints", "VpcEndpoints"):
        if o["State"].lower() not in ("deleting", "deleted"):
            add("vpc_endpoint", o["VpcEndpointId"], tags(o.get("Tags")))
    for o in pages(route53, "list_hosted_zones", "HostedZones"):
        add("hosted_zone", o["Id"].rsplit("/", 1)[-1])
        for r in pages(route53, "list_resource_record_sets", "ResourceRecordSets", HostedZoneId=o["Id"]):
            if r["Type"] not in ("NS", "SOA"):
                add("record", r["Name"] + " " + r["Type"])
    for o in pages(iam, "list_roles", "Roles"):
        if not o["Path"].startswith("/aws-service-role/"):
            add("role", o["RoleName"], tags(iam.list_role_tags(RoleName=o["RoleName"])["Tags"]))
            for p in pages(iam, "list_attached_role_policies", "AttachedPolicies", RoleName=o["RoleName"]):
                add("role_policy_attachment", o["RoleName"] + "/" + p["PolicyArn"])
            for p in pages(iam, "list_role_policies", "PolicyNames", RoleName=o["RoleName"]):
                add("role_policy", o["RoleName"] + "/" + p)
    for o in pages(logs, "describe_log_groups", "logGroups"):
        add("log_group", o["logGroupName"], logs.list_tags_log_group(logGroupName=o["logGroupName"])["tags"])
    for o in s3.list_buckets()["Buckets"]:
        try:
            tagged = tags(s3.get_bucket_tagging(Bucket=o["Name"])["TagSet"])
        except s3.exceptions.ClientError:
            tagged = {}
        add("bucket", o["Name"], tagged)
    if "--all" in sys.argv:
        everything(add)
    for items in found.values():
        items.sort(key=lambda o: o["id"])
    return found


def maybe(call, *codes, **arguments):
    """The answer, or None if the service says by one of these codes that there is no such thing."""
    c, operation = call.__self__, call
    try:
        return operation(**arguments)
    except c.exceptions.ClientError as e:
        if e.response["Error"]["Code"] in codes:
            return None
        raise


def everything(add):
    """What a platform has beside its network."""
    for o in pages(ec2, "describe_launch_templates", "LaunchTemplates"):
        add("launch_template", o["LaunchTemplateId"], tags(o.get("Tags")))
    for r in pages(ec2, "describe_instances", "Reservations"):
        for o in r["Instances"]:
            if o["State"]["Name"] not in ("terminated", "shutting-down"):
                add("instance", o["InstanceId"], tags(o.get("Tags")))
    for o in ec2.describe_vpn_gateways()["VpnGateways"]:
        if o["State"] not in ("deleting", "deleted"):
            add("vpn_gateway", o["VpnGatewayId"])
    for o in ec2.describe_customer_gateways()["CustomerGateways"]:
        if o["State"] not in ("deleting", "deleted"):
            add("customer_gateway", o["CustomerGatewayId"])
    for o in ec2.describe_vpn_connections()["VpnConnections"]:
        if o["State"] not in ("deleting", "deleted"):
            add("vpn_connection", o["VpnConnectionId"])

    for o in pages(iam, "list_policies", "Policies", Scope="Local"):
        add("policy", o["Arn"])
    for o in pages(iam, "list_instance_profiles", "InstanceProfiles"):
        add("instance_profile", o["InstanceProfileName"])
    for o in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]:
        add("oidc_provider", o["Arn"])
    for o in pages(iam, "list_roles", "Roles", PathPrefix="/aws-service-role/"):
        add("service_linked_role", o["RoleName"])
    groups = {o["logGroupName"] for o in pages(logs, "describe_log_groups", "logGroups")}
    for o in pages(logs, "describe_metric_filters", "metricFilters"):
        # A filter goes with its group; moto keeps it in its list.
        if o["logGroupName"] in groups:
            add("metric_filter", o["logGroupName"] + " " + o["filterName"])

    kms = client("kms")
    aliases = list(pages(kms, "list_aliases", "Aliases"))
    for o in aliases:
        if not o["AliasName"].startswith("alias/aws/"):
            add("alias", o["AliasName"])
    # Keys that AWS makes for its services.
    amazons = {o.get("TargetKeyId") for o in aliases if o["AliasName"].startswith("alias/aws/")}
    for o in pages(kms, "list_keys", "Keys"):
        state = kms.describe_key(KeyId=o["KeyId"])["KeyMetadata"]["KeyState"]
        if state not in ("PendingDeletion", "PendingReplicaDeletion") and o["KeyId"] not in amazons:
            add("key", o["KeyId"])
    secrets = client("secretsmanager")
    for o in pages(secrets, "list_secrets", "SecretList"):
        if not o.get("DeletedDate") and not o["Name"].startswith("rds!"):
            add("secret", o["Name"])
        if o.get("RotationEnabled") and not o.get("DeletedDate"):
            add("rotation", o["Name"])
    for o in s3.list_buckets()["Buckets"]:
        if maybe(s3.get_bucket_policy, "NoSuchBucketPolicy", Bucket=o["Name"]):
            add("bucket_policy", o["Name"])

    sns = client("sns")
    for o in pages(sns, "list_topics", "Topics"):
        add("topic", o["TopicArn"])
    for o in pages(sns, "list_subscriptions", "Subscriptions"):
        add("subscription", o["TopicArn"] + " " + o["Endpoint"])
    cloudwatch = client("cloudwatch")
    for page in cloudwatch.get_paginator("describe_alarms").paginate():
        for o in page.get("MetricAlarms", []) + page.get("CompositeAlarms", []):
            add("alarm", o["AlarmName"])
    for o in pages(cloudwatch, "list_dashboards", "DashboardEntries"):
        add("dashboard", o["DashboardName"])
    events = client("events")
    for o in pages(events, "list_rules", "Rules"):
        add("event_rule", o["Name"])
        for t in pages(events, "list_targets_by_rule", "Targets", Rule=o["Name"]):
            add("event_target", o["Name"] + " " + t["Id"])

    eks = client("eks")
    for cluster in pages(eks, "list_clusters", "clusters"):
        add("cluster", cluster)
        of = {"clusterName": cluster}
        for name in pages(eks, "list_nodegroups", "nodegroups", **of):
            add("node_group", name)
        for name in pages(eks, "list_addons", "addons", **of):
            add("addon", name)
        for arn in pages(eks, "list_access_entries", "accessEntries", **of):
            add("access_entry", arn)
            for o in pages(eks, "list_associated_access_policies", "associatedAccessPolicies", principalArn=arn, **of):
                add("access_policy_association", arn + " " + o["policyArn"])
        for o in pages(eks, "list_pod_identity_associations", "associations", **of):
            add("pod_identity_association", o["associationId"])
    rds = client("rds")
    for o in pages(rds, "describe_db_instances", "DBInstances"):
        add("db_instance", o["DBInstanceIdentifier"])
    for o in pages(rds, "describe_db_subnet_groups", "DBSubnetGroups"):
        if o["DBSubnetGroupName"] != "default":
            add("db_subnet_group", o["DBSubnetGroupName"])
    for o in pages(rds, "describe_db_parameter_groups", "DBParameterGroups"):
        if not o["DBParameterGroupName"].startswith("default."):
            add("db_parameter_group", o["DBParameterGroupName"])
    for o in pages(rds, "describe_event_subscriptions", "EventSubscriptionsList"):
        add("db_event_subscription", o["CustSubscriptionId"])
    for o in pages(rds, "describe_db_snapshots", "DBSnapshots"):
        if o.get("SnapshotType") != "automated":
            add("db_snapshot", o["DBSnapshotIdentifier"])

    for o in client("cloudtrail").describe_trails()["trailList"]:
        add("trail", o["Name"])
    config = client("config")
    for o in config.describe_configuration_recorders()["ConfigurationRecorders"]:
        add("recorder", o["name"])
    for o in config.describe_delivery_channels()["DeliveryChannels"]:
        add("delivery_channel", o["name"])
    for o in pages(config, "describe_config_rules", "ConfigRules"):
        add("config_rule", o["ConfigRuleName"])
    for id in pages(client("guardduty"), "list_detectors", "DetectorIds"):
        add("detector", id)
    hub = client("securityhub")
    if maybe(hub.describe_hub, "InvalidAccessException", "ResourceNotFoundException"):
        add("security_hub", "hub")
        for o in pages(hub, "get_enabled_standards", "StandardsSubscriptions"):
            add("standard", o["StandardsArn"])
    backup = client("backup")
    for o in pages(backup, "list_backup_vaults", "BackupVaultList"):
        if o["BackupVaultName"] != "Default":
            add("vault", o["BackupVaultName"])
    for o in pages(backup, "list_backup_plans", "BackupPlansList"):
        add("backup_plan", o["BackupPlanId"])
        for t in pages(backup, "list_backup_selections", "BackupSelectionsList", BackupPlanId=o["BackupPlanId"]):
            add("backup_selection", t["SelectionId"])
    budgets = client("budgets")
    for o in budgets.describe_budgets(AccountId=account).get("Budgets", []):
        add("budget", o["BudgetName"])
    ce = client("ce")
    for o in ce.get_anomaly_monitors()["AnomalyMonitors"]:
        add("anomaly_monitor", o["MonitorArn"])
    for o in ce.get_anomaly_subscriptions()["AnomalySubscriptions"]:
        add("anomaly_subscription", o["SubscriptionArn"])
    control = client("s3control")
    # The SDK puts the account before the host's name; before an address it cannot be.
    control.meta.events.register(
        "before-sign", lambda request, **_: setattr(request, "url", request.url.replace(account + ".", "", 1)))
    block = maybe(control.get_public_access_block, "NoSuchPublicAccessBlockConfiguration", AccountId=account)
    if block:
        add("account_public_access_block", account)


account = client("sts").get_caller_identity()["Account"] if "--all" in sys.argv else None
if "--loop" in sys.argv:
    for _ in sys.stdin:
        print(json.dumps(inventory(), sort_keys=True), flush=True)
else:
    print(json.dumps(inventory(), indent=1, sort_keys=True))
