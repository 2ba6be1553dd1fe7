"""What phx has made, as a Terraform configuration: written by Terraform itself, from what it reads of the cloud.

1. `phx state export` says what there is, and what depends on what. Each object becomes an `import` block.
2. `terraform plan -generate-config-out` reads all of it and writes a configuration. What Terraform writes there is not accepted by Terraform (zeros where it wants
   nothing, both of two names that exclude each other): that is taken out.
3. A plan of that configuration with the imports says whether Terraform finds anything to change in what phx made.
4. For making the same from nothing, what the cloud gave out (ids, ARNs, endpoints) becomes references, and phx's dependencies become `depends_on`.
"""

import json
import pathlib
import re
import subprocess

PROVIDER = """terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

provider "aws" {
  region                      = "us-west-2"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  s3_use_path_style           = true
  ignore_tags {
    key_prefixes = ["phx:"]
  }
}
"""

# Whose import id is not phx's id: from the "Import" section of each resource's page in the provider's documentation. `r` is the record, `v` its outputs and inputs.
IDS = {
    "aws:backup:Selection": lambda r, v: r["id"].replace("/", "|"),
    "aws:budgets:Budget": lambda r, v: f"{v['account']}:{r['id']}",
    "aws:cloudtrail:Trail": lambda r, v: v["arn"],
    "aws:ec2:RouteTableAssociation": lambda r, v: f"{v['subnet_id']}/{v['route_table_id']}",
    "aws:eks:AccessEntry": lambda r, v: r["id"].replace("/", ":", 1),
    "aws:eks:AccessPolicyAssociation": lambda r, v: f"{v['cluster_name']}#{v['principal_arn']}#{v['policy_arn']}",
    "aws:eks:Addon": lambda r, v: r["id"].replace("/", ":", 1),
    "aws:eks:NodeGroup": lambda r, v: r["id"].replace("/", ":", 1),
    "aws:eks:PodIdentityAssociation": lambda r, v: r["id"].replace("/", ",", 1),
    "aws:iam:RolePolicy": lambda r, v: r["id"].replace("/", ":", 1),
    "aws:iam:ServiceLinkedRole": lambda r, v: v["arn"],
    "aws:route53:Record": lambda r, v: f"{v['hosted_zone_id']}_{v['name']}_{v['type']}",
    "aws:securityhub:Account": lambda r, v: v["account"],
}
# One object of phx's (and of AWS's) is several resources of Terraform's: the fields and what they are.
ALSO = {
    "aws:s3:Bucket": {
        "versioning_configuration": "aws_s3_bucket_versioning",
        "server_side_encryption_configuration": "aws_s3_bucket_server_side_encryption_configuration",
        "public_access_block_configuration": "aws_s3_bucket_public_access_block",
        "object_ownership": "aws_s3_bucket_ownership_controls",
        "lifecycle_configuration": "aws_s3_bucket_lifecycle_configuration",
    },
    "aws:config:Recorder": {"recording": "aws_config_configuration_recorder_status"},
}
# What Terraform keeps to itself and no cloud tells: after an import it wants to write these down, whoever made the object.
OWN = {
    "bypass_policy_lockout_safety_check", "confirmation_timeout_in_minutes", "deletion_window_in_days", "endpoint_auto_confirms", "force_overwrite_replica_secret",
    "recovery_window_in_days", "resolve_conflicts_on_create", "resolve_conflicts_on_update", "rotate_immediately", "bootstrap_self_managed_addons",
}
# Left out of what Terraform generates: what it refuses beside something else that stands there. `*` is any type.
LEFT_OUT = {
    ("*", "name_prefix"), ("*", "tags_all"), ("aws_subnet", "availability_zone_id"), ("aws_subnet", "enable_lni_at_device_index"),
    ("aws_subnet", "map_customer_owned_ip_on_launch"), ("aws_route53_record", "multivalue_answer_routing_policy"),
    # The rules are resources of their own.
    ("aws_security_group", "ingress"), ("aws_security_group", "egress"),
    # Addresses are the cloud's to choose.
    ("aws_nat_gateway", "private_ip"), ("aws_vpc_endpoint", "subnet_configuration"),
    ("aws_route_table", "route"), ("aws_eip", "instance"), ("aws_eip", "network_interface"), ("aws_eip", "associate_with_private_ip"),
    # Of a database in several zones nobody may ask for one; performance that comes with the storage may not be asked for.
    ("aws_db_instance", "availability_zone"), ("aws_db_instance", "iops"), ("aws_db_instance", "storage_throughput"),
    ("aws_db_instance", "option_group_name"),
    # The cloud's to choose.
    ("aws_eks_node_group", "release_version"), ("aws_eks_node_group", "node_group_name_prefix"),
}
# Of these, nothing else is asked for: their launch template says it.
ONLY = {"aws_instance": {"launch_template", "subnet_id", "tags"}}
# What says nothing, save here.
SAYS = {("aws_backup_plan", "recovery_point_tags"), ("aws_cloudwatch_metric_alarm", "threshold"), ("aws_cloudwatch_log_metric_filter", "pattern"), ("aws_cloudwatch_log_metric_filter", "default_value"), ("aws_eks_node_group", "min_size"), ("aws_eks_node_group", "desired_size"), ("aws_vpc_security_group_ingress_rule", "from_port"), ("aws_network_acl", "from_port"), ("aws_network_acl", "to_port")}
# Known only to the cloud until it is made, by the names that Terraform gives it.
ASSIGNED = {"id", "arn", "address", "endpoint", "issuer", "cluster_security_group_id", "secret_arn", "key_id", "url", "zone_id"}
# And below which blocks.
BLOCKS = {"identity", "oidc", "vpc_config", "master_user_secret"}


class Failed(Exception):
    pass


def terraform(arguments, folder, env):
    done = subprocess.run(["terraform", *arguments], cwd=folder, env=env, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def must(arguments, folder, env):
    code, out, err = terraform(arguments, folder, env)
    if code:
        raise Failed(f"terraform {' '.join(arguments)}:\n{out}{err}")
    return out


class Made:
    """What phx has made, by its state."""

    def __init__(self, exported, names, left_out):
        """`exported` is what `phx state export` says, `names` Terraform's name of each type, `left_out` types that Terraform is not to have."""
        self.addresses, self.imports, self.depends = {}, {}, {}
        records = exported["state"]["resources"]
        for urn, record in records.items():
            kind, name = ":".join(urn.split(":")[4:7]), urn.split(":", 7)[7]
            if kind in left_out:
                continue
            values = record.get("outputs", {}) | record["inputs"]
            values.setdefault("account", self.account(records))
            types = {names[kind]: IDS.get(kind, lambda r, v: r["id"])(record, values)}
            types |= {type: record["id"] for field, type in ALSO.get(kind, {}).items() if values.get(field) is not None}
            own = []
            for type, id in types.items():
                address = f"{type}.{re.sub(r'[^a-z0-9_]', '_', name.lower())}"
                assert address not in self.imports, f"{address} stands for two resources"
                self.imports[address] = id
                own.append(address)
            self.addresses[urn] = own
        for urn, own in self.addresses.items():
            before = [a for other in records[urn].get("depends_on", []) for a in self.addresses.get(other, [])]
            for n, address in enumerate(own):
                self.depends[address] = before + own[:1] * (n > 0)
        # A recorder starts only where there is a channel; phx's resource waits for that by itself.
        for address in self.depends:
            if address.startswith("aws_config_configuration_recorder_status."):
                self.depends[address] += [a for a in self.imports if a.startswith("aws_config_delivery_channel.")]

    @staticmethod
    def account(records):
        arns = (re.search(r"arn:aws:[a-z0-9-]+:[a-z0-9-]*:(\d{12}):", json.dumps(r)) for r in records.values())
        return next(m.group(1) for m in arns if m)

    def before(self, address):
        """Whatever an object depends on, near ones first."""
        seen, queue = {}, list(self.depends.get(address, ()))
        while queue:
            one = queue.pop(0)
            if one not in seen:
                seen[one] = True
                queue += self.depends.get(one, ())
        return list(seen)

    def import_blocks(self):
        return "\n".join(f"import {{\n  to = {address}\n  id = {json.dumps(id)}\n}}\n" for address, id in self.imports.items())


def cleaned(generated):
    """A configuration as Terraform generates it, without what Terraform does not take. By resource: address → its lines."""
    blocks, type, address, until, deep = {}, None, None, None, None
    for line in generated.split("\n"):
        if until:  # inside of what is left out
            until = None if line.startswith(until) else until
            continue
        if head := re.match(r'resource "(\w+)" "(\w+)"', line):
            type, address = head.group(1), f"{head.group(1)}.{head.group(2)}"
            blocks[address] = []
        if address is None or line.startswith("#"):
            continue
        attribute = re.match(r'^(\s+)("?[^"\s=]+"?)\s+= (.*?)\s*$', line)
        indent, key, value = attribute.groups() if attribute else ("", None, "")
        if deep:
            blocks[address].append(re.sub(r'(cidr_block\s+= )""', r"\1null", line))
            deep = None if line.startswith(deep) else deep
            continue
        opened = re.search(r"[\[{(]*$", value).group()
        closing = indent + "".join("]})"["[{(".index(c)] for c in reversed(opened)) if opened else None
        block = re.match(r"  (\w+) \{$", line)
        top = block.group(1) if block else key if indent == "  " else None
        if {("*", key), (type, key), (type, top)} & LEFT_OUT or key == '"phx:intent"' or top and top not in ONLY.get(type, {top}):
            until = "  }" if block else closing
            continue
        if re.fullmatch(r'(null|0|""|\[\]|\{\})( # .*)?', value) and (type, key) not in SAYS:
            continue
        # Lists of objects, and JSON, are as they are.
        if opened in ("[{", "({", "(["):
            deep = closing
        blocks[address].append(line)
    for address, lines in blocks.items():
        text = "\n".join(lines)
        # Of the two names of a launch template only one is taken.
        text = re.sub(r"(launch_template \{\n\s+id\s+= .*\n)\s+name\s+= .*\n", r"\1", text)
        if address.startswith("aws_iam_openid_connect_provider."):
            text = re.sub(r'(\burl\s+= ")(?!https:)', r"\1https://", text)
        blocks[address] = text.rstrip()
    return blocks


def saying(value):
    """A value without what says nothing in it: Terraform reads an empty map where it then wants none."""
    if isinstance(value, dict):
        value = {k: said for k, v in value.items() if (said := saying(v)) is not None}
    elif isinstance(value, list):
        value = sorted((saying(v) for v in value), key=repr)
    return None if value in ("", 0, {}, []) and value is not False else value


def changes(plan):
    """What a plan would do to what is there, except writing down what only Terraform keeps: [(address, actions, {attribute: (before, after)})]."""
    found = []
    for resource in plan.get("resource_changes", []):
        change = resource["change"]
        before, after, unknown = change["before"] or {}, change["after"] or {}, change.get("after_unknown") or {}
        known = (k for k in sorted({*before, *after}) if unknown.get(k) is not True)
        differ = {k: (before.get(k), after.get(k)) for k in known if saying(before.get(k)) != saying(after.get(k))}
        differ = {k: v for k, v in differ.items() if k not in OWN or saying(v[0])}
        if change["actions"] != ["no-op"] and (differ or change["actions"] != ["update"]):
            found.append((resource["address"], change["actions"], differ))
    return found


def imported(made, folder, env):
    """Has Terraform import everything. Answers the configuration by address, what it would change, and what it read of each."""
    folder = pathlib.Path(folder)
    (folder / "provider.tf").write_text(PROVIDER)
    (folder / "imports.tf").write_text(made.import_blocks())
    must(["init", "-input=false"], folder, env)
    # It ends with errors, of what it generates.
    _, out, err = terraform(["plan", "-input=false", "-no-color", "-generate-config-out=generated.tf"], folder, env)
    generated = folder / "generated.tf"
    if not generated.exists():
        raise Failed(f"Terraform generates no configuration:\n{out}{err}")
    blocks = cleaned(generated.read_text())
    generated.unlink()
    missing = set(made.imports) - set(blocks)
    if missing:
        reading = "\n".join(line for line in err.splitlines() if "Error: reading" in line)
        raise Failed(f"Terraform generates nothing for {sorted(missing)}:\n{reading}")
    (folder / "main.tf").write_text("\n\n".join(blocks.values()) + "\n")
    must(["plan", "-input=false", "-no-color", "-out=plan"], folder, env)
    plan = json.loads(must(["show", "-json", "plan"], folder, env))
    read = {r["address"]: r["values"] for r in plan["prior_state"]["values"]["root_module"]["resources"]}
    return blocks, changes(plan), read


def assigned(values, path=""):
    """What the cloud gave out, in what Terraform read of an object: value → expression below the object."""
    for key, value in values.items():
        if isinstance(value, str) and len(value) > 3 and key in ASSIGNED:
            yield value, f"{path}{key}"
        elif key in BLOCKS and len(value) == 1:
            yield from assigned(value[0], f"{path}{key}[0].")


def referenced(made, blocks, read, ignored):
    """The same configuration for making it all from nothing. `ignored` are attributes that the emulator does not tell Terraform as they are, by type."""
    out = []
    for address, text in blocks.items():
        known = {}
        for other in made.before(address):
            for value, expression in assigned(read.get(other, {})):
                known.setdefault(value, f"{other}.{expression}")
        for value in sorted(known, key=len, reverse=True):
            reference = known[value]
            text = text.replace(f'= "{value}"', f"= {reference}") if f'= "{value}"' in text else text
            # Inside of a longer text or of a list; short ones could be part of any word.
            if re.search(r"[0-9a-f]{8}|[0-9A-Z]{12}|^arn:", value):
                text = re.sub(f'(?<=["/:,]){re.escape(value)}(?=["/:,*])', f"${{{reference}}}", text)
        before = ", ".join(dict.fromkeys(made.depends.get(address, ())))
        body = text.removesuffix("}").rstrip()
        if address.startswith("aws_flow_log.") and "log_destination " not in body:
            # moto tells the group's name alone, which Terraform does not generate any more.
            group = next(a for a in made.depends[address] if a.startswith("aws_cloudwatch_log_group."))
            body += f"\n  log_destination = {group}.arn"
        if before:
            body += f"\n  depends_on = [{before}]"
        if address.startswith("aws_db_instance."):
            body += "\n  manage_master_user_password = true"
            body += "" if "skip_final_snapshot" in text else "\n  skip_final_snapshot = true"
        if attribute := ignored.get(address.split(".")[0]):
            body += f"\n  lifecycle {{\n    ignore_changes = [{attribute}]\n  }}"
        out.append(body + "\n}")
    return PROVIDER + "\n" + "\n\n".join(out) + "\n"
