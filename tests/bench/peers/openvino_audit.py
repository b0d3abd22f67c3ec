"""A folder of images, embedded by OpenVINO in streams of one thread and searched for in batches of 64. Prints one JSON line.

usage: python openvino_audit.py MODEL INDEX FOLDER FEW MANY
The folder is gone through as often as MANY asks for. The rate is of the images that a run of MANY has more than one of FEW, so that
filling and emptying the queues counts for nothing, as in the figure for driftd. Search goes through BLAS, which is faiss-cpu's fastest for batches.
"""

import json
import os
import pathlib
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import faiss
import numpy as np
import openvino
from picture import read_picture

K, CHUNK, AHEAD = 3, 64, 32


def decoded(paths, pool):
    """The pictures in order, AHEAD of them being decoded at any time."""
    pending = []
    for path in paths:
        pending.append(pool.submit(lambda p: read_picture(p.read_bytes()), path))
        if len(pending) > AHEAD:
            yield pending.pop(0).result()
    for future in pending:
        yield future.result()


def main(model_path, index_path, folder, few, many):
    few, many = int(few), int(many)
    threads = len(os.sched_getaffinity(0))
    files = sorted(pathlib.Path(folder).iterdir())
    core = openvino.Core()
    model = core.read_model(model_path)
    model.reshape([1, 224, 224, 3])
    settings = {"INFERENCE_PRECISION_HINT": "bf16", "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": threads}
    queue = openvino.AsyncInferQueue(core.compile_model(model, "CPU", settings), 2 * threads)
    index = faiss.read_index(index_path)
    faiss.omp_set_num_threads(threads)
    faiss.cvar.distance_compute_blas_threshold = 1

    def seconds(count):
        vectors = np.empty((count, index.d), np.float32)

        def store(request, row):
            vectors[row] = request.get_output_tensor(0).data[0]

        queue.set_callback(store)
        start = time.perf_counter()
        with ThreadPoolExecutor(threads) as pool:
            for row, image in enumerate(decoded([files[i % len(files)] for i in range(count)], pool)):
                queue.start_async({0: image[None]}, row)
        queue.wait_all()
        faiss.normalize_L2(vectors)
        for first in range(0, count, CHUNK):
            index.search(vectors[first : first + CHUNK], K)
        return time.perf_counter() - start

    seconds(few)  # warms up
    first = seconds(few)
    print(json.dumps({"images": many - few, "images_per_second": (many - few) / (seconds(many) - first)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
