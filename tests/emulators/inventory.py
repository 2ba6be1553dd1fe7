#!/usr/bin/env python3
"""What exists behind an AWS endpoint, read by boto3 and by nothing of phx's: one JSON object {kind: [{"id", "tags"}]}.

inventory.py http://127.0.0.1:5700 [--loop]: with --loop, one a line for each line on stdin
What an account has from the start (the default VPC and what belongs to it, main route tables, default groups and ACLs) is left out."""
import json
import sys

import boto3
from botocore.config import Config

endpoint, region = sys.argv[1], "us-west-2"


def client(service):
    return boto3.client(
        service, endpoint_url=endpoint, region_name=region, aws_access_key_id="test", aws_secret_access_key="test",
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 8}))


def tags(items):
    return {t["Key"]: t["Value"] for t in items or []}


def pages(c, operation, key, **arguments):
    for page in c.get_paginator(operation).paginate(**arguments):
        yield from page[key]


ec2 = client("ec2")
iam = client("iam")
logs = client("logs")
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
                if r.get("Origin") == "CreateRoute" and r.get("GatewayId") != "local":
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
    for o in pages(iam, "list_roles", "Roles"):
        if not o["Path"].startswith("/aws-service-role/"):
            add("role", o["RoleName"], tags(iam.list_role_tags(RoleName=o["RoleName"])["Tags"]))
            for p in pages(iam, "list_attached_role_policies", "AttachedPolicies", RoleName=o["RoleName"]):
                add("role_policy_attachment", o["RoleName"] + "/" + p["PolicyArn"])
    for o in pages(logs, "describe_log_groups", "logGroups"):
        add("log_group", o["logGroupName"], logs.list_tags_log_group(logGroupName=o["logGroupName"])["tags"])
    for o in s3.list_buckets()["Buckets"]:
        try:
            tagged = tags(s3.get_bucket_tagging(Bucket=o["Name"])["TagSet"])
        except s3.exceptions.ClientError:
            tagged = {}
        add("bucket", o["Name"], tagged)
    for items in found.values():
        items.sort(key=lambda o: o["id"])
    return found


if "--loop" in sys.argv:
    for _ in sys.stdin:
        print(json.dumps(inventory(), sort_keys=True), flush=True)
else:
    print(json.dumps(inventory(), indent=1, sort_keys=True))
