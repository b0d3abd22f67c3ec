#!/usr/bin/env python3
"""How well driftd tells images apart: AUROC, FPR95 and false alarms on Fashion-MNIST, by the real binary.

Five classes are in the reference, the other five are out of distribution; corrupted images of the first five are drift too.
  driftd index build   the reference, from images of the train file
  driftd audit run     scores every test image (t10k file), once by each rule
Then the in-distribution images are ranked by the rule blend in references that are calibrated in other ways: with images held
out of the index, and on bursts (five shaken copies of an image), leaving out one image or one burst at a time.
Prints two tables and writes a JSON file. With the rules blend and knn about 50,000 embeddings: a quarter of an hour on two
idle cores with the default model; each further rule embeds the test images again.
"""

import argparse
import csv
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
from PIL import Image

import corruptions
import figures
import machine

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import fashion_mnist  # noqa: E402: its folder must be known first

CLASSES = range(10)
FRAMES = 5  # of a burst


def draw(labels, classes, per_class, random):
    """Row numbers: per_class random ones of each class, all of them where there are fewer."""
    return np.concatenate([random.permutation(np.flatnonzero(labels == c))[:per_class] for c in classes])


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--driftd", type=pathlib.Path, default=ROOT / "build/release/driftd", metavar="FILE", help="the binary")
    add("--model", type=pathlib.Path, metavar="DIR", help="a bundle (default: the default model, exported for this run)")
    add("--inside", default="0,1,2,3,4", metavar="C,C", help="classes of the reference, 0 to 9 (default: 0,1,2,3,4)")
    add("--reference-size", type=int, default=5000, metavar="N", help="images in the reference (default: 5000)")
    add("--test-size", type=int, default=5000, metavar="N", help="images held out, and as many outside (default: 5000)")
    add("--corrupted", type=int, default=500, metavar="N", help="images of each corruption and severity (default: 500)")
    add("--kind", default="auto", choices=("flat", "ivf", "fp16", "sq8", "ivfsq8", "auto"), help="how the index searches (default: auto)")
    add("--rules", default="blend,knn", metavar="R,R", help="blend, knn, rmean, d1r3, mean, l1, mahalanobis (default: blend,knn)")
    add("--k", type=int, default=3, help="of the rules knn, mean and l1 (default: 3)")
    add("--seed", type=int, default=1, help="for the choice of images and for noise (default: 1)")
    add("--out", type=pathlib.Path, default=pathlib.Path("detection.json"), metavar="FILE", help="default: detection.json")
    options = parser.parse_args(arguments)
    options.rules = options.rules.split(",")
    options.inside = [int(c) for c in options.inside.split(",")]
    if not set(options.inside) < set(CLASSES):
        parser.error("--inside wants some, not all, of the classes 0 to 9")
    return options


def driftd(options, *arguments):
    """Runs a command of the binary. Code 3 (drift found) is a success here."""
    command = [options.driftd.resolve(), *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode not in (0, 3):
        sys.exit(f"driftd {' '.join(command[1:])} failed with code {done.returncode}:\n{done.stderr[-2000:]}")


def save(folder, images, rows):
    folder.mkdir(parents=True)
    for row, image in zip(rows, images):
        Image.fromarray(image).save(folder / f"{row}.png", compress_level=1)


def write_reference(options, folder, random):
    images, labels = fashion_mnist.read("train")
    rows = draw(labels, options.inside, options.reference_size // len(options.inside), random)
    for c in options.inside:
        mine = rows[labels[rows] == c]
        save(folder / fashion_mnist.LABELS[c], images[mine], mine)


def shaken(image, random):
    """The image moved by up to a pixel, a little brighter or darker, with a little noise: the next frame of a video, say."""
    moved = np.roll(image, random.integers(-1, 2, 2), axis=(0, 1)).astype(float)
    return (moved * random.uniform(0.95, 1.05) + random.normal(0, 2, image.shape)).clip(0, 255).astype(np.uint8)


def write_bursts(options, folder, random):
    """As many images as the reference has, in bursts of FRAMES; the list of path,group that says which belong together; and
    fresh images of the same source, one frame of each in-distribution test image."""
    images, labels = fashion_mnist.read("t10k")
    rows = draw(labels, options.inside, options.test_size // len(options.inside), random)
    save(folder / "fresh", [shaken(images[row], random) for row in rows], rows)
    images, labels = fashion_mnist.read("train")
    rows = draw(labels, options.inside, options.reference_size // len(options.inside) // FRAMES, random)
    lines = ["path,group"]
    for frame in range(FRAMES):
        save(folder / "images" / str(frame), [shaken(images[row], random) for row in rows], rows)
        lines += [f"{frame}/{row}.png,{row}" for row in rows]
    (folder / "groups.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_tests(options, folder, random):
    """One folder per group, which becomes the label in images.csv: inside, outside-LABEL and noise-1 to jpeg-3."""
    images, labels = fashion_mnist.read("t10k")
    rows = draw(labels, options.inside, options.test_size // len(options.inside), random)
    save(folder / "inside", images[rows], rows)
    outside = [c for c in CLASSES if c not in options.inside]
    for c in outside:
        rows = draw(labels, [c], options.test_size // len(outside), random)
        save(folder / f"outside-{fashion_mnist.LABELS[c]}", images[rows], rows)
    rows = draw(labels, options.inside, options.corrupted // len(options.inside), random)
    for kind in corruptions.PARAMETERS:
        for severity in corruptions.SEVERITIES:
            save(folder / f"{kind}-{severity}", corruptions.corrupt(images[rows], kind, severity, random), rows)


def build(options, images, reference, *arguments):
    driftd(options, "index", "build", "--model", options.model, "--images", images, "--kind", options.kind, "--out", reference,
           "--quiet", *arguments)  # fmt: skip


def audit(options, reference, rule, images):
    """The rows of images.csv by label: {"inside": [{"score": ..., "p_value": ..., "distance": ...}, ...], ...}."""
    report = reference.with_name(f"{reference.name}-audit-{rule}")
    driftd(options, "audit", "run", "--reference", reference, "--model", options.model, "--images", images,
           "--rule", rule, "--k", options.k, "--out", report, "--quiet")  # fmt: skip
    groups = {}
    with open(report / "images.csv", newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["status"] != "ok":
                sys.exit(f"{row['path']} was not scored: {row['reason']}")
            groups.setdefault(row["label"], []).append({key: float(row[key]) for key in ("score", "p_value", "distance")})
    return groups


def column(groups, name):
    return {label: np.array([row[name] for row in rows]) for label, rows in groups.items()}


def measure(scores, p_values, calibrated_on):
    """scores: by group; p_values: of the group "inside"."""
    inside = scores["inside"]
    outside = {name.partition("-")[2]: group for name, group in scores.items() if name.startswith("outside-")}
    everything = np.concatenate(list(outside.values()))
    corrupted = {
        kind: [figures.auroc(inside, scores[f"{kind}-{severity}"]) for severity in corruptions.SEVERITIES]
        for kind in corruptions.PARAMETERS
    }
    return {
        "auroc": figures.auroc(inside, everything),
        "fpr95": figures.fpr95(inside, everything),
        "class_auroc": {label: figures.auroc(inside, group) for label, group in outside.items()},
        "false_alarms": [figures.false_alarms(p_values, alpha, calibrated_on) for alpha in (0.05, 0.01)],
        "ks_uniform": figures.ks_uniform(p_values),
        "corruption_auroc": corrupted,
        "corruption_auroc_mean": np.mean(list(corrupted.values()), axis=0).tolist(),
    }


def run(options, work):
    random = np.random.default_rng(options.seed)
    if not options.model:
        options.model = work / "model"
        driftd(options, "model", "export", "--default", "--out", options.model)
    write_reference(options, work / "images", random)
    write_tests(options, work / "tests", random)
    build(options, work / "images", work / "reference")
    rules = {}
    for rule in options.rules:
        found = audit(options, work / "reference", rule, work / "tests")
        rules[rule] = measure(column(found, "score"), column(found, "p_value")["inside"], options.reference_size)
    model = json.loads((options.model / "model.json").read_text(encoding="utf-8"))
    built = json.loads((work / "reference" / "versions" / "1" / "reference.json").read_text(encoding="utf-8"))
    return {
        "workload": "fashion-mnist", "inside": [fashion_mnist.LABELS[c] for c in options.inside],
        "reference_size": options.reference_size, "test_size": options.test_size, "corrupted": options.corrupted,
        "kind": options.kind, "search": built["search"], "k": options.k, "seed": options.seed, "corruptions": corruptions.PARAMETERS,
        "model": {key: model[key] for key in ("name", "precision", "dimension")}, "rules": rules,
        "calibrations": calibrations(options, work, random),
    }  # fmt: skip


def calibrations(options, work, random):
    """False alarms by the rule blend, by the way in which the reference was calibrated."""
    write_bursts(options, work / "bursts", random)
    bursts, groups = work / "bursts" / "images", work / "bursts" / "groups.csv"
    inside, fresh = work / "tests" / "inside", work / "bursts" / "fresh"
    size = options.reference_size
    ways = {
        "one image left out": (work / "images", inside, [], size),
        "a fifth held out": (work / "images", inside, ["--held-out", 0.2], size // 5),
        "bursts, one image left out": (bursts, fresh, [], size // FRAMES),
        "bursts, one burst left out": (bursts, fresh, ["--groups", groups], size // FRAMES),
        "bursts, a fifth of them held out": (bursts, fresh, ["--groups", groups, "--held-out", 0.2], size // FRAMES // 5),
    }
    results = {}
    for number, (name, (images, tests, arguments, independent)) in enumerate(ways.items()):
        reference = work / f"calibrated-{number}"
        build(options, images, reference, *arguments)
        found = audit(options, reference, "blend", tests)[""]  # a flat folder has no labels
        p_values = np.array([row["p_value"] for row in found])
        alarms = [figures.false_alarms(p_values, alpha, independent) for alpha in (0.05, 0.01)]
        results[name] = {"false_alarms": alarms, "ks_uniform": figures.ks_uniform(p_values)}
    return results


def calibration_table(result):
    lines = ["| calibrated with | false alarms at alpha 0.05 | at 0.01 | KS distance |", "| --- | --- | --- | --- |"]
    for name, figure in result["calibrations"].items():
        rates = ["{rate:.4f} (+- {standard_error:.4f})".format(**alarms) for alarms in figure["false_alarms"]]
        lines.append(f"| {name} | {rates[0]} | {rates[1]} | {figure['ks_uniform']:.3f} |")
    return "\n".join(lines)


def table(result):
    lines = ["| | " + " | ".join(result["rules"]) + " |", "| --- |" + " --- |" * len(result["rules"])]

    def line(name, text):
        lines.append(f"| {name} | " + " | ".join(text(rule) for rule in result["rules"].values()) + " |")

    line("AUROC, other classes", lambda r: f"{r['auroc']:.3f}")
    for label in next(iter(result["rules"].values()))["class_auroc"]:
        line(f"- {label}", lambda r: f"{r['class_auroc'][label]:.3f}")
    line("FPR95, other classes", lambda r: f"{r['fpr95']:.3f}")
    for i, alpha in enumerate(("0.05", "0.01")):
        line(f"false alarms at alpha {alpha}", lambda r: "{rate:.4f} (+- {standard_error:.4f})".format(**r["false_alarms"][i]))
    line("KS distance of p-values from uniform", lambda r: f"{r['ks_uniform']:.3f}")
    line("AUROC, corruptions, severity 1 / 2 / 3", lambda r: " / ".join(f"{x:.3f}" for x in r["corruption_auroc_mean"]))
    for kind in result["corruptions"]:
        line(f"- {kind}", lambda r: " / ".join(f"{x:.3f}" for x in r["corruption_auroc"][kind]))
    return "\n".join(lines)


def report(options, result):
    options.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(table(result), calibration_table(result), sep="\n\n")
    print(f"\n{options.out} has all figures ({result['seconds']} s on {result['machine']['text']})", flush=True)


def main(arguments):
    options = parse(arguments)
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="driftd-detection-") as work:
        result = run(options, pathlib.Path(work))
        report(options, result | {"machine": machine.describe(), "seconds": round(time.monotonic() - start)})


if __name__ == "__main__":
    main(sys.argv[1:])
