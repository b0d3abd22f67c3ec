"""The whole loop with the real binary, once by machine and once by hand: from drift to an alert, to a reference that knows what is new,
to the end of the alert."""

import base64
import hashlib
import hmac
import json
import shutil
import signal

import pytest

from conftest import drive_to_alert, services, wait_until
from review_test import queue, wait_for_all
from shadow_test import build_version

# A reference that has seen 20 images of each new kind takes some more of them for strange than the 5% of its own.
ALERTS = {"run_length": 0, "threshold": 0.3, "resolve_below": 0.25}
SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()


@pytest.fixture
def start(driftd, own_reference, tmp_path):
    with services(driftd, own_reference, tmp_path) as start:
        yield start


def call(service, method, path, **body):
    status, _, answer = service.request(method, path, json.dumps(body).encode())
    assert status == 200, answer
    return answer


def whats(service, path):
    return [entry["what"] for entry in service.get(path)["history"]]


def signed(post):
    """The event of a delivery, whose signature (Standard Webhooks) is right."""
    content = f"{post.headers['Webhook-Id']}.{post.headers['Webhook-Timestamp']}.".encode() + post.body
    expected = base64.b64encode(hmac.new(base64.b64decode(SECRET[6:]), content, hashlib.sha256).digest()).decode()
    assert f"v1,{expected}" in post.headers["Webhook-Signature"].split()
    return post.json()


def send_until_resolved(service, images, alert, stream="camera"):
    """Fresh images only, as the world is now."""
    for path in images:
        service.score(path, stream=stream)
        if service.get(f"/v1/alerts/{alert}")["state"] == "resolved":
            return
    stream = service.get(f"/v1/streams/{stream}")
    raise AssertionError(f"{len(images)} images did not resolve the alert: {stream['window']} against {stream['reference']}")


def test_by_machine_from_drift_to_a_retrained_reference_that_activates_itself(start, run, bundle, fashion, receiver, tmp_path):
    (tmp_path / "secret").write_text(SECRET + "\n")
    service = start(alerts=ALERTS, webhooks=[receiver.webhook(secret_file=str(tmp_path / "secret"))],
                    retrain={"activate": "shadow", "activate_below": 0.4, "activate_min_images": 30})
    alert = drive_to_alert(service, fashion)
    events = {event["event"]: event for event in (signed(receiver.next()), signed(receiver.next()))}
    assert set(events) == {"alert.firing", "retrain.requested"} and events["alert.firing"]["alert"]["id"] == alert
    request = f"/v1/retrain/{events['retrain.requested']['retrain']['id']}"
    for status in ("accepted", "training"):
        call(service, "PATCH", request, status=status, who="pipeline")

    data = tmp_path / "data"  # what the pipeline trains on: the old images, and newer ones than those that were scored
    shutil.copytree(fashion["train"], data)
    for path in fashion["out"][150:250]:
        (data / path.parent.name).mkdir(exist_ok=True)
        shutil.copy(path, data / path.parent.name)
    version = build_version(run, service, bundle, data)
    assert service.get("/v1/references/default")["version"] == 1
    call(service, "PATCH", request, status="ready", reference_version=version, who="pipeline")

    done = wait_until(lambda: (r := service.get(request))["status"] == "activated" and r)
    assert [entry["what"] for entry in done["history"]] == ["requested", "accepted", "training", "ready", "tried", "activated"]
    assert done["trial"]["passed"] and done["trial"]["upper"] <= 0.4 and done["trial"]["live_ood"] > done["trial"]["ood"]
    assert service.get("/v1/references/default")["version"] == version

    send_until_resolved(service, fashion["out"][250:] + fashion["in"][50:150], alert)
    resolved = signed(receiver.next())
    assert resolved["event"] == "alert.resolved" and resolved["alert"]["id"] == alert
    assert service.get("/v1/streams/camera")["reference"] == f"default@{version}"
    metrics = service.get("/metrics", admin=True)
    assert 'driftd_retrain_requests_total{result="activated"} 1' in metrics


def test_by_hand_from_drift_over_labels_to_a_new_normal(start, fashion):
    service = start(alerts=ALERTS, review={"max_items": 100, "stream_share": 1, "random_share": 0})
    send = service.score
    truth, strange = {}, []

    def remember(image, **query):
        answer = send(image, **query)
        truth[answer["request_id"]] = image.parent.name
        strange.append(answer["ood"])
        return answer

    service.score = remember
    alert = drive_to_alert(service, fashion)
    for path in fashion["out"][150:230]:
        service.score(path, stream="camera")
    wait_for_all(service, sum(strange))
    problem = service.request("POST", f"/v1/alerts/{alert}/accept", b"{}")
    assert problem[0] == 409 and "label some first" in problem[2]["detail"]

    items = queue(service, state="waiting")["items"]
    for item in items[1:]:
        call(service, "PATCH", f"/v1/review/{item['id']}", label=truth[item["request_id"]], who="eve")
    call(service, "PATCH", f"/v1/review/{items[0]['id']}", dismiss=True, who="eve")
    before = service.get("/v1/references/default")
    accepted = call(service, "POST", f"/v1/alerts/{alert}/accept", who="eve", note="the autumn range")
    assert accepted["accepted"] == len(items) - 1 > 50 and accepted["recalibrating"]
    service.stop(signal.SIGKILL)
    service.start()
    reference = service.get("/v1/references/default")
    assert reference["items"] == before["items"] + accepted["accepted"] and whats(service, f"/v1/alerts/{alert}")[-1] == "accepted"
    assert queue(service, state="accepted", limit=500)["items"] and not queue(service, state="waiting")["items"]
    if reference["revision"] > 0:  # the crash ended the calibration; the images are there all the same
        assert service.request("POST", "/v1/references/default/compact")[0] == 202
    wait_until(lambda: not (r := service.get("/v1/references/default"))["compaction"]["running"] and r["revision"] == 0, 60)

    send_until_resolved(service, fashion["out"][250:] + fashion["in"][50:150], alert)
    assert whats(service, f"/v1/alerts/{alert}")[-2:] == ["accepted", "resolved"]
    call(service, "POST", "/v1/references/default/activate", version=accepted["rollback_version"])  # and back
    assert service.get("/v1/references/default")["items"] == before["items"]


def test_a_version_that_did_not_pass_is_tried_again_on_new_images(start, run, bundle, fashion):
    service = start(alerts=ALERTS, retrain={"activate": "shadow", "activate_below": 0.2, "activate_min_images": 30})
    drive_to_alert(service, fashion)
    request = f"/v1/retrain/{service.get('/v1/retrain')['retrain'][0]['id']}"
    for status in ("accepted", "training"):
        call(service, "PATCH", request, status=status)
    version = build_version(run, service, bundle, fashion["train"])  # nothing was learned
    call(service, "PATCH", request, status="ready", reference_version=version)
    first = wait_until(lambda: service.get(request)["trial"])
    assert not first["passed"] and whats(service, request).count("tried") == 1
    for path in fashion["in"][50:90]:
        service.score(path, stream="camera")
    second = wait_until(lambda: (trial := service.get(request)["trial"])["at"] > first["at"] and trial)
    assert second["images"] > first["images"] and whats(service, request).count("tried") >= 2
