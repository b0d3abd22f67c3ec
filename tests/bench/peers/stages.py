"""Decoding and embedding alone, by OpenCV and OpenVINO. Prints one JSON line of medians, ms an image.

usage: python stages.py MODEL FOLDER...
Decoding is of one thread and counts its CPU time, as driftd's own bench does; embedding uses all cores.
"""

import json
import os
import pathlib
import statistics
import sys
import time

import numpy as np
from openvino_engine import Engine
from picture import read_picture

RUNS = 15


def cpu_ms(work):
    start = time.thread_time()
    work()
    return 1e3 * (time.thread_time() - start)


def usual_ms(work):
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        work()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


def main(model, *folders):
    decode = {}
    for folder in map(pathlib.Path, folders):
        files = [path.read_bytes() for path in sorted(folder.iterdir())]
        decode[folder.name] = statistics.median(cpu_ms(lambda data=data: read_picture(data)) for _ in range(3) for data in files)
    engine = Engine(model, len(os.sched_getaffinity(0)))
    images = np.random.default_rng(0).integers(0, 256, (8, 224, 224, 3), np.uint8)
    embed = {str(n): usual_ms(lambda n=n: engine.embed(images[:n])) / n for n in (1, 2, 4, 8)}
    print(json.dumps({"decode_ms": decode, "embed_ms": embed}))


if __name__ == "__main__":
    main(*sys.argv[1:])
