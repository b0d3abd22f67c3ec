#!/usr/bin/env python3
"""Measures driftd and other stacks on one machine and writes every figure to a JSON file, and from that a page with a figure.

workloads (default: all):
  stages       decoding and embedding alone, ours and OpenVINO's
  default_model  embedding with the default model, ours and OpenVINO's in turn
  score        POST /v1/score in a closed loop, 1, 8 and 32 clients, all contestants in turn
  audit        images a second of a batch audit
  start        from the command to ready; memory at rest and after load
  open         latency at constant rates, from when each request was due
  drifted      the default model and a reference of real images: images like those, and others
  sizes        the closed loop with larger images
  concurrency  driftd with 1 to 256 clients
  streams      driftd with 1 to 10,000 streams
  search       search alone, by kind and size, beside faiss-cpu, hnswlib and usearch

--prepare only makes what is needed, in a cache folder (environments, photographs, models, references: 20 minutes the first time).
All of it takes 20 minutes, --quick 10. --report FILE writes the page again from a JSON file. What fails is named at the end.
"""

import argparse
import json
import pathlib
import shutil
import signal
import sys
import time

import machine
import preparing
import report
from workloads import WORKLOADS, named

CONTESTANTS = "driftd-bf16,driftd-int8,openvino-bf16,openvino-int8,tutorial"


def whole_numbers(text):
    return [int(part) for part in text.split(",")]


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("workloads", nargs="*", choices=[*WORKLOADS, []], metavar="WORKLOAD")
    add("--build", type=pathlib.Path, default=preparing.ROOT / "build/release", metavar="DIR", help="default: build/release")
    add("--contestants", default=CONTESTANTS, help=f"default: {CONTESTANTS}")
    add("--seconds", type=int, default=5, help="of each measurement (default: 5)")
    add("--rounds", type=int, default=2, help="of score (default: 2)")
    add("--images", type=int, default=576, help="of each of three rounds of audit (default: 576)")
    add("--rows", type=whole_numbers, default=[1_000, 10_000, 100_000], help="of search (default: 1000,10000,100000)")
    add("--client-counts", type=whole_numbers, default=[1, 2, 4, 8, 16, 32, 64, 128, 256], help="of concurrency (default: 1 to 256, doubling)")
    add("--streams", type=whole_numbers, default=[1, 100, 1_000, 10_000], help="default: 1,100,1000,10000")
    add("--libraries", nargs="*", default=[], help="of search, separated by commas (default: all)")
    add("--quick", action="store_true", help="shorter: 3 s, one round, 320 images, fewer libraries")
    add("--prepare", action="store_true", help="make what is needed, and measure nothing")
    add("--report", type=pathlib.Path, metavar="FILE", help="measure nothing; write the page from this JSON file")
    add("--out", type=pathlib.Path, default=pathlib.Path("bench.json"), metavar="FILE", help="default: bench.json")
    add("--page", type=pathlib.Path, default=preparing.ROOT / "docs/performance.md", metavar="FILE", help="default: docs/performance.md")
    options = parser.parse_args(arguments)
    if options.quick:
        options.seconds, options.rounds, options.images = 3, 1, 320
        options.libraries = options.libraries or ["faiss flat,faiss flat blas,faiss sq8,hnswlib m16 ef64,usearch exact f32"]
    return options


def prepare(options, failures):
    for name in options.contestants.split(","):
        if name.startswith("driftd-"):
            named(failures, name, lambda name=name: preparing.reference(options.build, name.removeprefix("driftd-")))
    named(failures, "tutorial", lambda: preparing.environment("tutorial"))
    named(failures, "search", lambda: preparing.environment("search"))
    named(failures, "openvino", preparing.openvino_models)
    named(failures, "clothes", lambda: preparing.clothes_reference(options.build))
    named(failures, "openvino default", preparing.openvino_default)
    named(failures, "sq8", lambda: preparing.quantised_index(options.build))


def measure(options, result):
    for name in options.workloads or WORKLOADS:
        print(f"--- {name}", flush=True)
        failures, begun, busy = {}, time.monotonic(), machine.busy_seconds()
        figures = named(failures, name, lambda name=name, failures=failures: WORKLOADS[name](options, failures))
        seconds = time.monotonic() - begun
        busy = (machine.busy_seconds() - busy) / seconds
        result["workloads"][name] = {"seconds": seconds, "busy_cores": busy, "failures": failures, "figures": figures}
        options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")  # what there is survives an interruption


def main(arguments):
    options = parse(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are stopped
    if options.report:
        return report.write(json.loads(options.report.read_text(encoding="utf-8")), options.page)
    if not shutil.which("wrk"):
        sys.exit("wrk is missing: install the package wrk")
    failures = {}
    prepare(options, failures)
    if options.prepare:
        return sys.exit(1 if failures else 0)
    previous = json.loads(options.out.read_text(encoding="utf-8")) if options.workloads and options.out.exists() else {}
    result = {"machine": machine.describe(), "date": time.strftime("%Y-%m-%d", time.gmtime()), "workloads": previous.get("workloads", {})}
    measure(options, result)
    report.write(result, options.page)
    for name, workload in result["workloads"].items():
        for what, why in workload["failures"].items():
            print(f"failed in {name}: {what}: {why.splitlines()[-1] if why else ''}")
    print(f"{options.out} has all figures, {options.page} the tables")


if __name__ == "__main__":
    main(sys.argv[1:])
