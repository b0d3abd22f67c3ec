"""Everything at once: sound and damaged images, searches, and a reference that changes meanwhile, from many clients.

Environment: DRIFTD_SEED (default 1) and DRIFTD_REQUESTS (of each client, default 40): hours of it, and under a sanitizer, where wanted.
"""

import base64
import concurrent.futures
import http.client
import io
import json
import os
import random

import pytest
from conftest import services
from PIL import Image

SEED = int(os.environ.get("DRIFTD_SEED", "1"))
REQUESTS = int(os.environ.get("DRIFTD_REQUESTS", "40"))
CLIENTS = 8
ITEMS = "/v1/references/default/items"
JSON = {"Content-Type": "application/json"}
ANSWERS = {200, 201, 202, 400, 404, 409, 413, 415, 422, 503}


@pytest.fixture
def start(driftd, own_reference, tmp_path):
    with services(driftd, own_reference, tmp_path) as start:
        yield start


def pictures(path):
    """One picture as every kind of file, twice as large as the model's input for some."""
    files = []
    for side, mode in ((48, "RGB"), (448, "RGB"), (56, "L")):
        picture = Image.open(path).resize((side, side + 5)).convert(mode)
        for format, options in (("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {}), ("WEBP", {}), ("BMP", {})):
            file = io.BytesIO()
            picture.save(file, format, **options)
            files.append(file.getvalue())
    return files


def damaged(chance, data):
    """The file itself, a part of it, or with some bytes changed: half of those at its start, where its header is."""
    kind = chance.choice(("sound", "cut", "changed", "changed"))
    if kind == "cut":
        return data[: chance.randrange(len(data))]
    data = bytearray(data)
    for _ in range(chance.randint(1, 6) if kind == "changed" else 0):
        data[chance.randrange(chance.choice((len(data), min(len(data), 700))))] = chance.randrange(256)
    return bytes(data)


def wrapped(chance, data):
    """The bytes as they are, in a form, or in JSON: (body, headers)."""
    kind = chance.choice(("image/jpeg", "application/octet-stream", "form", "json"))
    if kind == "form":
        head = b'--XX\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        return damaged(chance, head + data + b"\r\n--XX--\r\n"), {"Content-Type": "multipart/form-data; boundary=XX"}
    if kind == "json":
        return json.dumps({"image": base64.b64encode(data).decode()}).encode(), JSON
    return data, {"Content-Type": kind}


def change(chance, files):
    """A request that changes the reference or a stream: (method, path, body, headers)."""
    name = f"{ITEMS}/new-{chance.randrange(20)}"
    body, headers = wrapped(chance, damaged(chance, chance.choice(files)))
    image = {"id": f"bulk-{chance.randrange(9)}", "label": "new", "image": base64.b64encode(chance.choice(files)).decode()}
    return chance.choice(
        (
            ("PUT", f"{name}?label=new", body, headers),
            ("PUT", f"{name}?label=new", body, headers),
            ("DELETE", name, None, {}),
            ("POST", ITEMS, json.dumps({"items": [image, {"id": "bad", "vector": [1]}]}).encode(), JSON),
            ("POST", "/v1/references/default/snapshots", b"{}", JSON),
            ("POST", "/v1/references/default/activate", json.dumps({"version": chance.randint(1, 4)}).encode(), JSON),
            ("POST", "/v1/references/default/compact", b"", JSON),
            ("POST", "/v1/references/default/prune", b'{"keep": 1}', JSON),
            ("POST", f"/v1/streams/s{chance.randrange(4)}/reset", b"", JSON),
        )
    )


def anything(chance, files):
    if chance.random() < 0.25:
        return change(chance, files)
    if chance.random() < 0.15:
        paths = ("/v1/references", "/v1/streams", "/v1/alerts", "/v1/review", "/v1/deliveries", f"{ITEMS}/new-1?vector=1", "/v1/references/default/snapshots")
        return "GET", chance.choice(paths), None, {}
    body, headers = wrapped(chance, damaged(chance, chance.choice(files)))
    return "POST", chance.choice(("/v1/search?k=3", f"/v1/score?stream=s{chance.randrange(4)}")), body, headers


def test_under_hostile_load_every_request_is_answered_and_the_reference_stays_sound(start, fashion, run, own_reference):
    service = start(alerts={"run_length": 1000}, store={"compact_min": 10, "compact_share": 0.001})
    files = [file for path in (fashion["in"][0], fashion["out"][0]) for file in pictures(path)]

    def client(number):
        chance = random.Random(f"{SEED}/{number}")
        odd = []
        for i in range(REQUESTS):
            method, path, body, headers = anything(chance, files)
            status, _, answer = service.request(method, path, body, headers)
            if status not in ANSWERS:
                odd.append((i, method, path, status, answer))
            if i % 10 == 0:
                service.get("/metrics", admin=True)
        return odd

    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        assert [odd for odds in pool.map(client, range(CLIENTS)) for odd in odds] == [], f"DRIFTD_SEED={SEED}"
    assert service.score(fashion["in"][0])["p_value"] > 0
    assert service.stop() == 0
    assert run("index", "verify", own_reference).returncode == 0


def test_a_service_whose_time_to_finish_runs_out_drops_what_waits_and_ends_in_order(start, fashion):
    service = start(http={"shutdown_grace_ms": 1})
    body = fashion["in"][0].read_bytes()
    clients = [http.client.HTTPConnection("127.0.0.1", service.port) for _ in range(250)]
    for i, client in enumerate(clients):
        client.request("POST", "/v1/search?k=3" if i % 2 else "/v1/score?stream=s", body, {"Content-Type": "image/png"})
    assert clients[0].getresponse().status == 200
    assert service.stop() == 0
    for client in clients:
        client.close()
