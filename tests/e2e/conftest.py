"""Fixtures of the end-to-end tests: the real binary, a real model, real images, a service per test.

Environment: DRIFTD_BINARY (the binary; default build/release/driftd), DRIFTD_BUNDLE (a model bundle; default: the default model is
exported). The bundle, the images and the reference are made once, in build/e2e.
"""

import contextlib
import dataclasses
import fcntl
import hashlib
import http.server
import json
import os
import pathlib
import queue
import re
import shutil
import signal
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import numpy
import pytest
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import fashion_mnist  # noqa: E402: its folder must be known first
from fashion_mnist import LABELS  # noqa: E402

IN_CLASSES, OUT_CLASSES = range(0, 5), range(5, 10)


def write_images(folder, part, classes, per_class):
    """PNG files folder/label/N.png."""
    images, labels = fashion_mnist.read(part)
    for c in classes:
        (folder / LABELS[c]).mkdir(parents=True, exist_ok=True)
        for i in numpy.flatnonzero(labels == c)[:per_class]:
            Image.fromarray(images[i]).save(folder / LABELS[c] / f"{i:05}.png")


def interleaved(folder):
    """The files of folder/label/, one of each label in turn, so that any run of them has all labels."""
    columns = [sorted(label.iterdir()) for label in sorted(folder.iterdir())]
    return [path for row in zip(*columns, strict=True) for path in row]


@pytest.fixture(scope="session")
def driftd():
    path = pathlib.Path(os.environ.get("DRIFTD_BINARY", ROOT / "build/release/driftd"))
    assert path.exists(), f"no binary at {path}: run scripts/bootstrap, or set DRIFTD_BINARY"
    return path


@pytest.fixture(scope="session")
def run(driftd):
    """run("index", "info", DIR) -> CompletedProcess with text output; never raises."""

    def call(*arguments, **options):
        return subprocess.run([driftd, *map(str, arguments)], capture_output=True, text=True, timeout=600, **options)

    return call


def digest(*paths):
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(paths))).hexdigest()[:12]


@contextlib.contextmanager
def made_once(path):
    """Yields True to the one test process that must make `path`, others wait for it and get False."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{path}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield not path.exists()


@pytest.fixture(scope="session")
def bundle(run):
    if "DRIFTD_BUNDLE" in os.environ:
        return pathlib.Path(os.environ["DRIFTD_BUNDLE"])
    path = ROOT / "build/e2e" / f"bundle-{digest(*(ROOT / 'scripts').rglob('*.py'))}"
    with made_once(path) as needed:
        if needed:
            done = run("model", "export", "--default", "--formats", "torchscript", "--out", path)
            assert done.returncode == 0, done.stderr
    return path


@pytest.fixture(scope="session")
def fashion():
    """Folders and files of real images: "train" to build from; "in" and "out" held out, from the same and from other classes."""
    root = ROOT / "build/e2e" / f"fashion-{digest(pathlib.Path(__file__))}"
    with made_once(root / "done") as needed:
        if needed:
            write_images(root / "train", "train", IN_CLASSES, 80)
            write_images(root / "in", "t10k", IN_CLASSES, 60)
            write_images(root / "out", "t10k", OUT_CLASSES, 60)
            (root / "done").touch()
    return {"train": root / "train", "in": interleaved(root / "in"), "out": interleaved(root / "out")}


@pytest.fixture(scope="session")
def reference(run, driftd, bundle, fashion):
    path = ROOT / "build/e2e" / f"reference-{digest(driftd, bundle / 'model.json')}"
    with made_once(path) as needed:
        if needed:
            done = run("index", "build", "--model", bundle, "--images", fashion["train"], "--out", path, "--quiet")
            assert done.returncode == 0, done.stderr
    return path


@pytest.fixture
def own_reference(reference, tmp_path):
    """A copy that the test may write to."""
    return shutil.copytree(reference, tmp_path / "reference")


class Service:
    """A running `driftd serve`."""

    def __init__(self, binary, config, log):
        self.config = config
        self.log = log
        self._binary = binary
        self.start()

    def start(self):
        with open(self.log, "a") as log:
            self.process = subprocess.Popen([self._binary, "serve", "--config", self.config], stdout=subprocess.PIPE, stderr=log, text=True)
        line = self.process.stdout.readline()
        found = re.fullmatch(r"driftd \S+ ready on (http://\S+) \(admin (http://\S+)\)\n", line)
        assert found, f"no ready line but {line!r}; log:\n{self.log.read_text()}"
        self.url, self.admin_url = found.groups()
        self.port, self.admin_port = (int(url.rsplit(":", 1)[1]) for url in found.groups())

    @property
    def pid(self):
        return self.process.pid

    def alive(self):
        return self.process.poll() is None

    def stop(self, sig=signal.SIGTERM):
        """Sends the signal; returns the exit code."""
        if self.alive():
            self.process.send_signal(sig)
        return self.process.wait(timeout=30)

    def request(self, method, path, body=None, headers=None, admin=False):
        """(status, headers, parsed JSON or text)."""
        base = self.admin_url if admin else self.url
        request = urllib.request.Request(base + path, body, headers or {}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                status, headers, data = response.status, response.headers, response.read()
        except urllib.error.HTTPError as error:
            status, headers, data = error.code, error.headers, error.read()
        text = data.decode()
        return status, headers, json.loads(text) if "json" in (headers["Content-Type"] or "") else text

    def get(self, path, admin=False):
        status, _, body = self.request("GET", path, admin=admin)
        assert status == 200, body
        return body

    def score(self, image, stream="default", **query):
        """The answer for an image given as a path or as bytes."""
        data = image if isinstance(image, bytes) else pathlib.Path(image).read_bytes()
        query = "&".join(f"{key}={value}" for key, value in {"stream": stream, **query}.items())
        status, _, body = self.request("POST", f"/v1/score?{query}", data, {"Content-Type": "image/png"})
        assert status == 200, body
        return body


def wait_until(condition, seconds=30):
    """Polls until condition() is true and returns its value; fails with what it was last."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"still {value!r} after {seconds} s"
        time.sleep(0.05)
    return value


@contextlib.contextmanager
def services(driftd, reference, folder):
    """Yields start(alerts={...}, webhooks=[...]) -> Service, with settings laid over a configuration fit for tests."""
    started = []

    def start(**settings):
        home = folder / f"service-{len(started)}"
        home.mkdir()
        config = {
            "http": {"port": 0},
            "admin": {"port": 0},
            "model": {"threads": 1},  # tests run side by side
            "references": {"default": str(reference)},
            "data_directory": str(home / "data"),
            "streams": {"window": 100},
            "alerts": {"min_images": 40, "for_images": 5, "resolve_after": 10},
        }
        for key, value in settings.items():
            config[key] = {**config[key], **value} if isinstance(config.get(key), dict) else value
        (home / "config.json").write_text(json.dumps(config))
        started.append(Service(driftd, home / "config.json", home / "log"))
        return started[-1]

    try:
        yield start
    finally:
        for service in started:
            if service.alive():
                service.stop(signal.SIGKILL)


@pytest.fixture
def start_service(driftd, reference, tmp_path):
    with services(driftd, reference, tmp_path) as start:
        yield start


def send(service, images, stream="camera"):
    return [service.score(image, stream=stream) for image in images]


def drive_to_alert(service, fashion, stream="camera"):
    """Sends images as trained, then strange ones until the rule ood-rate fires; the alert's id."""
    send(service, fashion["in"][:50], stream)
    for image in fashion["out"][:150]:
        alert = service.score(image, stream=stream)["alert"]
        if alert and alert["rule"] == "ood-rate":
            return alert["id"]
    raise AssertionError("150 strange images raised no alert of rule ood-rate")


@dataclasses.dataclass
class Post:
    """What a webhook receiver got."""

    path: str
    headers: dict
    body: bytes

    def json(self):
        return json.loads(self.body)


class Receiver:
    """A webhook receiver on loopback that answers with .status and keeps what it accepted."""

    def __init__(self, tls=None):
        self.posts, self.status, self.attempts = queue.Queue(), 200, 0
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.attempts += 1
                status = receiver.status
                if 200 <= status < 300:  # before the answer: another thread takes what is sent after it
                    receiver.posts.put(Post(self.path, dict(self.headers), body))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                if 300 <= status < 400:
                    self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *arguments: None  # refused handshakes are wanted
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def webhook(self, **settings):
        return {"url": self.url, "allow_private": True, **settings}

    def next(self, seconds=20):
        return self.posts.get(timeout=seconds)

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A throw-away certificate for 127.0.0.1 and localhost, its own authority: (certificate, key)."""
    folder = tmp_path_factory.mktemp("certificate")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=test",
               "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-keyout", folder / "key.pem", "-out", folder / "cert.pem"]
    subprocess.run(command, check=True, capture_output=True)
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture
def tls_receiver(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    receiver = Receiver(context)
    yield receiver
    receiver.close()


@pytest.fixture
def server(start_service):
    """A service with the default settings."""
    return start_service()
