#!/usr/bin/env python3
"""The story of driftd in a minute: learn five kinds of clothing, then meet a product nobody trained on and a dirty lens.

Everything is real: the default model with its ImageNet weights, Zalando's photographs (Fashion-MNIST), the service over HTTP.
Files go to demo-data/ and are kept; the service's own data goes to a temporary folder.
"""

import argparse
import io
import json
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request

import numpy
from PIL import Image, ImageEnhance, ImageFilter

import fashion_mnist
from fashion_mnist import LABELS

ROOT = pathlib.Path(__file__).resolve().parents[1]
DATA = ROOT / "demo-data"
DRIFTD = ROOT / "build/release/driftd"
TRAINED = range(0, 5)
PER_CLASS = 300


def say(text=""):
    print(text, flush=True)


def chapter(title):
    say(f"\n\033[1m{title}\033[0m" if sys.stdout.isatty() else f"\n== {title}")


def png(image):
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def dirty_lens(image):
    return ImageEnhance.Brightness(image.filter(ImageFilter.GaussianBlur(1.2))).enhance(0.6)


def driftd(*arguments):
    say("$ driftd " + " ".join(str(a).replace(f"{ROOT}/", "") for a in arguments))
    if subprocess.run([DRIFTD, *arguments]).returncode != 0:
        sys.exit("demo: that command failed; its message is above")


def prepare():
    """The model bundle and the reference, made once."""
    model, reference, train = DATA / "model", DATA / "reference", DATA / "train"
    if subprocess.run([DRIFTD, "model", "verify", model], capture_output=True).returncode != 0:
        shutil.rmtree(model, ignore_errors=True)
        driftd("model", "export", "--default", "--out", model)
    images, labels = fashion_mnist.read("train")
    for c in TRAINED:
        (train / LABELS[c]).mkdir(parents=True, exist_ok=True)
        for i in numpy.flatnonzero(labels == c)[:PER_CLASS]:
            Image.fromarray(images[i]).save(train / LABELS[c] / f"{i}.png")
    shutil.rmtree(reference, ignore_errors=True)
    driftd("index", "build", "--model", model, "--images", train, "--out", reference)
    return reference


class Service:
    def __init__(self, reference, folder):
        config = {"http": {"port": 0}, "admin": {"port": 0}, "references": {"default": str(reference)}, "data_directory": f"{folder}/data",
                  "streams": {"window": 200}, "alerts": {"min_images": 50}}
        (folder / "config.json").write_text(json.dumps(config))
        self.process = subprocess.Popen([DRIFTD, "serve", "--config", folder / "config.json"], stdout=subprocess.PIPE, stderr=open(folder / "log", "w"), text=True)
        line = self.process.stdout.readline()
        if not (found := re.search(r"ready on (\S+) \(admin (\S+)\)", line)):
            sys.exit(f"demo: the service did not start: {(folder / 'log').read_text()}")
        self.url, self.admin_url = found.groups()

    def score(self, body, stream):
        request = urllib.request.Request(f"{self.url}/v1/score?stream={stream}", body, {"Content-Type": "image/png"})
        return json.load(urllib.request.urlopen(request, timeout=30))

    def get(self, path):
        return json.load(urllib.request.urlopen(self.url + path, timeout=30))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


def show_answer(what, answer):
    """The fields that tell the story, one a line; the service's answer has more."""
    say(f"{what}:")
    for key in ("ood", "p_value", "alpha", "score", "distance", "threshold"):
        say(f"  {key:10} {round(answer[key], 4) if isinstance(answer[key], float) else json.dumps(answer[key])}")
    say(f"  neighbours {', '.join('{label} at {distance:.3f}'.format(**n) for n in answer['neighbours'])}")
    say(f"  took_ms    {json.dumps(answer['took_ms'])}")


def show_alert(alert):
    say(f"ALERT {alert['id']} of rule {alert['rule']} on stream {alert['stream']}: {alert['state']}")
    limit = f", limit {alert['threshold']:.0%}" if alert["rule"] == "ood-rate" else f"; drift since about image {alert['started']['image']}"
    say(f"  {alert['ood_rate']:.0%} of the last {alert['window']} images are out of distribution (95% bounds {alert['lower']:.0%} to {alert['upper']:.0%}){limit}")
    say(f"  fired at image {alert['fired']['image']}; without drift {'at most' if alert['rule'] == 'ood-rate' else 'about'} one such alarm is expected in {1 / alert['false_alarms_per_image']:,.0f} images")
    for evidence in alert["evidence"][:3]:
        nearest = evidence["neighbours"][0]
        say(f"  evidence: image {evidence['image']}, p = {evidence['p_value']:.4f}, nearest training image {nearest['uri']} at {nearest['distance']:.3f}")


def drift_until_alert(service, stream, usual, strange):
    """First images like the training set, then three strange ones in ten, until the alert."""
    rng = numpy.random.default_rng(7)
    for body in usual[:150]:
        answer = service.score(body, stream)
    say(f"150 usual images: OOD rate {answer['window']['ood_rate']:.1%}, alert: {answer['alert']}")
    for sent in range(1, 1001):
        pool = strange if rng.random() < 0.3 else usual
        answer = service.score(pool[rng.integers(len(pool))], stream)
        if answer["alert"]:
            say(f"now 3 images in 10 are strange: the alert fires after {sent} images")
            return show_alert(service.get(f"/v1/alerts/{answer['alert']['id']}"))
    sys.exit("demo: no alert in 1000 drifting images; that should not happen")


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--serve", action="store_true", help="leave the service up until Ctrl-C")
    options = options.parse_args()

    chapter(f"1. Learn: {len(TRAINED) * PER_CLASS} photographs of {', '.join(LABELS[c] for c in TRAINED)}")
    reference = prepare()
    images, labels = fashion_mnist.read("t10k")
    picture = [Image.fromarray(image) for image in images[:4000]]
    dress, boot = (png(next(p for p, label in zip(picture, labels) if LABELS[label] == name)) for name in ("dress", "boot"))
    usual = [png(p) for p, label in zip(picture, labels) if label in TRAINED]
    products = [png(p) for p, label in zip(picture, labels) if label not in TRAINED]
    dirty = [png(dirty_lens(p)) for p, label in zip(picture, labels) if label in TRAINED]

    with tempfile.TemporaryDirectory() as folder:
        service = Service(reference, pathlib.Path(folder))
        try:
            chapter(f"2. Score: POST /v1/score on {service.url}")
            show_answer("a dress nobody has seen, of a kind that was trained on", service.score(dress, "look"))
            show_answer("a boot: nobody trained on those", service.score(boot, "look"))
            chapter("3. Watch: a product nobody trained on reaches camera-1")
            drift_until_alert(service, "camera-1", usual, products)
            chapter("4. Watch: the lens of camera-2 gets dirty")
            drift_until_alert(service, "camera-2", usual, dirty)
            if options.serve:
                chapter("The service stays up; Ctrl-C ends it")
                say(f"  page    {service.url}/\n  metrics {service.admin_url}/metrics\n  try     curl -H 'Content-Type: image/png' --data-binary @IMAGE.png {service.url}/v1/score")
                service.process.wait()
        except KeyboardInterrupt:
            pass
        finally:
            service.stop()
    chapter("Done; nothing is left running. Your own images: see README.md")


if __name__ == "__main__":
    main()
