"""Writes the weights files of a bundle and checks that they compute what eager PyTorch computes."""

import contextlib
import os
import shutil
import tempfile
import time

import torch
from torch._inductor.graph import GraphLowering

from exporting.errors import ExportError, brief, progress

TIMED_RUNS = 20


def need_compiler():
    compiler = os.environ.get("CXX", "g++")
    if not shutil.which(compiler):
        advice = "install g++, set CXX, or ask for --formats torchscript"
        raise ExportError(f"the format aotinductor needs a C++ compiler, and '{compiler}' is not there: {advice}")


def write_weights(module, pixels, formats, batches, directory):
    """Writes one file for each format and batch size. Returns their entries for model.json."""
    entries = []
    if "torchscript" in formats:
        progress("writing TorchScript")
        write_torchscript(module, pixels, directory / "model.pt")
        entries.append({"file": "model.pt", "format": "torchscript", "batch": 0})
    for batch in batches if "aotinductor" in formats else []:
        progress(f"compiling AOTInductor for batch size {batch} (10 to 30 s)")
        file = f"model-b{batch}.pt2"
        write_aotinductor(module, fill_batch(pixels, batch), directory / file)
        entries.append({"file": file, "format": "aotinductor", "batch": batch})
    return entries


def write_torchscript(module, pixels, path):
    # Not optimize_for_inference: what it makes cannot be saved, and it measured no faster than a frozen module.
    try:
        with torch.no_grad():
            torch.jit.freeze(torch.jit.trace(module, pixels, check_trace=False)).save(str(path))
    except Exception as error:
        raise ExportError(f"TorchScript cannot trace the model: {brief(error)}") from error


def write_aotinductor(module, pixels, path):
    try:
        with tempfile.TemporaryDirectory(prefix="driftd-inductor-") as cache, torch.no_grad(), distinct_names():
            os.environ["TORCHINDUCTOR_CACHE_DIR"] = cache
            program = torch.export.export(module, (pixels,))
            # Freezing lets the compiler fold and reorder weights. Threads are counted when the program runs: whoever runs
            # it may compute one image with all cores, or an image with each.
            configuration = {"freezing": True, "cpp.dynamic_threads": True}
            torch._inductor.aoti_compile_and_package(program, package_path=str(path), inductor_configs=configuration)
    except Exception as error:
        raise ExportError(f"AOTInductor cannot compile the model; try --formats torchscript: {brief(error)}") from error


@contextlib.contextmanager
def distinct_names():
    """Gives each constant of a program a name of its own.

    The scales and the zero points of all quantised layers get two names otherwise, and a service, which tells constants by name,
    could not let the programs of a bundle share their weights.
    """
    allocate = GraphLowering.allocate_non_dup_const_name

    def allocate_distinct(graph, name, data):
        own = allocate(graph, name, data)
        original = graph.allocated_constant_name
        if any(known == original[own] and other != own for other, known in original.items()):
            original[own] = own
        return own

    GraphLowering.allocate_non_dup_const_name = allocate_distinct
    try:
        yield
    finally:
        GraphLowering.allocate_non_dup_const_name = allocate


def check_weights(directory, entries, pixels, expected, tolerance):
    """Loads each file as a service would, compares with the expected embeddings, and notes what the compiled ones cost."""
    compiled = {}
    for entry in entries:
        path = str(directory / entry["file"])
        program = torch.jit.load(path) if entry["format"] == "torchscript" else torch._inductor.aoti_load_package(path)
        sizes = [entry["batch"]] if entry["batch"] else [1, len(pixels)]
        with torch.no_grad():
            worst = max((program(fill_batch(pixels, n)) - fill_batch(expected, n)).abs().max().item() for n in sizes)
        progress(f"{entry['file']}: within {worst:.1e} of eager float32 (tolerance {tolerance:g})")
        if not worst <= tolerance:  # a NaN also fails
            raise ExportError(f"{entry['file']} differs from eager float32 by {worst:.2g}, tolerance {tolerance:g}")
        if entry["batch"]:
            compiled[entry["file"]] = program, fill_batch(pixels, entry["batch"])
    note_costs(entries, compiled)


def note_costs(entries, compiled):
    """What a run takes one thread at best, which tells a service what batches are worth their while. compiled: as runs of best_seconds."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        seconds = best_seconds(compiled)
    finally:
        torch.set_num_threads(threads)
    for entry in entries:
        if entry["file"] in seconds:
            entry["milliseconds"] = round(1000 * seconds[entry["file"]], 4)
            progress(f"{entry['file']}: {entry['milliseconds'] / entry['batch']:.2f} ms an image on one thread")


def best_seconds(runs):
    """Of one run of each program, in turn, so that other work on the machine slows all of them. runs: name -> (program, its input)."""
    best = dict.fromkeys(runs, float("inf"))
    with torch.no_grad():
        for _ in range(TIMED_RUNS):
            for name, (program, pixels) in runs.items():
                start = time.perf_counter()
                program(pixels)
                best[name] = min(best[name], time.perf_counter() - start)
    return best


def fill_batch(rows, batch):
    """The first `batch` of the rows, which are repeated as often as needed."""
    return rows[torch.arange(batch) % len(rows)].contiguous()
