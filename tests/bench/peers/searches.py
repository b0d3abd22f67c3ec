"""Search alone, by libraries that one installs with pip: ms a query, recall and memory. Prints a JSON line for each.

usage: python searches.py ROWS BATCHES [LIBRARY,...] [VECTORS]
VECTORS is what `search_bench --vectors` wrote, so that both search the same. Otherwise they are of the same make: 200 Gaussians in 16
latent dimensions mapped into 512, with noise, of unit length; queries are fresh ones. Ten neighbours, as a score needs. Besides the
names below, a library may be `faiss RECIPE:NPROBE`, such as `faiss IVF1264_Flat:158`, with _ for the recipe's commas.
"""

import json
import os
import statistics
import sys
import time

import faiss
import hnswlib
import numpy as np
from usearch.index import Index as Usearch

DIMENSION, LATENT, CLUSTERS, K, QUERIES = 512, 16, 200, 10, 192
THREADS = len(os.sched_getaffinity(0))


def vectors(rows):
    random = np.random.default_rng(42)
    centres = random.normal(0, 1, (CLUSTERS, LATENT))
    spread = random.normal(0, 1, (LATENT, DIMENSION)).astype(np.float32)

    def make(n):
        latent = centres[random.integers(CLUSTERS, size=n)] + 0.3 * random.normal(0, 1, (n, LATENT))
        values = latent.astype(np.float32) @ spread + 0.3 * random.normal(0, 1, (n, DIMENSION)).astype(np.float32)
        return values / np.linalg.norm(values, axis=1, keepdims=True)

    return make(rows), make(QUERIES)


def stored(path, rows):
    values = np.fromfile(path, np.float32, (rows + QUERIES) * DIMENSION).reshape(-1, DIMENSION)
    return values[:rows], values[rows:]


def faiss_of(recipe, blas=None, nprobe=None):
    def build(data):
        index = faiss.index_factory(DIMENSION, recipe)
        index.train(data)
        index.add(data)
        if nprobe:
            index.nprobe = nprobe

        def search(queries):
            faiss.omp_set_num_threads(THREADS if len(queries) > 1 else 1)
            faiss.cvar.distance_compute_blas_threshold = blas or 20
            return index.search(queries, K)[1]

        return search

    return build


def hnswlib_of(data):
    index = hnswlib.Index("l2", DIMENSION)
    index.init_index(len(data), M=16, ef_construction=100, random_seed=1)
    index.set_num_threads(THREADS)
    index.add_items(data)
    index.set_ef(64)
    return lambda queries: index.knn_query(queries, K)[0]


def usearch_of(dtype, exact):
    def build(data):
        index = Usearch(ndim=DIMENSION, metric="cos", dtype=dtype)
        index.add(np.arange(len(data)), data, threads=THREADS)
        return lambda queries: index.search(queries, K, exact=exact, threads=THREADS).keys.reshape(len(queries), -1)

    return build


LIBRARIES = {
    "faiss flat": faiss_of("Flat"),
    "faiss flat blas": faiss_of("Flat", blas=1),
    "faiss sq8": faiss_of("SQ8"),
    "faiss ivf1024": faiss_of("IVF1024,Flat"),
    "hnswlib m16 ef64": hnswlib_of,
    "usearch hnsw bf16": usearch_of("bf16", False),
    "usearch exact f32": usearch_of("f32", True),
}


def named(library):
    if library in LIBRARIES:
        return LIBRARIES[library]
    recipe, _, nprobe = library.removeprefix("faiss ").partition(":")
    return faiss_of(recipe.replace("_", ","), nprobe=int(nprobe or 0))


def rss_mib():
    with open("/proc/self/statm", encoding="utf-8") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def measure(name, data, queries, truth, batches):
    before, start = rss_mib(), time.perf_counter()
    search = named(name)(data)
    row = {"library": name, "rows": len(data), "build_s": time.perf_counter() - start, "memory_mib": rss_mib() - before, "ms": {}}
    found = np.asarray(search(queries))
    row["recall_at_3"] = float(np.mean([len(set(f[:3]) & set(t[:3])) / 3 for f, t in zip(found, truth)]))
    for batch in batches:
        times = []
        for first in range(0, QUERIES - batch + 1, batch):
            start = time.perf_counter()
            search(queries[first : first + batch])
            times.append(1e3 * (time.perf_counter() - start) / batch)
        row["ms"][str(batch)] = statistics.median(times)
    return row


def main(rows, batches, libraries=",".join(LIBRARIES), file=None):
    data, queries = stored(file, int(rows)) if file else vectors(int(rows))
    truth = np.array([np.argsort(-(data @ query))[:K] for query in queries])
    for name in libraries.split(","):
        try:
            print(json.dumps(measure(name, data, queries, truth, list(map(int, batches.split(","))))), flush=True)
        except Exception as error:  # the others go on
            print(json.dumps({"library": name, "error": str(error)[:300]}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
