"""A version is tried on the newest images before it goes live."""

import json

import pytest

from conftest import send, services

from review_test import ONE_RULE


@pytest.fixture
def start(driftd, own_reference, tmp_path):
    with services(driftd, own_reference, tmp_path) as start:
        yield start


def shadow(service, **body):
    status, _, answer = service.request("POST", "/v1/references/default/shadow", json.dumps(body).encode())
    return status, answer


def build_version(run, service, bundle, folder):
    """A version of the reference of these images, beside the running service."""
    directory = json.loads(service.config.read_text())["references"]["default"]
    done = run("index", "build", "--model", bundle, "--images", folder, "--out", directory, "--new-version", "--quiet")
    assert done.returncode == 0, done.stderr
    return max(v["version"] for v in service.get("/v1/references/default")["versions"])


def test_a_candidate_is_compared_with_the_live_version_on_the_same_images(start, run, bundle, fashion, tmp_path):
    service = start(alerts=ONE_RULE)
    answers = send(service, fashion["in"][:20] + fashion["out"][:50])
    before = service.get("/v1/streams/camera")
    everything = tmp_path / "everything"
    for path in fashion["train"].rglob("*.png"):
        (everything / path.parent.name).mkdir(parents=True, exist_ok=True)
        (everything / path.parent.name / path.name).write_bytes(path.read_bytes())
    for path in fashion["out"][100:250]:
        (everything / path.parent.name).mkdir(parents=True, exist_ok=True)
        (everything / path.parent.name / f"new-{path.name}").write_bytes(path.read_bytes())
    version = build_version(run, service, bundle, everything)

    status, report = shadow(service, version=version)
    assert status == 200, report
    (stream,) = report["streams"]
    live, candidate = stream["live"], stream["candidate"]
    assert stream["stream"] == "camera" and stream["images"] == 70 and stream["excluded"] == 0
    assert (report["live"], report["candidate"]) == ("default@1", f"default@{version}")
    assert live["ood"] == sum(a["ood"] for a in answers) and live["verdicts"][0] == live["verdicts"][0] | {"rule": "ood-rate", "fired": True}
    assert candidate["upper"] < live["lower"] and not candidate["verdicts"][0]["fired"]
    assert stream["changed"]["to_in"] - stream["changed"]["to_ood"] == live["ood"] - candidate["ood"] > 0
    assert report["total"]["candidate"]["ood"] == candidate["ood"] and report["total"]["images"] == 70

    assert service.get("/v1/streams/camera") == before | {"time_window": None}
    assert service.get("/v1/references/default")["version"] == 1
    same = shadow(service, version=1, stream="camera")[1]["streams"][0]
    assert same["live"] == same["candidate"] and same["changed"] == {"to_ood": 0, "to_in": 0}
    assert shadow(service, reference="default")[1]["total"]["changed"] == {"to_ood": 0, "to_in": 0}


def test_images_that_the_candidate_holds_are_no_evidence_for_it(start, run, bundle, fashion, tmp_path):
    service = start(alerts=ONE_RULE)
    send(service, fashion["out"][:30] + fashion["out"][100:110])
    folder = tmp_path / "held"
    for path in [*fashion["train"].rglob("*.png"), *fashion["out"][:30]]:
        (folder / path.parent.name).mkdir(parents=True, exist_ok=True)
        (folder / path.parent.name / f"{path.parent.parent.name}-{path.name}").write_bytes(path.read_bytes())
    status, report = shadow(service, version=build_version(run, service, bundle, folder))
    assert status == 200 and (report["total"]["excluded"], report["total"]["images"]) == (30, 10)


def test_a_shadow_needs_a_candidate_and_images(start, fashion):
    service = start(alerts=ONE_RULE)
    assert shadow(service, version=1)[0] == 404  # no image yet
    service.score(fashion["in"][0])
    assert shadow(service, version=77)[0] == 404
    assert shadow(service, reference="nope")[0] == 404
    assert shadow(service, version=1, stream="nope")[0] == 404
    for body in ({}, {"version": 1, "reference": "default"}, {"version": 0}, {"version": "1"}, {"versoin": 1}):
        assert shadow(service, **body)[0] == 400
    off = start(alerts=ONE_RULE, shadow={"window": 0})
    off.score(fashion["in"][0])
    status, problem = shadow(off, version=1)
    assert status == 404 and "shadow.window is 0" in problem["detail"]
