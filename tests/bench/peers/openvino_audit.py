"""A folder of images, embedded by OpenVINO in streams of one thread and searched for in batches of 64. Prints one JSON line.

usage: python openvino_audit.py MODEL INDEX FOLDER IMAGES
The folder is gone through as often as IMAGES asks for. Search goes through BLAS, which is faiss-cpu's fastest for batches.
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


def main(model_path, index_path, folder, count):
    threads = len(os.sched_getaffinity(0))
    files = sorted(pathlib.Path(folder).iterdir())
    paths = [files[i % len(files)] for i in range(int(count))]
    core = openvino.Core()
    model = core.read_model(model_path)
    model.reshape([1, 224, 224, 3])
    settings = {"INFERENCE_PRECISION_HINT": "bf16", "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": threads}
    queue = openvino.AsyncInferQueue(core.compile_model(model, "CPU", settings), 2 * threads)
    index = faiss.read_index(index_path)
    faiss.omp_set_num_threads(threads)
    faiss.cvar.distance_compute_blas_threshold = 1
    vectors = np.empty((len(paths), index.d), np.float32)

    def store(request, row):
        vectors[row] = request.get_output_tensor(0).data[0]

    queue.set_callback(store)
    start = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        for row, image in enumerate(decoded(paths, pool)):
            queue.start_async({0: image[None]}, row)
    queue.wait_all()
    faiss.normalize_L2(vectors)
    for first in range(0, len(vectors), CHUNK):
        index.search(vectors[first : first + CHUNK], K)
    seconds = time.perf_counter() - start
    print(json.dumps({"images": len(paths), "seconds": seconds, "images_per_second": len(paths) / seconds}))


if __name__ == "__main__":
    main(*sys.argv[1:])
