#!/usr/bin/env python3
"""Holds the layers: which folder may include which, and which files may include a heavy library. Prints what breaks them; exit 1."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]

# Folder -> folders of ours that it may include.
LAYERS = {
    "core": {"core"},
    "embed": {"core", "embed"},
    "index": {"core", "index"},
    "drift": {"core", "drift"},
    "api": {"core", "embed", "index", "drift", "api"},
}

# Prefix of a library's headers -> the files that may include it. Each costs seconds of compile time and ties its file to one library.
LIBRARIES = {
    "torch/": {"embed/compiled_programs.cpp", "embed/torch_embedder.cpp"},
    "faiss/": {"index/ann.cpp", "index/cells.cpp", "index/faiss_index.hpp", "index/faiss_index.cpp", "index/gpu.cpp"},
    "cuda": {"index/gpu.cpp"},
    "opencv2/": {"embed/properties.cpp"},
    "jpeglib.h": {"embed/jpeg.cpp", "api/thumbnail.cpp"},
    "png.h": {"embed/png.cpp"},
    "webp/": {"embed/webp.cpp"},
    "sqlite3.h": {"core/sqlite.cpp"},
    "prometheus/": {"api/metrics.cpp"},
    "boost/beast": {"api/http_head.cpp", "api/http_session.hpp", "api/http_session.cpp", "api/webhook_target.cpp"},
    "openssl/": {"core/digest.cpp", "api/base64.cpp", "api/webhook_signature.cpp", "api/webhook_target.cpp"},
}


def faults(path):
    name = path.relative_to(ROOT).as_posix()
    folder = name.split("/")[0]
    for number, line in enumerate(path.read_text().splitlines(), 1):
        found = re.match(r'#include ([<"])([^>"]+)[>"]', line)
        if not found:
            continue
        kind, header = found.groups()
        if kind == '"' and header.split("/")[0] not in LAYERS[folder]:
            yield f"{name}:{number}: {folder} must not include {header}"
        for prefix, allowed in LIBRARIES.items():
            if kind == "<" and header.startswith(prefix) and name not in allowed:
                yield f"{name}:{number}: {header} is for {', '.join(sorted(allowed))} only"
        if kind == "<" and header.startswith("boost/") and folder != "api" and not header.startswith("boost/json"):
            yield f"{name}:{number}: Boost stays in api, but for JSON"


def main():
    found = [fault for folder in LAYERS for path in sorted((ROOT / folder).rglob("*.?pp")) for fault in faults(path)]
    print("\n".join(found) or "the layers hold")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
