"""What int8 costs and gains, measured on the user's images: drift scores by the float32 and by the int8 model.

Half of the images are a reference, the other half are new ones; what is to be told from those are images that the user
names, or else the new ones corrupted. Each model makes its own reference, as it will in use. The score is the mean
distance to the three nearest reference images.
"""

import pathlib
import tempfile

import numpy as np
import torch

from exporting.errors import ExportError, progress
from exporting.images import corrupt, prepare, read_images
from exporting.weights import best_seconds, fill_batch, write_aotinductor

ALPHA = 0.05
NEAREST = 3
LARGEST_LOSS = 0.005  # of AUROC, without --accept-loss


def measure(options, preprocess, photographs, float_module, path, batch):
    """Figures by precision, of the int8 program in the file `path` and of float_module compiled alike."""
    half = len(photographs) // 2
    reference, inside = photographs[:half], photographs[half:]
    outside = read_images(options.outliers, len(inside)) if options.outliers else corrupt(inside)
    sets = [prepare(images, preprocess) for images in (reference, inside, outside)]
    progress(f"comparing int8 with fp32 on {len(inside)} and {len(outside)} images against {half}")
    with tempfile.TemporaryDirectory(prefix="driftd-fp32-") as temporary:
        other = pathlib.Path(temporary, "fp32.pt2")
        write_aotinductor(float_module, fill_batch(sets[0], batch), other)
        programs = {"fp32": other, "int8": path}
        programs = {name: torch._inductor.aoti_load_package(str(file)) for name, file in programs.items()}
        figures = evaluate(programs, batch, sets)
    return figures | {"against": options.outliers or "corruptions", "images": len(photographs), "alpha": ALPHA}


def evaluate(programs, batch, sets):
    """Figures by precision. programs: name -> program of that batch size; sets: reference, inside, outside images."""
    figures = {name: {} for name in programs}
    for name, program in programs.items():
        reference, inside, outside = (embed(program, batch, images) for images in sets)
        own, new, strange = scores(reference, reference, 1), scores(reference, inside), scores(reference, outside)
        limit = np.quantile(own, 1 - ALPHA, method="higher")
        figures[name] = {"auroc": round(auroc(new, strange), 4), "false_alarm_rate": round(float(np.mean(new > limit)), 4)}
    for name, seconds in best_seconds({name: (program, sets[0][:batch]) for name, program in programs.items()}).items():
        figures[name]["images_per_second"] = round(batch / seconds, 1)
    return figures


def embed(program, batch, images):
    with torch.no_grad():
        parts = [program(fill_batch(images[i : i + batch], batch))[: len(images) - i] for i in range(0, len(images), batch)]
    return torch.cat(parts)


def scores(reference, queries, skip=0):
    """skip=1 leaves out the nearest: the query itself."""
    exact = "donot_use_mm_for_euclid_dist"
    nearest = torch.cdist(queries, reference, compute_mode=exact).topk(NEAREST + skip, largest=False).values
    return nearest[:, skip:].mean(1).numpy()


def auroc(inside, outside):
    """The probability that an outside score exceeds an inside one, a tie counting half."""
    below = np.searchsorted(np.sort(inside), outside, "left") + np.searchsorted(np.sort(inside), outside, "right")
    return float(below.mean() / 2 / len(inside))


def summary(figures):
    old, new = figures["fp32"], figures["int8"]
    return (
        f"int8 against fp32: AUROC {new['auroc']:.4f} against {old['auroc']:.4f}, "
        f"false alarms {new['false_alarm_rate']:.3f} against {old['false_alarm_rate']:.3f} at alpha {ALPHA}, "
        f"{new['images_per_second'] / old['images_per_second']:.1f} times as fast"
    )


def check_loss(figures, accepted):
    loss = figures["fp32"]["auroc"] - figures["int8"]["auroc"]
    if loss > LARGEST_LOSS and not accepted:
        advice = "use --precision bf16, calibrate on more images, or take the loss with --accept-loss"
        raise ExportError(f"int8 loses {loss:.4f} of AUROC, more than {LARGEST_LOSS} ({summary(figures)}): {advice}")
