#!/usr/bin/env python3
"""Races driftd against other stacks on one machine, side by side: the tutorial stack (peers/app.py) and a tuned one
(peers/openvino_app.py).

All serve the same ResNet-18 (512 values, random weights), the same 100,000 random unit vectors, k = 3, and are shown the same
JPEG files by wrk in a closed loop. They take turns, round after round; the ratios are medians over the rounds, so a machine that is
busy with other work blurs them but does not favour anyone. A contestant that does not start is named, and the others go on.

Prepared once, in the cache directory: environments, photographs, bundles, references. Needs wrk (a Debian package),
the release build with the target make_reference, and the network at the first run.
Prints Markdown tables and writes a JSON file.
"""

import argparse
import contextlib
import json
import os
import pathlib
import shutil
import signal
import statistics
import sys
import tempfile
import time
import urllib.request

import machine
import preparing
from preparing import HERE, ROOT, SIZES, call
from server import Driftd, Failed, Peer

CONTESTANTS = "driftd-bf16,driftd-int8,openvino-bf16,openvino-int8,tutorial"
WARM_UP = 1  # seconds of load before each measurement
FEWEST = 20  # requests; a measurement of fewer is repeated for twice as long, at most LONGEST seconds
LONGEST = 60


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--build", type=pathlib.Path, default=ROOT / "build/release", metavar="DIR", help="default: build/release")
    add("--sizes", default=",".join(SIZES), help="of the images (default: all)")
    add("--clients", default="1,8,32", help="concurrent clients (default: 1,8,32)")
    add("--contestants", default=CONTESTANTS, help=f"default: {CONTESTANTS}; also tutorial-2, driftd-fp32")
    add("--forms", default="multipart,raw", help="of driftd's requests; the tutorial stack takes multipart (default: both)")
    add("--seconds", type=int, default=5, help="of each measurement (default: 5)")
    add("--rounds", type=int, default=3, help="default: 3")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting for `driftd serve`; may be repeated")
    add("--out", type=pathlib.Path, default=pathlib.Path("race.json"), metavar="FILE", help="default: race.json")
    return parser.parse_args(arguments)


# --- The contestants ------------------------------------------------------------------------------------------------------------


def start(name, build, settings, stack):
    """Starts a contestant: driftd-PRECISION[-KIND], openvino-bf16, openvino-int8 (with 8-bit vectors), tutorial[-WORKERS]. All indexes
    hold the same vectors."""
    work = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="driftd-race-")))
    kind, _, variant = name.partition("-")
    if kind == "driftd":
        server = Driftd(name, build / "driftd", preparing.reference(build, variant), work, settings)
    elif kind == "openvino":
        index = preparing.quantised_index(build) if variant == "int8" else preparing.flat_index(build)
        environment = {"PEER_MODEL": str(preparing.openvino_models() / f"{variant}.xml"), "PEER_INDEX": str(index)}
        command = ["openvino_app:app", "--loop", "uvloop", "--http", "httptools"]
        server = Peer(name, preparing.environment("openvino"), command, work, environment)
    elif kind != "tutorial":
        raise Failed(f"there is no contestant {name}: there are driftd-PRECISION[-KIND], openvino-bf16, openvino-int8, tutorial[-WORKERS]")
    else:
        workers = int(variant or 1)
        threads = max(1, len(os.sched_getaffinity(0)) // workers)
        environment = {"PEER_INDEX": str(preparing.flat_index(build)), "PEER_THREADS": str(threads)}
        server = Peer(name, preparing.environment("tutorial"), ["app:app", "--workers", str(workers)], work, environment)
    return stack.enter_context(server)


def start_all(names, build, settings, stack):
    """The servers that start, and why the others do not, by name."""
    servers, failures = [], {}
    for name in names:
        try:
            servers.append(start(name, build, settings, stack))
        except (Failed, preparing.Failed) as failure:
            failures[name] = str(failure)
            print(f"{name} is left out: {failure}", file=sys.stderr, flush=True)
    return servers, failures


def post(url, image):
    """The answer to one image, sent as multipart."""
    boundary = "5f1d7a84c2driftdrace"
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="image.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    body = head.encode() + image + f"\r\n--{boundary}--\r\n".encode()
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=60) as response:
        return json.load(response)


def agreement(servers, folder):
    """How far each contestant's answers agree with the tutorial stack's (or the first one's): a race of unequals means nothing."""
    answers = {}
    for server in servers:
        answers[server.name] = [post(server.url, path.read_bytes())["neighbours"] for path in sorted(folder.iterdir())]
    standard = answers.get("tutorial") or next(iter(answers.values()))
    report = {}
    for name, lists in answers.items():
        pairs = list(zip(lists, standard))
        report[name] = {
            "images": len(pairs),
            "same_nearest": sum(a[0]["id"] == b[0]["id"] for a, b in pairs),
            "same_three": sum([n["id"] for n in a] == [n["id"] for n in b] for a, b in pairs),
            "largest_distance_error": max(abs(x["distance"] - y["distance"]) for a, b in pairs for x, y in zip(a, b)),
        }
    return report


# --- Measuring ------------------------------------------------------------------------------------------------------------------


def wrk(url, folder, form, clients, seconds):
    output = call("wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "--timeout", "60s", "-s", HERE / "score.lua", url, "--", folder, form)
    return json.loads(output.splitlines()[-1])


def rest(server):
    """Waits until the server has worked off what wrk left behind: it would slow the next one down."""
    end = time.monotonic() + LONGEST
    while time.monotonic() < end:
        before = server.cpu_seconds()
        time.sleep(0.5)
        if server.cpu_seconds() - before < 0.05:
            return


def measure(server, folder, form, clients, seconds):
    wrk(server.url, folder, form, clients, WARM_UP)
    cpu, busy, start = server.cpu_seconds(), machine.busy_seconds(), time.monotonic()
    result = wrk(server.url, folder, form, clients, seconds)
    cpu = server.cpu_seconds() - cpu
    elapsed = time.monotonic() - start
    result["other_cores"] = max(0, (machine.busy_seconds() - busy - cpu) / elapsed)  # wrk's own share is in it
    rest(server)
    if result["requests"] < FEWEST and 2 * seconds <= LONGEST:
        return measure(server, folder, form, clients, 2 * seconds)
    if result["requests"] == 0:
        return result | {"requests_per_second": 0.0, "refused_per_second": 0.0, "cpu_ms_per_request": 0.0, "rss_mib": server.rss_mib()}
    result["requests_per_second"] = (result["requests"] - result["bad_status"]) / result["seconds"]  # a refusal is no answer
    result["refused_per_second"] = result["bad_status"] / result["seconds"]
    result["cpu_ms_per_request"] = cpu * 1e3 / result["requests"]
    result["rss_mib"] = server.rss_mib()
    return result


def took_ms(server, folder):
    """driftd's own account of one request at a time, median over the images: ms by stage."""
    if not isinstance(server, Driftd):
        return None
    stages = [post(server.url, path.read_bytes())["took_ms"] for path in sorted(folder.iterdir())]
    return {stage: statistics.median(s[stage] for s in stages) for stage in stages[0]}


def forms_of(server, forms):
    return forms if isinstance(server, Driftd) or server.name.startswith("openvino") else ("multipart",)


def run(options, before_round=lambda number: None):
    rows, photographs = [], preparing.photographs()
    with contextlib.ExitStack() as stack:
        servers, failures = start_all(options.contestants.split(","), options.build, options.set, stack)
        agreed = agreement(servers, photographs / SIZES[0]) if servers else {}
        for number in range(options.rounds):
            before_round(number)
            for size in options.sizes.split(","):
                for clients in map(int, options.clients.split(",")):
                    for server, form in [(s, f) for s in servers for f in forms_of(s, options.forms.split(","))]:
                        key = {"round": number, "size": size, "clients": clients, "contestant": server.name, "form": form}
                        try:
                            result = measure(server, photographs / size, form, clients, options.seconds)
                        except (preparing.Failed, OSError, ValueError) as failure:  # its process may be gone; the others go on
                            failures[server.name] = str(failure)
                            continue
                        rows.append(key | result)
                        print(key, f"{result['requests_per_second']:.1f}/s", file=sys.stderr, flush=True)
        stages = {s.name: {size: took_ms(s, photographs / size) for size in options.sizes.split(",")} for s in servers}
    took = {name: stage for name, stage in stages.items() if name.startswith("driftd")}
    return {"agreement": agreed, "took_ms": took, "failures": failures, "measurements": rows}


# --- Reporting ------------------------------------------------------------------------------------------------------------------

FIGURES = ("requests_per_second", "p50_ms", "p99_ms", "cpu_ms_per_request", "rss_mib")


def tables(result):
    """One table per image size. Ratios are against the tutorial stack with one process in the same round."""
    rows, text = result["measurements"], []
    for size in dict.fromkeys(row["size"] for row in rows):
        text += [f"\n{size}\n", "| contestant | clients | req/s | p50 ms | p99 ms | CPU ms/req | RSS MiB | errors | req/s ratio | CPU ratio |",
                 "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"]  # fmt: skip
        here = [row for row in rows if row["size"] == size]
        for name, form, clients in dict.fromkeys((r["contestant"], r["form"], r["clients"]) for r in here):
            mine = [r for r in here if (r["contestant"], r["form"], r["clients"]) == (name, form, clients)]
            theirs = [r for r in here if (r["contestant"], r["clients"]) == ("tutorial", clients)]
            middle = {figure: statistics.median(r[figure] for r in mine) for figure in FIGURES}
            errors = sum(r["bad_status"] + r["timeouts"] + r["socket_errors"] for r in mine)
            text.append(
                f"| {name} {form} | {clients} | {middle['requests_per_second']:.1f} | {middle['p50_ms']:.0f} | {middle['p99_ms']:.0f} | "
                f"{middle['cpu_ms_per_request']:.1f} | {middle['rss_mib']:.0f} | {errors} | "
                f"{ratio(mine, theirs, 'requests_per_second')} | {ratio(mine, theirs, 'cpu_ms_per_request')} |"
            )
    return "\n".join(text)


def ratio(mine, theirs, figure):
    by_round = {row["round"]: row[figure] for row in theirs}
    ratios = [row[figure] / by_round[row["round"]] for row in mine if by_round.get(row["round"])]
    return f"{statistics.median(ratios):.2f}" if ratios else ""


def main(arguments):
    options = parse(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are stopped
    if not shutil.which("wrk"):
        sys.exit("wrk is missing: install the package wrk")
    result = {"machine": machine.describe(), "settings": options.set} | run(options)
    options.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(tables(result))
    print("\nagreement with the first of them, or the tutorial stack:", json.dumps(result["agreement"]))
    print("driftd, one request at a time, ms:", json.dumps(result["took_ms"]))
    print(f"\n{options.out} has all figures ({result['machine']['text']})")


if __name__ == "__main__":
    main(sys.argv[1:])
