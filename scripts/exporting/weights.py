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
REPACKING = 3  # times as long as a run: small models, too, take longer together, but not that much


def need_compiler():
    compiler = os.environ.get("CXX", "g++")
    if not shutil.which(compiler):
        advice = "install g++, set CXX, or ask for --formats torchscript"
        raise ExportError(f"the format aotinductor needs a C++ compiler, and '{compiler}' is not there: {advice}")


def write_weights(module, pixels, formats, batches, directory):
    """Writes one file for each format and batch size. Returns their entries for model.json, and the constants of the compiled ones."""
    entries, constants = [], {}
    if "torchscript" in formats:
        progress("writing TorchScript")
        write_torchscript(module, pixels, directory / "model.pt")
        entries.append({"file": "model.pt", "format": "torchscript", "batch": 0})
    for batch in batches if "aotinductor" in formats else []:
        progress(f"compiling AOTInductor for batch size {batch} (10 to 30 s)")
        file = f"model-b{batch}.pt2"
        constants[file] = write_aotinductor(module, fill_batch(pixels, batch), directory / file)
        entries.append({"file": file, "format": "aotinductor", "batch": batch})
    return entries, constants


def write_torchscript(module, pixels, path):
    # Not optimize_for_inference: what it makes cannot be saved, and it measured no faster than a frozen module.
    try:
        with torch.no_grad():
            torch.jit.freeze(torch.jit.trace(module, pixels, check_trace=False)).save(str(path))
    except Exception as error:
        raise ExportError(f"TorchScript cannot trace the model: {brief(error)}") from error


def write_aotinductor(module, pixels, path, packed_for=1):
    """Returns the program's constants by the names that load_constants() knows. packed_for: threads."""
    try:
        with tempfile.TemporaryDirectory(prefix="driftd-inductor-") as cache, torch.no_grad(), named_constants() as constants:
            os.environ["TORCHINDUCTOR_CACHE_DIR"] = cache
            program = torch.export.export(module, (pixels,))
            # Freezing lets the compiler fold and reorder weights. Threads are counted when the program runs: whoever runs
            # it may compute one image with all cores, or an image with each. But oneDNN packs weights for as many as
            # there are now, and packs them again at each run where another number wants another order, in up to
            # twenty times the run itself: for one thread, as nearly all runs are (write_lone() makes the exception).
            configuration = {"freezing": True, "cpp.dynamic_threads": True, "cpp.threads": torch.get_num_threads()}
            with threads(packed_for):
                torch._inductor.aoti_compile_and_package(program, package_path=str(path), inductor_configs=configuration)
            return constants
    except Exception as error:
        raise ExportError(f"AOTInductor cannot compile the model; try --formats torchscript: {brief(error)}") from error


@contextlib.contextmanager
def named_constants():
    """Gives each constant of a program that is compiled meanwhile a name of its own, and collects the constants.

    The scales and the zero points of all quantised layers get two names otherwise, and a service, which tells constants by name,
    could not let the programs of a bundle share their weights.
    """
    allocate = GraphLowering.allocate_non_dup_const_name
    constants = {}

    def allocate_distinct(graph, name, data):
        own = allocate(graph, name, data)
        original = graph.allocated_constant_name
        if any(known == original[own] and other != own for other, known in original.items()):
            original[own] = own
        constants[graph.dynamo_flat_name_to_original_fqn.get(own, original[own])] = data
        return own

    GraphLowering.allocate_non_dup_const_name = allocate_distinct
    try:
        yield constants
    finally:
        GraphLowering.allocate_non_dup_const_name = allocate


def check_weights(directory, entries, constants, pixels, expected, tolerance):
    """Loads each file, compares with the expected embeddings, and notes what the compiled ones cost. constants: of those."""
    compiled = {}
    for entry in entries:
        path, batch = directory / entry["file"], entry["batch"]
        if batch:
            compiled[path.name] = load_compiled(path, batch, constants[path.name], pixels, expected, tolerance)
        else:
            check(torch.jit.load(path), path.name, [1, len(pixels)], pixels, expected, tolerance)
    note_costs(entries, compiled)


def load_compiled(path, batch, constants, pixels, expected, tolerance):
    """A run of best_seconds: a program that computes what is expected, and its input."""
    program = torch._inductor.aoti_load_package(str(path))
    check(program, path.name, [batch], pixels, expected, tolerance)
    use_lines(program, constants)
    return program, fill_batch(pixels, batch)


def check(program, name, sizes, pixels, expected, tolerance):
    with torch.no_grad():
        worst = max((program(fill_batch(pixels, n)) - fill_batch(expected, n)).abs().max().item() for n in sizes)
    progress(f"{name}: within {worst:.1e} of eager float32 (tolerance {tolerance:g})")
    if not worst <= tolerance:  # a NaN also fails
        raise ExportError(f"{name} differs from eager float32 by {worst:.2g}, tolerance {tolerance:g}")


def write_lone(module, entries, pixels, expected, tolerance, directory):
    """A further program of batch size 1 for all threads together, where a lone image gains by it: its entry for model.json, else None.

    Where threads together take several times as long for one image as one of them, they pack weights at each run. In this program
    those are packed for as many threads as PyTorch has now.
    """
    count = torch.get_num_threads()
    alone = next((entry for entry in entries if entry["format"] == "aotinductor" and entry["batch"] == 1), None)
    if alone is None or alone["milliseconds_together"] < REPACKING * alone["milliseconds"]:
        return None
    progress(f"compiling AOTInductor for a lone image on {count} threads (10 to 30 s)")
    path = directory / "model-lone.pt2"
    constants = write_aotinductor(module, fill_batch(pixels, 1), path, count)
    run = load_compiled(path, 1, constants, pixels, expected, tolerance)
    milliseconds = round(1000 * best_seconds({path.name: run})[path.name], 4)
    progress(f"{path.name}: {milliseconds:.2f} ms an image, {alone['milliseconds']:.2f} on one thread")
    if milliseconds < alone["milliseconds"]:
        return {"file": path.name, "threads": count, "milliseconds": milliseconds}
    path.unlink()
    return None


def use_lines(program, constants):
    """Lets a program use these constants in place of those that it has loaded.

    They begin where lines of the processor's cache do, as they will in a service, and not wherever malloc() has put them: with AMX
    that makes a convolution twice as fast.
    """
    names = program.get_constant_fqns()
    if set(names) <= constants.keys():
        program.load_constants({name: constants[name] for name in names}, check_full_update=True, user_managed=True)


def note_costs(entries, compiled):
    """What a run takes at best: one thread, which tells a service what batches are worth their while; and all threads
    together, which tells whether a lone image should be theirs. compiled: as runs of best_seconds."""
    together = best_seconds(compiled)
    with threads(1):
        alone = best_seconds(compiled)
    for entry in entries:
        file = entry["file"]
        if file in alone:
            entry["milliseconds"] = round(1000 * alone[file], 4)
            entry["milliseconds_together"] = round(1000 * together[file], 4)
            each, shared = entry["milliseconds"] / entry["batch"], entry["milliseconds_together"] / entry["batch"]
            progress(f"{file}: {each:.2f} ms an image on one thread, {shared:.2f} on {torch.get_num_threads()} together")


@contextlib.contextmanager
def threads(count):
    """As many for PyTorch, meanwhile."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


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
