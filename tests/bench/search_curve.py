#!/usr/bin/env python3
"""Draws what search_bench measured: time per query against the number of vectors, and the table of all figures.

Writes search.svg and search.md into a folder. Needs matplotlib (scripts/bootstrap --tests installs it).
"""

import argparse
import json
import pathlib
import sys

KINDS = {"flat": "#1b6ca8", "fp16": "#d64545", "sq8": "#7a5195", "ivf": "#2f9e44", "ivfsq8": "#e8890c", "faiss": "#999999", "faiss-blas": "#cccccc"}
PAGE = """# What a search costs

![Time per query against the number of vectors]({figure})

{description}

{table}

*Read alone* is how long the machine takes just to read, on all its cores, the bytes that one query reads, from memory in pages of 4 KiB: no search that reads them so
can be faster at batch 1, but for what the cache still holds of them; the bytes of `flat` and `ivf` lie in pages of 2 MiB, which this machine reads faster. For `flat` and `ivf` that is a byte of each value, from some thousand vectors on, for FAISS's rows the
floats; in a batch arithmetic counts more. *Cells* are those that a query reads of all; their number is the smallest tried with a recall@3 of at least
0.99, or, for codes, as much as their rounding allows. *Memory* is what the index takes; FAISS's own search of the same vectors is
there for comparison, as it is and, as `faiss-blas`, through matrix multiplication for every batch. *Score error* is the mean absolute
difference of the drift score from exact search; the score spreads by some units on typical images. `driftd index build` also reads more
cells until that is at most 0.01, which the cells of this table, of a small index, are not.

## Which kind to choose

- `auto`, the default, is right where nothing else presses: exact (`flat`) up to 400,000 vectors of 512 values, or 100,000 where the processor lacks AVX-512 VNNI, `ivf` beyond.
- `ivf` takes a quarter to a third of `flat`'s time for a lone query, about as long for eight together, half for 64, at the price of a longer build and of a neighbour that is missed now and then. It reads bytes first as `flat` does, and both
  keep them beside the vectors: 27 to 30% more memory.
- `fp16` and `sq8` save memory, not time: half of it at hardly any error, or a quarter. Both turn codes into floats and compare those, so that in batches they take several times as
  long as `flat`, which compares bytes as they are.
- `ivfsq8` is for references so large that the vectors themselves do not fit. Where they do, `ivf` is faster and exact within its cells.

{libraries}{detection}This page is generated. To make it again, on a machine that does nothing else:

```
cmake --build --preset release --target search_bench
build/release/tests/bench/search_bench {arguments} >search.json
.venv/bin/python tests/bench/search_curve.py --machine "{machine}" --out docs search.json
```
"""
LIBRARIES = """## Beside other libraries

The same vectors and queries on the same machine with as many threads (`search_bench --vectors FILE`, `tests/bench/peers/searches.py`), milliseconds a query. `faiss IVF` has as
many cells as `ivf` above and reads as many.

{table}

"""
DETECTION = """## What it costs in detection

Real images (`tests/bench/detection.py --kind`, {description}): how near each kind comes to exact search there, and what is left of the
AUROC, which tells other classes of clothes from the reference's five.

{table}

"""


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("results", type=pathlib.Path, nargs="+", metavar="JSON", help="what search_bench printed, of one or more runs")
    parser.add_argument("--detection", type=pathlib.Path, nargs="*", default=[], metavar="JSON", help="what detection.py wrote, of several kinds")
    parser.add_argument("--libraries", type=pathlib.Path, nargs="*", default=[], metavar="JSON", help="what peers/searches.py printed, of several sizes")
    parser.add_argument("--machine", required=True, metavar="TEXT", help="where it ran, for the page")
    parser.add_argument("--note", default="", metavar="TEXT", help="a sentence for the page: what else ran, say")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("docs"), metavar="DIR", help="default: docs")
    return parser.parse_args(arguments)


def in_order(results):
    """By size, then as KINDS has them."""
    return sorted(results, key=lambda row: (row["rows"], list(KINDS).index(row["kind"])))


def draw(measured, path):
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "driftd", "svg.fonttype": "none", "font.size": 10})
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7.2, 4.4))
    for kind, colour in KINDS.items():
        rows = [row for row in in_order(measured["results"]) if row["kind"] == kind and "1" in row["ms"]]
        if rows and not kind.startswith("faiss"):
            axes.plot([r["rows"] for r in rows], [r["ms"]["1"] for r in rows], "o-", color=colour, label=kind)
    flat = [row for row in in_order(measured["results"]) if row["kind"] == "flat"]
    axes.plot([r["rows"] for r in flat], [r["bound_ms"] for r in flat], "--", color="#888888", label="reading alone (flat)")
    axes.set(xscale="log", yscale="log", xlabel=f"vectors of {measured['dimension']} values", ylabel="ms per query, one at a time")
    axes.grid(True, which="major", color="#dddddd")
    axes.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def number(value):
    """Two or three digits, however large: 0.034, 1.3, 26, 1200."""
    return "0" if value == 0 else f"{value:.0f}" if value >= 100 else f"{value:.2g}"


def table(measured):
    batches = list(measured["results"][0]["ms"])
    heads = ["vectors", "kind", "cells", "recall@3", "score error", *(f"batch {b}, ms" for b in batches), "read alone, ms", "memory, MiB", "build, s"]
    lines = ["| " + " | ".join(heads) + " |", "| --- " * len(heads) + "|"]
    for row in in_order(measured["results"]):
        ours = not row["kind"].startswith("faiss")
        cells = f"{row['nprobe']} of {row['nlist']}" if row["nlist"] else "-"
        figures = [f"{row['rows']:,}", row["kind"], cells, f"{row['recall_at_3']:.3f}" if ours else "-", number(row["score_error"]) if ours else "-",
                   *(number(row["ms"][b]) for b in batches), number(row["bound_ms"]),
                   number(row["memory_mib"]) if ours else "-", number(row["build_s"]) if row["build_s"] else "-"]  # fmt: skip
        lines.append("| " + " | ".join(figures) + " |")
    return "\n".join(lines)


def detection(results):
    """The section on real images; nothing without results."""
    if not results:
        return ""
    by_kind = sorted(results, key=lambda result: list(KINDS).index(result["kind"]))
    exact = next(result["rules"]["blend"]["auroc"] for result in by_kind if result["kind"] == "flat")
    lines = ["| kind | cells | recall@3 | score error | AUROC | change | false alarms at 0.05 |", "| --- " * 7 + "|"]
    for result in by_kind:
        search, blend = result["search"], result["rules"]["blend"]
        cells = f"{search['nprobe']} of {search['nlist']}" if search["nlist"] else "-"
        lines.append(f"| {result['kind']} | {cells} | {search['recall_at_3']:.3f} | {number(search['score_error'])} | {blend['auroc']:.4f} "
                     f"| {blend['auroc'] - exact:+.4f} | {blend['false_alarms'][0]['rate']:.3f} |")  # fmt: skip
    first = by_kind[0]
    description = f"{first['reference_size']} reference images, {first['test_size']} test images each, seed {first['seed']}"
    return DETECTION.format(description=description, table="\n".join(lines))


def libraries(rows):
    """The section on other libraries; nothing without results."""
    rows = sorted((row for row in rows if "error" not in row), key=lambda row: row["rows"])
    if not rows:
        return ""
    batches = list(rows[0]["ms"])
    heads = ["vectors", "library", "recall@3", *(f"batch {b}, ms" for b in batches), "memory, MiB", "build, s"]
    lines = ["| " + " | ".join(heads) + " |", "| --- " * len(heads) + "|"]
    for row in rows:
        figures = [f"{row['rows']:,}", row["library"], f"{row['recall_at_3']:.3f}", *(number(row["ms"][b]) for b in batches),
                   number(row["memory_mib"]), number(row["build_s"])]  # fmt: skip
        lines.append("| " + " | ".join(figures) + " |")
    return LIBRARIES.format(table="\n".join(lines))


def page(measured, machine, note, others, on_images):
    rows = sorted({row["rows"] for row in measured["results"]})
    kinds = [kind for kind in KINDS if any(row["kind"] == kind for row in measured["results"])]
    description = (
        f"{machine}; vectors of {measured['dimension']} values shaped like embeddings, fresh queries of the same source, {measured['k']} "
        "neighbours each. Times are medians per query in milliseconds, asked one, or several at once. The vectors lie in clusters, so that "
        f"cells suit them: expect more cells to be read of data that do not. {note}"
    )
    arguments = f"--rows {','.join(map(str, rows))} --kinds {','.join(kinds)} --batches {','.join(measured['results'][0]['ms'])}"
    return PAGE.format(figure="search.svg", description=description.strip(), table=table(measured), libraries=libraries(others), detection=detection(on_images), arguments=arguments, machine=machine)


def main(arguments):
    options = parse(arguments)
    runs = [json.loads(path.read_text(encoding="utf-8")) for path in options.results]
    images = [json.loads(path.read_text(encoding="utf-8")) for path in options.detection]
    others = [json.loads(line) for path in options.libraries for line in path.read_text(encoding="utf-8").splitlines()]
    measured = runs[0] | {"results": [row for run in runs for row in run["results"]]}
    if not measured["results"]:
        sys.exit("there are no results to draw")
    options.out.mkdir(parents=True, exist_ok=True)
    draw(measured, options.out / "search.svg")
    (options.out / "search.md").write_text(page(measured, options.machine, options.note, others, images), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
