"""phx and Terraform side by side: the same resources on the same emulator, in turn, several rounds.

For each workload (the scale case with several numbers of cells, the Phoenix platform) and each latency that a proxy adds to every call, each tool does: up from
nothing, a preview with nothing to do, a change of one field, destroy. Measured: wall time, processor time and peak memory of the whole process tree, API
calls by operation. It prints a table, and writes `compare.json` and `compare.svg`.

Of the platform Terraform's configuration is made first, by Terraform itself, from what phx has made (see terraform_of.py), which must find nothing to change in that.

Needs Rust, Python and `terraform` with a mirror of its AWS provider. The mirror is found by itself, or named in PHX_TF_MIRROR.
"""

import argparse
import asyncio
import json
import os
import pathlib
import platform
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

import aiohttp
import psutil

import terraform_of

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
WORK = ["up", "preview", "change", "destroy"]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def started(command, port, env=None):
    child = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(600):
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return child
        if child.poll() is not None:
            break
        time.sleep(0.1)
    child.kill()
    sys.exit(f"{command[0]} does not listen on port {port}")


class World:
    """One emulator with nothing in it, behind a proxy that counts and slows calls: moto, or the sandbox of a program's binary."""

    def __init__(self, workload, latency_ms):
        python, emulator, proxy = sys.executable, free_port(), free_port()
        self.url = f"http://127.0.0.1:{proxy}"
        self.folder = tempfile.TemporaryDirectory()
        if workload["on"] == "the sandbox":
            pathlib.Path(self.folder.name, "phx.toml").write_text('project = "sandbox"\n[program]\npackage = "phoenix"\n')
            server = [workload["binary"], "-C", self.folder.name, "sandbox", "start", "--foreground", "--port", str(emulator)]
        else:
            server = [str(pathlib.Path(python).parent / "moto_server"), "-H", "127.0.0.1", "-p", str(emulator)]
        self.children = [started(server, emulator, os.environ | {"MOTO_IAM_LOAD_MANAGED_POLICIES": "true"})]
        counting = [python, str(ROOT / "tests/emulators" / workload.get("proxy", "countproxy.py")), "--listen", str(proxy)]
        counting += ["--upstream", f"http://127.0.0.1:{emulator}", "--latency-ms", str(latency_ms)]
        self.children.append(started(counting, proxy))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for child in self.children:
            child.kill()
            child.wait()
        self.folder.cleanup()

    def calls(self):
        with urllib.request.urlopen(f"{self.url}/__count") as answer:
            counts = json.load(answer)
        urllib.request.urlopen(urllib.request.Request(f"{self.url}/__reset", method="POST")).close()
        return {name: entry["n"] for name, entry in counts["ops"].items()}


def measured(command, cwd, env):
    """Runs a command to its end: wall time, and of its whole process tree the processor time and the peak of the memory."""
    tree, peak, over = {}, 0, threading.Event()
    with tempfile.TemporaryFile() as out:
        began = time.monotonic()
        child = psutil.Popen(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out)

        def watch():
            nonlocal peak
            while not over.is_set():
                memory = 0
                try:
                    members = [child, *child.children(recursive=True)]
                except psutil.Error:
                    members = []
                for member in members:
                    try:
                        with member.oneshot():
                            times = member.cpu_times()
                            tree[(member.pid, member.create_time())] = times.user + times.system
                            memory += member.memory_info().rss
                    except psutil.Error:
                        pass  # it has just ended
                peak = max(peak, memory)
                over.wait(0.02)

        watcher = threading.Thread(target=watch)
        watcher.start()
        code = child.wait()
        wall = time.monotonic() - began
        over.set()
        watcher.join()
        if code != 0:
            out.seek(0)
            sys.exit(f"{' '.join(command)} ended with {code}:\n{out.read().decode(errors='replace')[-4000:]}")
    return {"wall_s": wall, "cpu_s": sum(tree.values()), "peak_mib": peak / 2**20}


class Phx:
    name = "phx"

    def __init__(self, workload, folder, world):
        self.workload, self.cwd = workload, folder / "phx"
        self.cwd.mkdir()
        source = ROOT / workload["project"]
        for file in source.glob("*.toml"):
            if file.name != "Cargo.toml":
                shutil.copy(file, self.cwd)
        self.file = self.cwd / f"{workload['stack']}.toml"
        if workload["config"]:
            self.file.write_text(workload["config"])
        self.env = environment(world)
        self.binary = workload["binary"]

    def command(self, *arguments):
        return [self.binary, *arguments, "--stack", self.workload["stack"]]

    def does(self, work):
        if work == "change":
            before, after = self.workload["phx_change"]
            text = self.file.read_text()
            assert before in text, (before, text)
            self.file.write_text(text.replace(before, after, 1))
        command = {"up": ["up", "--yes"], "preview": ["preview"], "change": ["up", "--yes"], "destroy": ["destroy", "--yes"]}[work]
        return self.command(*command)


class Terraform:
    name = "terraform"

    def __init__(self, workload, folder, world):
        self.workload, self.cwd = workload, folder / "terraform"
        shutil.copytree(workload["terraform"], self.cwd)
        self.env = for_terraform(world, folder)
        self.variables = list(workload["terraform_variables"])
        done = subprocess.run(["terraform", "init", "-input=false"], cwd=self.cwd, env=self.env, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"terraform init: {done.stdout}{done.stderr}")

    def does(self, work):
        if work == "change":
            self.variables += self.workload["terraform_change"]
        command = {"up": ["apply", "-auto-approve"], "preview": ["plan"], "change": ["apply", "-auto-approve"], "destroy": ["destroy", "-auto-approve"]}[work]
        return ["terraform", *command, "-input=false", "-no-color", *(f"-var={v}" for v in self.variables)]


def environment(world):
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "PHX_", "TF_"))}
    return kept | {
        "AWS_ENDPOINT_URL": world.url,
        "AWS_REGION": "us-west-2",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_COLOR": "1",
    }


def for_terraform(world, folder):
    config = pathlib.Path(folder, "terraform.rc")
    config.write_text(f'provider_installation {{\n  filesystem_mirror {{\n    path = "{mirror()}"\n  }}\n}}\n')
    return environment(world) | {"TF_CLI_CONFIG_FILE": str(config), "TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"}


_mirror = None


def mirror():
    """The folder of providers that Terraform is to use: the one above `registry.terraform.io`."""
    global _mirror
    if _mirror is None:
        _mirror = os.environ.get("PHX_TF_MIRROR")
    if _mirror is None:
        found = subprocess.run(["find", "/", "-xdev", "-name", "terraform-provider-aws_v*", "-not", "-path", "/proc/*"], capture_output=True, text=True)
        paths = [p for p in found.stdout.splitlines() if "/registry.terraform.io/" in p]
        if not paths:
            sys.exit("no mirror of Terraform's AWS provider is on this machine; name one in PHX_TF_MIRROR")
        _mirror = paths[0].split("/registry.terraform.io/")[0]
    return _mirror


def built(package):
    command = ["cargo", "build", "--release", "--package", package, "--features", "phx/sandbox,phx/crash-points", "--message-format", "json-render-diagnostics"]
    out = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
    return [m["executable"] for m in map(json.loads, out.splitlines()) if m.get("executable")][-1]


def workloads(cells):
    found = []
    for n in cells:
        head = '[aws]\nregion = "us-west-2"\n'
        found.append({
            "name": f"scale, {5 * n + 1:,} resources", "on": "moto", "project": "examples/scale", "package": "phx-example-scale", "stack": f"n{n}",
            "config": f'cells = {n}\nfirst_retention_in_days = 30\n\n{head}default_tags = {{ Project = "scale", Environment = "n{n}" }}\n',
            "phx_change": ("first_retention_in_days = 30", "first_retention_in_days = 60"),
            "terraform": HERE / "terraform/scale", "terraform_variables": [f"cells={n}"], "terraform_change": ["first_retention_in_days=60"],
        })
    found += [platform_of("the sandbox", []), platform_of("moto", ["eks", "backups", "alerting", "cost"])]
    return found


MISREAD_ON_MOTO = {"aws_db_parameter_group": "parameter", "aws_instance": "user_data", "aws_launch_template": "tag_specifications", "aws_route53_zone": "vpc"}


def platform_of(on, without):
    """The prod stack, without the parts that the emulator does not serve as AWS does, and without what keeps it from being destroyed."""
    config = (ROOT / "stacks/prod.toml").read_text()
    off = "".join(f"{part} = false\n" for part in without)
    edits = [("protect = true", "protect = false"), ("deletion_protection = true", "deletion_protection = false"), ("final_snapshot = true", "final_snapshot = false")]
    if without:
        # moto keeps no tags of AWS Config's recorders, nor does it let a detector of GuardDuty be tagged.
        edits += [("[network]\n", f"[components]\n{off}\n[network]\n"), ("account_baseline = true", "account_baseline = false")]
    for before, after in edits:
        assert before in config, before
        config = config.replace(before, after, 1)
    return {
        "name": f"Phoenix prod {'without ' + ', '.join(without) if without else ''} on {on}".replace("  ", " "), "on": on, "project": "stacks", "package": "phoenix", "stack": "prod", "config": config,
        "proxy": "countproxy.py" if on == "the sandbox" else "rightproxy.py",
        "phx_change": ("flow_log_retention_days = 365", "flow_log_retention_days = 400"),
        "terraform": None, "terraform_variables": [], "terraform_change": ["flow_log_retention_days=400"],
        # The first one's endpoint has the account before the host's name: 000000000000.127.0.0.1 is no host.
        # moto lets nobody cancel the rotation of a secret of RDS's, as AWS does, and Terraform stops there.
        "terraform_lacks": ["aws:s3:AccountPublicAccessBlock"] + ["aws:secretsmanager:RotationSchedule"] * (on == "moto"),
        # What moto does not tell Terraform as it is, so that it would change it for ever.
        "terraform_ignores": MISREAD_ON_MOTO if on == "moto" else {},
    }


def written(workload, folder):
    """Writes the platform's Terraform configuration, by what phx makes."""
    folder = pathlib.Path(folder)
    imports, result = folder / "imports", folder / "made"
    imports.mkdir()
    result.mkdir()
    with World(workload, 0) as world:
        phx = Phx(workload, folder, world)
        ask = lambda *arguments: json.loads(subprocess.run(phx.command(*arguments), cwd=phx.cwd, env=phx.env, stdout=subprocess.PIPE, check=True).stdout)
        measured(phx.does("up"), phx.cwd, phx.env)
        names = {t["type"]: t["terraform"] for t in ask("schema", "--json")["types"]}
        made = terraform_of.Made(ask("state", "export"), names, workload["terraform_lacks"])
        blocks, changes, read = terraform_of.imported(made, imports, for_terraform(world, folder))
    for address, actions, differ in changes:
        print(f"Terraform would {' and '.join(actions)} {address}: {differ}", file=sys.stderr)
    print(f"{workload['name']}: Terraform imports {len(made.imports)} resources and would change {len(changes)}", file=sys.stderr)
    variable = "flow_log_retention_days"
    group = "aws_cloudwatch_log_group.networking_flow_logs"
    blocks[group], n = re.subn(r"(retention_in_days\s+=) 365", rf"\1 var.{variable}", blocks[group])
    assert n == 1, blocks[group]
    text = terraform_of.referenced(made, blocks, read, workload["terraform_ignores"])
    (result / "main.tf").write_text(f'variable "{variable}" {{\n  default = 365\n}}\n\n{text}')
    return result, {"imported": len(made.imports), "would_change": [c[:2] for c in changes]}


def floor(world, calls):
    """How long the emulator itself takes for so many of its cheapest calls, ten at once, from a client that does nothing else."""
    body = b"Action=DescribeVpcs&Version=2016-11-15"
    headers = {"Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-west-2/ec2/aws4_request, SignedHeaders=host, Signature=0", "Content-Type": "application/x-www-form-urlencoded"}

    async def run():
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=10)) as session:

            async def one():
                async with session.post(world.url, data=body, headers=headers) as answer:
                    await answer.read()

            await one()  # the emulator loads a service at its first call
            began = time.monotonic()
            await asyncio.gather(*(one() for _ in range(calls)))
            return time.monotonic() - began

    return asyncio.run(run())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", default="20,200,1000", help="numbers of cells of the scale case; five resources each (default: %(default)s; '' for none)")
    parser.add_argument("--latency", default="0,80", help="milliseconds added to each call (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is done; the median counts (default: %(default)s)")
    parser.add_argument("--tools", default="phx,terraform", help="which (default: %(default)s)")
    parser.add_argument("--platform", default="the sandbox,moto", help="where to stand up the Phoenix platform (default: %(default)s; '' for nowhere)")
    parser.add_argument("--out", default="target/compare", help="folder for the results (default: %(default)s)")
    arguments = parser.parse_args()

    numbers = [int(n) for n in arguments.cells.split(",") if n]
    latencies = [int(n) for n in arguments.latency.split(",")]
    tools = [t for t in (Phx, Terraform) if t.name in arguments.tools.split(",")]
    chosen = [w for w in workloads(numbers) if w["project"] != "stacks" or w["on"] in arguments.platform.split(",")]
    for package in {w["package"] for w in chosen}:
        binary = built(package)
        for w in chosen:
            if w["package"] == package:
                w["binary"] = binary

    runs, floors, imports, generated = [], [], {}, tempfile.TemporaryDirectory()
    for n, workload in enumerate(chosen):
        if workload["terraform"] is None:
            folder = pathlib.Path(generated.name, str(n))
            folder.mkdir()
            workload["terraform"], imports[workload["name"]] = written(workload, folder)
        for latency in latencies:
            for n in range(arguments.rounds):
                for tool in tools if n % 2 == 0 else tools[::-1]:
                    with World(workload, latency) as world, tempfile.TemporaryDirectory() as folder:
                        if n == 0 and tool is tools[0]:
                            floors.append({"workload": workload["name"], "latency_ms": latency, "calls": 200, "wall_s": floor(world, 200)})
                        at_work = tool(workload, pathlib.Path(folder), world)
                        world.calls()
                        for work in WORK:
                            run = measured(at_work.does(work), at_work.cwd, at_work.env)
                            operations = world.calls()
                            run |= {"workload": workload["name"], "latency_ms": latency, "round": n, "tool": tool.name, "work": work, "calls": sum(operations.values()), "operations": operations}
                            runs.append(run)
                            print(f"{workload['name']}, +{latency} ms, round {n + 1}, {tool.name} {work}: {run['wall_s']:.2f} s, {run['calls']} calls, {run['peak_mib']:.0f} MiB", file=sys.stderr)

    out = pathlib.Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    rows = summary(runs)
    result = {"machine": machine(), "rows": rows, "imports": imports, "floors": floors, "runs": runs}
    (out / "compare.json").write_text(json.dumps(result, indent=1))
    table = markdown(rows, floors)
    (out / "compare.md").write_text(table)
    print(table)
    draw(rows, out / "compare.svg")
    print(f"written to {out}/compare.json, compare.md and compare.svg", file=sys.stderr)


def summary(runs):
    """The medians over the rounds, the tools of one work beside each other."""
    rows = {}
    for run in runs:
        key = (run["workload"], run["latency_ms"], run["work"])
        rows.setdefault(key, {}).setdefault(run["tool"], []).append(run)
    found = []
    for (workload, latency, work), tools in rows.items():
        row = {"workload": workload, "latency_ms": latency, "work": work}
        for tool, of_tool in tools.items():
            row[tool] = {what: statistics.median(r[what] for r in of_tool) for what in ("wall_s", "cpu_s", "peak_mib", "calls")}
        found.append(row)
    return found


def markdown(rows, floors):
    lines = ["| work | added latency | phx | Terraform | faster | calls phx / Terraform | peak memory phx / Terraform |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        phx, terraform = row.get("phx"), row.get("terraform")
        name = f"{row['workload']}: {row['work']}"
        both = phx and terraform
        seconds = lambda t: f"{t['wall_s']:.2f} s" if t else ""
        pair = lambda what, form: " / ".join(form.format(t[what]) for t in (phx, terraform) if t)
        ratio = f"{terraform['wall_s'] / phx['wall_s']:.0f}x" if both else ""
        lines.append(f"| {name} | {row['latency_ms']} ms | {seconds(phx)} | {seconds(terraform)} | {ratio} | {pair('calls', '{:,.0f}')} | {pair('peak_mib', '{:,.0f} MiB')} |")
    lines.append("")
    for f in floors:
        lines.append(f"The emulator's own floor ({f['workload']}, +{f['latency_ms']} ms): {f['calls']} cheapest calls, ten at once, {f['wall_s']:.2f} s.")
    return "\n".join(lines) + "\n"


def machine():
    version = lambda *command: subprocess.run(command, capture_output=True, text=True).stdout.splitlines()[:1]
    provider = subprocess.run(["find", mirror(), "-name", "terraform-provider-aws_v*"], capture_output=True, text=True).stdout.split() if shutil.which("terraform") else []
    import importlib.metadata

    return {
        "processor": platform.processor() or platform.machine(), "cores": os.cpu_count(), "system": platform.platform(), "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "python": platform.python_version(), "moto": importlib.metadata.version("moto"), "rustc": version("rustc", "--version"),
        "terraform": version("terraform", "version") if shutil.which("terraform") else [], "provider": [pathlib.Path(p).name for p in provider],
    }


def draw(rows, path):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plot

    figure, (wall, calls) = plot.subplots(1, 2, figsize=(14, 0.42 * len(rows) + 1.6), sharey=True)
    names = [f"{r['workload']}, +{r['latency_ms']} ms: {r['work']}" for r in rows]
    for axis, what, title in ((wall, "wall_s", "seconds"), (calls, "calls", "API calls")):
        for shift, (tool, colour) in enumerate((("phx", "#d1552b"), ("terraform", "#8a8f98"))):
            values = [max(r[tool][what], 1e-3) if tool in r else 0 for r in rows]
            axis.barh([i + 0.38 * shift for i in range(len(rows))], values, height=0.36, color=colour, label=tool)
        axis.set_xscale("log")
        axis.set_xlabel(title + " (logarithmic)")
        axis.grid(axis="x", alpha=0.3)
    wall.set_yticks([i + 0.19 for i in range(len(rows))], names)
    wall.invert_yaxis()
    wall.legend(loc="lower right")
    figure.tight_layout()
    figure.savefig(path)


if __name__ == "__main__":
    main()
