#!/usr/bin/env python3
"""countproxy + what moto gets wrong, put right: for tests of programs that are right for AWS.
rightproxy.py --listen 5803 --upstream http://127.0.0.1:5700
S3: moto takes a statement that denies whatever does not come by TLS for one that denies everything. Policies with such a statement are kept
    here, and moto gets what is left of them.
EC2: moto forgets the description of a rule that names another group, and does not tell tags that a launch template was given later.
RDS: moto forgets what of a database is measured."""
import argparse, json, re
from xml.etree import ElementTree
from urllib.parse import parse_qsl
from aiohttp import web
import countproxy

# What of a database is measured: the parameter, and the element of a description.
MEASURED = {"EnablePerformanceInsights": "PerformanceInsightsEnabled", "PerformanceInsightsKMSKeyId": "PerformanceInsightsKMSKeyId",
    "PerformanceInsightsRetentionPeriod": "PerformanceInsightsRetentionPeriod", "MonitoringInterval": "MonitoringInterval", "MonitoringRoleArn": "MonitoringRoleArn"}

def denies_plain(statement):
    return statement.get("Effect") == "Deny" and "aws:SecureTransport" in json.dumps(statement.get("Condition", {}))

def text_of(element, xml):
    found = re.search(f"<{element}>([^<]*)</{element}>", xml)
    return found and found.group(1)

class Right(countproxy.Proxy):
    def __init__(s, a):
        s.policies, s.descriptions, s.measured, s.tags = {}, {}, {}, {}
        super().__init__(a)
    async def policy(s, req, bucket):
        """The answer to a call about a bucket's policy, or None if it is moto's to answer."""
        if req.method == "DELETE": s.policies.pop(bucket, None)
        if req.method == "GET" and bucket in s.policies: return web.Response(text=s.policies[bucket], content_type="application/json")
        if req.method != "PUT": return None
        text = (await req.read()).decode(); document = json.loads(text); statements = document["Statement"]
        statements = statements if isinstance(statements, list) else [statements]
        left = [x for x in statements if not denies_plain(x)]
        if len(left) == len(statements): s.policies.pop(bucket, None); return None
        auth = {"Authorization": req.headers.get("Authorization", "")}
        if left: # moto looks at the rest
            async with s.http.request("PUT", s.a.upstream + req.raw_path, headers=auth, data=json.dumps({**document, "Statement": left})) as r:
                if r.status >= 400: return web.Response(status=r.status, body=await r.read(), content_type=r.content_type)
        else: # a bucket that is not there has no policy either
            async with s.http.request("HEAD", s.a.upstream + "/" + bucket, headers=auth) as r:
                if r.status >= 400: return web.Response(status=404, text="<Error><Code>NoSuchBucket</Code><Message>The specified bucket does not exist</Message></Error>", content_type="text/xml")
        s.policies[bucket] = text
        return web.Response(status=204)
    def rewrite(s, key, data):
        operation = key.partition(":")[2]
        if operation.startswith("AuthorizeSecurityGroup") and s.asked.get("IpPermissions.1.Groups.1.Description"):
            for rule in re.findall(r"<securityGroupRuleId>([^<]+)<", data.decode()): s.descriptions[rule] = s.asked["IpPermissions.1.Groups.1.Description"]
        elif operation == "DescribeSecurityGroupRules":
            def described(m):
                description = s.descriptions.get(text_of("securityGroupRuleId", m.group()) or "")
                return m.group().replace("<securityGroupRuleId>", f"<description>{description}</description><securityGroupRuleId>", 1) if description and "<description>" not in m.group() else m.group()
            data = re.sub(r"<item>\s*(?:(?!<item>).)*?<securityGroupRuleId>.*?</item>", described, data.decode(), flags=re.S).encode()
        elif operation in ("CreateTags", "DeleteTags"):
            keys = {n: s.asked.get(f"Tag.{n}.Value", "") if operation[0] == "C" else None for n in range(1, 51) if f"Tag.{n}.Key" in s.asked}
            for name, resource in s.asked.items():
                if name.startswith("ResourceId.") and resource.startswith("lt-"): s.tags.setdefault(resource, {}).update({s.asked[f"Tag.{n}.Key"]: value for n, value in keys.items()})
        elif operation == "DescribeLaunchTemplates" and s.tags: data = s.tagged(data)
        elif operation in ("CreateDBInstance", "ModifyDBInstance", "DescribeDBInstances"):
            if operation != "DescribeDBInstances":
                name = s.asked.get("DBInstanceIdentifier", "")
                if operation == "CreateDBInstance": s.measured[name] = {}
                of = s.measured.setdefault(name, {})
                of.update({element: s.asked[name] for name, element in MEASURED.items() if name in s.asked})
            def measured(m):
                xml = m.group(); wanted = s.measured.get(text_of("DBInstanceIdentifier", xml) or "", {})
                for element, value in wanted.items(): xml = re.sub(f"<{element}>[^<]*</{element}>|<{element} ?/>", "", xml).replace("<DBInstance>", f"<DBInstance><{element}>{value}</{element}>", 1)
                return xml
            data = re.sub(r"<DBInstance>.*?</DBInstance>", measured, data.decode(), flags=re.S).encode()
        return data
    def tagged(s, data):
        root = ElementTree.fromstring(data); ns = root.tag.partition("}")[0] + "}"
        ElementTree.register_namespace("", ns[1:-1])
        for template in root.find(ns + "launchTemplates") or ():
            tags, later = template.find(ns + "tagSet"), s.tags.get(template.findtext(ns + "launchTemplateId"), {})
            if later and tags is None: tags = ElementTree.SubElement(template, ns + "tagSet")
            for key, value in later.items():
                for item in [item for item in tags if item.findtext(ns + "key") == key]: tags.remove(item)
                if value is not None:
                    item = ElementTree.SubElement(tags, ns + "item")
                    ElementTree.SubElement(item, ns + "key").text, ElementTree.SubElement(item, ns + "value").text = key, value
        return ElementTree.tostring(root)
    async def handle(s, req):
        body = await req.read()
        service, _ = countproxy.classify(req, body if "form" in req.headers.get("Content-Type", "") else b"")
        if service == "s3":
            bucket = req.path.strip("/").split("/")[0]; query = dict(parse_qsl(req.query_string, keep_blank_values=True))
            if "policy" in query and bucket:
                answer = await s.policy(req, bucket)
                if answer is not None:
                    key = f"s3:{req.method.title()}BucketPolicy"; n, e, t, m = s.ops.get(key, (0, 0, 0.0, 0.0)); s.ops[key] = (n + 1, e + (answer.status >= 400), t, m); s.total += 1
                    return answer
            elif req.method == "DELETE" and req.path.strip("/") == bucket and not query: s.policies.pop(bucket, None)
        return await super().handle(req)

class Asked(Right):
    """Hands what was asked to `rewrite`, which is told of the answer alone: one of these for each call."""
    def __init__(s, all, req, body): s.all, s.asked = all, dict(parse_qsl(body.decode("utf-8", "replace"))) if "form" in req.headers.get("Content-Type", "") else {}
    def __getattr__(s, name): return getattr(s.all, name)
    def __setattr__(s, name, value): object.__setattr__(s if name in ("all", "asked") else s.all, name, value)

async def handle(all, req): return await Asked(all, req, await req.read()).handle(req)

if __name__ == "__main__":
    p = argparse.ArgumentParser(); p.add_argument("--listen", type=int, default=5803); p.add_argument("--upstream", default="http://127.0.0.1:5700")
    p.add_argument("--latency-ms", type=float, default=0); p.add_argument("--bucket"); p.add_argument("--conns", type=int, default=200); a = p.parse_args()
    a.upstream = a.upstream.rstrip("/"); up = Right(a)
    app = web.Application(client_max_size=64 << 20); app.on_startup.append(up.start); app.router.add_route("*", "/{x:.*}", lambda req: handle(up, req))
    web.run_app(app, host="127.0.0.1", port=a.listen, access_log=None, print=None)
