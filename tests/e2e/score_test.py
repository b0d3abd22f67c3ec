"""POST /v1/score: the answer's fields, the three ways to send an image, agreement with `driftd score`, and hostile input."""

import base64
import io
import json
import struct

import numpy
import pytest
from PIL import Image

from conftest import services

FIELDS = {
    "request_id", "stream", "reference", "model", "score", "p_value", "ood", "alpha", "distance", "threshold", "k", "neighbours",
    "properties", "window", "alert", "took_ms",
}


def multipart(data, name="file"):
    head = f'--XX\r\nContent-Disposition: form-data; name="{name}"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'
    return head.encode() + data + b"\r\n--XX--\r\n"


def decision(answer):
    return {key: answer[key] for key in ("score", "p_value", "ood", "distance", "neighbours")}


@pytest.fixture(scope="module")
def server(driftd, reference, tmp_path_factory):
    """One service for all tests of this file, each of which uses streams of its own."""
    with services(driftd, reference, tmp_path_factory.mktemp("score")) as start:
        yield start()


@pytest.fixture(scope="module")
def photograph():
    """12 megapixels of structure, as a camera would send them."""
    rng = numpy.random.default_rng(1)
    small = Image.fromarray(rng.integers(0, 256, (60, 80, 3), dtype=numpy.uint8))
    file = io.BytesIO()
    small.resize((4000, 3000), Image.Resampling.BICUBIC).save(file, "JPEG", quality=85)
    return file.getvalue()


def test_an_answer_has_every_field_and_knows_its_class(server, fashion):
    answer = server.score(fashion["in"][0], stream="line-3", k=3)
    assert set(answer) == FIELDS
    assert answer["stream"] == "line-3" and answer["reference"] == "default@1"
    assert 0 < answer["p_value"] <= 1 and answer["ood"] == (answer["p_value"] <= answer["alpha"])
    distances = [n["distance"] for n in answer["neighbours"]]
    assert len(distances) == 3 and distances == sorted(distances) and answer["distance"] == distances[-1]
    assert answer["properties"]["width"] == 28
    assert answer["window"]["size"] == 1


def test_strange_images_score_higher_than_held_out_familiar_ones(server, fashion):
    familiar = [server.score(path)["p_value"] for path in fashion["in"][:100]]
    strange = [server.score(path)["p_value"] for path in fashion["out"][:100]]
    assert sum(p <= 0.05 for p in familiar) <= 15
    assert sum(p <= 0.05 for p in strange) >= 40


def test_raw_multipart_and_json_bodies_give_the_same_decision(server, fashion):
    data = fashion["in"][3].read_bytes()
    raw = server.score(data)
    bodies = [
        (multipart(data), "multipart/form-data; boundary=XX"),
        (json.dumps({"image": base64.b64encode(data).decode()}).encode(), "application/json"),
        (data, "application/octet-stream"),
    ]
    for body, content_type in bodies:
        status, _, answer = server.request("POST", "/v1/score", body, {"Content-Type": content_type})
        assert status == 200, answer
        assert decision(answer) == decision(raw)


def test_the_command_gives_the_services_answer(server, run, reference, fashion):
    paths = fashion["in"][:5] + fashion["out"][:5]
    done = run("score", "--reference", reference, "--json", *paths)
    assert done.returncode == 0, done.stderr
    for path, line in zip(paths, done.stdout.splitlines(), strict=True):
        offline, online = json.loads(line), server.score(path)
        assert abs(offline["score"] - online["score"]) <= 1e-4
        assert offline["ood"] == online["ood"]
        assert [n["id"] for n in offline["neighbours"]] == [n["id"] for n in online["neighbours"]]


def test_a_vector_is_scored_without_an_image(server, run, bundle):
    dimension = json.loads((bundle / "model.json").read_text())["dimension"]
    body = json.dumps({"vector": [1.0 / dimension**0.5] * dimension}).encode()
    status, _, answer = server.request("POST", "/v1/score", body, {"Content-Type": "application/json"})
    assert status == 200 and answer["ood"] and "properties" not in answer


def test_a_photograph_of_twelve_megapixels_is_scored(server, photograph):
    status, _, answer = server.request("POST", "/v1/score", photograph, {"Content-Type": "image/jpeg"})
    assert status == 200 and answer["ood"]
    assert (answer["properties"]["width"], answer["properties"]["height"]) == (4000, 3000)


def huge_webp():
    """34 bytes: a lossless WebP whose header claims 16000 x 16000 pixels."""
    bits = (16000 - 1) | (16000 - 1) << 14
    chunk = b"\x2f" + struct.pack("<I", bits) + bytes(9)
    return b"RIFF" + struct.pack("<I", 4 + 8 + len(chunk)) + b"WEBPVP8L" + struct.pack("<I", len(chunk)) + chunk


@pytest.mark.parametrize(
    "make_body, content_type, status",
    [
        (lambda photo: photo[: len(photo) // 2], "image/jpeg", 422),
        (lambda photo: photo[:-200], "image/jpeg", 422),
        (lambda photo: b"this is no picture, whatever its name says", "image/jpeg", 415),
        (lambda photo: b"", "image/jpeg", 400),
        (lambda photo: huge_webp(), "image/webp", 413),
        (lambda photo: photo, "text/plain", 415),
        (lambda photo: b'{"image": "not base64!"}', "application/json", 400),
        (lambda photo: b'{"image": 7}', "application/json", 400),
        (lambda photo: b'{"vector": [1e999]}', "application/json", 400),
        (lambda photo: b'{"vector": [1, 2, 3]}', "application/json", 400),
        (lambda photo: multipart(photo, name="other"), "multipart/form-data; boundary=XX", 400),
        (lambda photo: multipart(photo)[:-8], "multipart/form-data; boundary=XX", 400),
    ],
    ids=["half", "end-missing", "text", "empty", "webp-bomb", "type", "base64", "json-type", "infinite", "short-vector", "field", "no-end"],
)
def test_a_bad_body_gets_a_clear_problem_and_is_not_counted(server, photograph, make_body, content_type, status):
    body = make_body(photograph)
    got, headers, problem = server.request("POST", "/v1/score?stream=bad", body, {"Content-Type": content_type})
    assert got == status, problem
    assert headers["Content-Type"] == "application/problem+json"
    assert set(problem) >= {"type", "title", "status", "detail", "request_id"} and problem["status"] == status
    assert "/" not in problem["detail"].replace("image/", "").replace("multipart/", "").replace("application/", "").replace("text/", "")
    assert all(stream["stream"] != "bad" for stream in server.get("/v1/streams")["streams"])


@pytest.mark.parametrize("query", ["k=0", "k=11", "k=-1", "k=2147483648", "k=x", "stream=a%20b", "stream=" + "x" * 65, "reference=nope"])
def test_a_bad_parameter_is_refused(server, fashion, query):
    status, _, problem = server.request("POST", f"/v1/score?{query}", fashion["in"][0].read_bytes(), {"Content-Type": "image/png"})
    assert status == (404 if "reference" in query else 400), problem


def test_a_request_id_comes_back(server, fashion):
    data = fashion["in"][0].read_bytes()
    _, headers, answer = server.request("POST", "/v1/score", data, {"Content-Type": "image/png", "X-Request-Id": "my-id.1"})
    assert answer["request_id"] == headers["X-Request-Id"] == "my-id.1"
