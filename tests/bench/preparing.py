"""What a race needs, made once in a cache folder outside the tree: environments, photographs, models, references.

The folder is $DRIFTD_CACHE, or $XDG_CACHE_HOME/driftd, or ~/.cache/driftd. Every contestant but driftd has an environment of its
own with pinned versions; all see the project's PyTorch, NumPy and Pillow behind them, so that stacks race and not versions.
"""

import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CACHE = pathlib.Path(os.environ.get("DRIFTD_CACHE") or pathlib.Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "driftd")).expanduser() / "race"
SIZES = ("224x224", "640x480", "4000x3000")
PRECISIONS = ("bf16", "fp32", "int8")
ROWS, SEED = 100_000, 1
CLOTHES = 40_000
ENVIRONMENTS = {"tutorial": "requirements.txt", "openvino": "requirements-openvino.txt", "search": "requirements-search.txt"}
NO_DEPENDENCIES = {"openvino": ["nncf==3.4.0"]}  # it would bring a PyTorch of its own


class Failed(Exception):
    """Something that is needed cannot be made; the text says what and why."""


def call(*command, **options):
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **options)
    if done.returncode != 0:
        raise Failed(f"{' '.join(map(str, command))} failed with code {done.returncode}:\n{done.stdout[-2000:]}")
    return done.stdout


def once(path, make):
    """Makes path by make(temporary path), unless it is there; nobody sees half of it."""
    if not path.exists():
        print(f"preparing {path.relative_to(CACHE)}", file=sys.stderr, flush=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(path.name + ".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        make(unfinished)
        unfinished.rename(path)
    return path


def environment(name):
    """The Python of a contestant's environment."""

    def purelib(python):
        return pathlib.Path(call(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())

    def make(path):
        call(ROOT / ".venv/bin/python", "-m", "venv", path)
        pip = [path / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        share(path)
        call(*pip, "-r", HERE / "peers" / ENVIRONMENTS[name])
        if name in NO_DEPENDENCIES:
            call(*pip, "--no-deps", *NO_DEPENDENCIES[name])

    def share(path):
        """Torch comes from the project's own environment, of whichever checkout runs this."""
        (purelib(path / "bin/python") / "driftd.pth").write_text(f"{purelib(ROOT / '.venv/bin/python')}\n", encoding="utf-8")

    path = once(CACHE / "environments" / name, make)
    share(path)
    return path / "bin/python"


def photographs():
    """The folder with a folder for each size, and `audit`, 512 files of 640x480."""
    python = environment("tutorial")
    return once(CACHE / "photographs", lambda path: call(python, HERE / "peers/photographs.py", path))


def bundle(build, precision):
    def make(path):
        calibration = ["--calibrate-on", photographs() / "audit", "--accept-loss"] if precision == "int8" else []
        call(build / "driftd", "model", "export", "--out", path, "--factory", "resnet18:resnet18", "--layer", "avgpool", "--precision", precision,
             "--resize-mode", "short_side", "--short-side", 256, *calibration,
             env=os.environ | {"PYTHONPATH": str(HERE / "peers"), "PYTHONDONTWRITEBYTECODE": "1"})  # fmt: skip

    return once(CACHE / "models" / precision, make)


def default_bundle(build):
    """The default model in bf16: EfficientNet-Lite0, four pools."""
    return once(CACHE / "models/default", lambda path: call(build / "driftd", "model", "export", "--default", "--precision", "bf16", "--out", path))


def clothes():
    """Real images: `train`, CLOTHES of Fashion-MNIST's training file as they are, and `224x224`, 64 of its test file as photographs()' are."""

    def make(path):
        sys.path.insert(0, str(ROOT / "scripts"))
        import fashion_mnist
        from PIL import Image

        for part, count, name in (("train", CLOTHES, "train"), ("t10k", 64, SIZES[0])):
            (path / name).mkdir(parents=True)
            for number, pixels in enumerate(fashion_mnist.read(part)[0][:count]):
                image = Image.fromarray(pixels)
                if name == "train":
                    image.save(path / name / f"{number:05}.png", compress_level=1)
                else:
                    image.convert("RGB").resize((224, 224)).save(path / name / f"{number:03}.jpg", quality=90)

    return once(CACHE / "clothes", make)


def clothes_reference(build):
    """Of those images and the default model."""
    images, model = clothes() / "train", default_bundle(build)
    return once(CACHE / "references/clothes", lambda path: call(build / "driftd", "index", "build", "--model", model, "--images", images, "--out", path, "--quiet"))


def reference(build, name):
    """The reference of a driftd contestant: PRECISION, or PRECISION-KIND for another index than exact search. All hold the same vectors."""
    precision, _, kind = name.partition("-")
    kind = kind or "flat"
    maker = build / "tests/bench/make_reference"
    if not maker.exists():
        raise Failed(f"{maker} is missing: cmake --build --preset release --target driftd make_reference hot_path_bench search_bench")
    models = [bundle(build, precision) for precision in PRECISIONS]
    return once(CACHE / "references" / kind, lambda path: call(maker, ROWS, SEED, kind, path, *models)) / precision


def openvino_models():
    """bf16.xml and int8.xml of the same network."""
    python = environment("openvino")
    images = photographs() / "audit"
    return once(CACHE / "openvino", lambda path: call(python, HERE / "peers/openvino_model.py", images, path))


def openvino_default():
    """bf16.xml of the default model."""
    python = environment("openvino")
    return once(CACHE / "openvino-default", lambda path: call(python, HERE / "peers/openvino_model.py", "default", path))


def flat_index(build):
    """The vectors as a FAISS file, which FAISS's own library reads."""
    return reference(build, "fp32") / "versions/1/vectors.faiss"


def quantised_index(build):
    python = environment("openvino")
    source = flat_index(build)
    return once(CACHE / "sq8.faiss", lambda path: call(python, HERE / "peers/quantise_index.py", source, path))
