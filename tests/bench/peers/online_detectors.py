#!/usr/bin/env python3
"""alibi-detect's online detectors on the streams of drift_bench: the same features, the same kinds of drift, one stated run length.

They get what they are made for: 24 principal components of the reference's embeddings. Prints one JSON line for each kind of stream.
  python -m venv ~/.cache/driftd/online && ~/.cache/driftd/online/bin/pip install -r tests/bench/peers/online-requirements.txt
  ~/.cache/driftd/online/bin/python tests/bench/peers/online_detectors.py FEATURES [mmd|lsdd|cvm]
"""

import argparse
import json
import pathlib
import time
import warnings

warnings.filterwarnings("ignore")

import numpy as np  # noqa: E402
import torch  # noqa: E402

PROPERTIES = 8  # the last columns of the features
COMPONENTS = 24
CORRUPTIONS = ("noise", "blur", "brightness", "darkness", "contrast", "jpeg")


def detector(name, reference, options):
    from alibi_detect.cd import CVMDriftOnline, LSDDDriftOnline, MMDDriftOnline

    common = {"ert": options.run_length, "n_bootstraps": options.bootstraps, "verbose": False}
    if name == "cvm":
        return CVMDriftOnline(reference, window_sizes=[options.window], **common)
    kind = {"mmd": MMDDriftOnline, "lsdd": LSDDDriftOnline}[name]
    return kind(reference, window_size=options.window, backend="pytorch", device="cpu", **common)


def images_until_alarm(one, stream, longest):
    for image in range(1, longest + 1):
        if one.predict(next(stream))["data"]["is_drift"]:
            return image
    return longest


def draw(random, calm, drifting, share):
    while True:
        from_where = drifting if random.random() < share else calm
        yield from_where[random.integers(len(from_where))]


def restart(one):
    (one.reset_state if hasattr(one, "reset_state") else one.reset)()


def delay(one, random, calm, drifting, share, options):
    """Images of drift until the alarm, after calm ones; an alarm among those begins the stream again."""
    restart(one)
    stream = draw(random, calm, drifting, 0)
    for _ in range(2 * options.window):
        if one.predict(next(stream))["data"]["is_drift"]:
            restart(one)
    return images_until_alarm(one, draw(random, calm, drifting, share), options.longest)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("features", type=pathlib.Path)
    parser.add_argument("detector", choices=("mmd", "lsdd", "cvm"))
    parser.add_argument("--run-length", type=int, default=1000)
    parser.add_argument("--reference-size", type=int, default=1000)
    parser.add_argument("--window", type=int, default=50)
    parser.add_argument("--bootstraps", type=int, default=2500)
    parser.add_argument("--streams", type=int, default=5, help="of each kind of drift; four times as many without")
    parser.add_argument("--longest", type=int, default=1000, help="later is never")
    options = parser.parse_args()
    torch.set_num_threads(1)
    random = np.random.default_rng(1)
    features = {file.stem: np.load(file)[:, :-PROPERTIES] for file in options.features.glob("*.npy")}
    train = features["train"][random.permutation(len(features["train"]))[: options.reference_size]]
    mean = train.mean(0)
    basis = np.linalg.svd(train - mean, full_matrices=False)[2][:COMPONENTS].T
    features = {name: ((rows - mean) @ basis).astype(np.float32) for name, rows in features.items()}
    np.random.seed(1)
    torch.manual_seed(1)
    begun = time.monotonic()
    one = detector(options.detector, ((train - mean) @ basis).astype(np.float32), options)
    calm = features["calm"]

    def row(stream, values):
        figures = {"stream": stream, "detector": options.detector, "stated": options.run_length, "streams": len(values)}
        print(json.dumps(figures | {"mean": float(np.mean(values)), "median": float(np.median(values)), "max": int(np.max(values))}), flush=True)

    print(json.dumps({"setting_up_s": round(time.monotonic() - begun, 1)}), flush=True)
    for name in CORRUPTIONS:
        row(name, [delay(one, random, calm, features[name], 1, options) for _ in range(options.streams)])
    for percent in (5, 10, 20):
        values = [delay(one, random, calm, features["strange"], percent / 100, options) for _ in range(options.streams)]
        row(f"{percent}% strange", values)
    lengths = []
    for _ in range(4 * options.streams):
        restart(one)
        lengths.append(images_until_alarm(one, draw(random, calm, calm, 0), 10 * options.run_length))
    row("calm", lengths)


if __name__ == "__main__":
    main()
