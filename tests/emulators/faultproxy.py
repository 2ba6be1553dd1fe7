#!/usr/bin/env python3
"""countproxy + faults, by chance from a seed: calls are throttled, answered with 5xx, delayed, their connections reset before or after the
upstream has done them (lost answers), their answers cut short.
faultproxy.py --listen 5802 --upstream http://127.0.0.1:5000 --seed 1 [--throttle 0.5] [--errors 0.05] [--delay 0.1:3000] [--refuse 0.05] [--lose 0.05] [--truncate 0.05]
Each is a share of all calls; --delay is SHARE:MILLISECONDS. It begins calm. POST /__storm -> faults   POST /__calm -> none
GET /__count has "faults": how often each kind came."""
import argparse, asyncio, collections, json, random
from aiohttp import web
import countproxy

# What is said instead of an answer, in the caller's protocol.
def failed(service, req):
    if service in ("ec2", "s3"): return 500, "text/xml", "<Response><Errors><Error><Code>InternalError</Code><Message>An internal error has occurred</Message></Error></Errors><RequestID>0</RequestID></Response>" if service == "ec2" else "<Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>"
    if "X-Amz-Target" in req.headers: return 500, "application/x-amz-json-1.0", '{"__type":"InternalServerError","message":"internal error"}'
    return 503, "text/xml", "<ErrorResponse><Error><Type>Receiver</Type><Code>ServiceUnavailable</Code><Message>Unavailable</Message></Error></ErrorResponse>"

class Faults(countproxy.Proxy):
    def __init__(s, a):
        s.random, s.stormy, s.faults = random.Random(a.seed), False, collections.Counter()
        super().__init__(a)
    async def control(s, req):
        answer = json.loads((await super().control(req)).text)
        if isinstance(answer, dict): answer["faults"] = dict(s.faults)
        return web.json_response(answer)
    def roll(s):
        """One number decides, so that the kinds exclude each other and the same seed gives the same faults."""
        at, delay = s.random.random(), s.random.random() < s.a.delay_share
        if not s.stormy: return None, False
        for kind in ("throttle", "errors", "refuse", "lose", "truncate"):
            share = getattr(s.a, kind)
            if at < share: return kind, delay
            at -= share
        return None, delay
    async def handle(s, req):
        if req.path in ("/__storm", "/__calm"):
            s.stormy = req.path == "/__storm"
            return web.json_response({"storm": s.stormy})
        if req.path in ("/__count", "/__reset", "/__log"): return await s.control(req)
        kind, delay = s.roll()
        if delay:
            s.faults["delay"] += 1
            await asyncio.sleep(s.a.delay_ms / 1000)
        if kind: s.faults[kind] += 1
        if kind in ("throttle", "errors"):
            body = await req.read()
            service, _ = countproxy.classify(req, body if "form" in req.headers.get("Content-Type", "") else b"")
            status, ct, text = (countproxy.throttled if kind == "throttle" else failed)(service, req)
            return web.Response(status=status, text=text, content_type=ct)
        if kind == "refuse":
            await req.read()
            return s.reset_connection(req)
        answer = await super().handle(req)
        if kind == "lose": return s.reset_connection(req)
        if kind == "truncate" and answer.body and len(answer.body) > 1:
            cut = web.StreamResponse(status=answer.status, headers={k: v for k, v in answer.headers.items() if k.lower() not in ("content-length", "transfer-encoding")})
            cut.content_length = len(answer.body)
            await cut.prepare(req)
            await cut.write(bytes(answer.body[: len(answer.body) // 2]))
            return s.reset_connection(req, cut)
        return answer
    def reset_connection(s, req, answer=None):
        if req.transport is not None: req.transport.abort()
        return answer if answer is not None else web.Response(status=500)

if __name__ == "__main__":
    p = argparse.ArgumentParser(); p.add_argument("--listen", type=int, default=5802); p.add_argument("--upstream", default="http://127.0.0.1:5000"); p.add_argument("--seed", type=int, default=1)
    for kind in ("throttle", "errors", "refuse", "lose", "truncate"): p.add_argument("--" + kind, type=float, default=0)
    p.add_argument("--delay", default="0:0"); p.add_argument("--latency-ms", type=float, default=0); p.add_argument("--bucket"); p.add_argument("--conns", type=int, default=200); a = p.parse_args()
    share, ms = a.delay.split(":"); a.delay_share, a.delay_ms = float(share), float(ms); a.upstream = a.upstream.rstrip("/"); up = Faults(a)
    app = web.Application(client_max_size=64 << 20); app.on_startup.append(up.start); app.router.add_route("*", "/{x:.*}", up.handle)
    web.run_app(app, host="127.0.0.1", port=a.listen, access_log=None, print=None)
