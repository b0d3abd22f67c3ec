"""Streams, alerts and webhooks of the running service, over restarts and crashes."""

import re
import signal

import pytest

from conftest import drive_to_alert, send, wait_until


def next_notice(receiver, rule="ood-rate"):
    """The next webhook of a rule; both rules see a strong drift."""
    while (notice := receiver.next().json()).get("alert", {}).get("rule") != rule:
        pass
    return notice


def test_no_alert_on_images_like_the_training_set(start_service, fashion):
    # At the default of 10,000 one stream in fifty has a false alarm within 200 images; here one in a thousand.
    server = start_service(alerts={"run_length": 200_000})
    send(server, fashion["in"][:200])
    stream = server.get("/v1/streams/camera")
    assert stream["images"] == 200 and stream["alert"] is None
    assert stream["window"]["lower"] <= 0.05
    assert server.get("/v1/alerts")["alerts"] == []


def test_drift_fires_an_alert_with_evidence_and_its_end_resolves_it(start_service, fashion, receiver):
    service = start_service(webhooks=[receiver.webhook()])
    alert_id = drive_to_alert(service, fashion)
    alert = service.get(f"/v1/alerts/{alert_id}")
    assert alert["state"] == "firing" and alert["stream"] == "camera"
    assert alert["lower"] > alert["threshold"] and 0 < alert["false_alarms_per_image"] < 1e-3
    assert alert["started"]["image"] < alert["fired"]["image"]
    assert len(alert["evidence"]) == 5 and all(e["neighbours"] for e in alert["evidence"])
    curve = alert["curve"]
    assert curve[0]["image"] < alert["started"]["image"] and curve[-1]["image"] == alert["fired"]["image"]
    assert curve[-1]["value"] > curve[-1]["limit"] == pytest.approx(alert["threshold"]) and curve[0]["value"] < curve[0]["limit"]
    assert [p["image"] for p in curve] == sorted({p["image"] for p in curve})
    notice = next_notice(receiver)
    assert (notice["event"], notice["alert"]["id"]) == ("alert.firing", alert_id)

    send(service, fashion["in"][:250])
    assert service.get(f"/v1/alerts/{alert_id}")["state"] == "resolved"
    notice = next_notice(receiver)
    assert (notice["event"], notice["alert"]["id"]) == ("alert.resolved", alert_id)


def test_a_mild_drift_fires_the_e_detector_and_the_stream_shows_its_value(start_service, fashion, receiver):
    service = start_service(webhooks=[receiver.webhook()], alerts={"run_length": 20_000, "threshold": 0.5, "resolve_below": 0.5})
    send(service, fashion["in"][:100])
    for start in range(0, 100, 5):  # two strange images in seven
        answers = send(service, [*fashion["in"][100 + start : 105 + start], *fashion["out"][start : start + 2]])
        if alert := answers[-1]["alert"]:
            break
    assert alert and alert["rule"] == "e-detector" and alert["state"] == "firing"
    stream = service.get("/v1/streams/camera")
    detector = stream["detectors"]["e-detector"]
    assert detector["alert"] == stream["alert"] == alert
    assert detector["value"] > 0.1 * detector["limit"]
    assert stream["window"]["ood_rate"] < 0.35
    alert = service.get(f"/v1/alerts/{alert['id']}")
    assert alert["false_alarms_per_image"] == pytest.approx(5e-5) and alert["threshold"] == detector["limit"]
    assert alert["started"]["image"] <= alert["fired"]["image"] and alert["evidence"]
    assert next_notice(receiver, "e-detector")["alert"]["id"] == alert["id"]
    limit = 'driftd_stream_detector_limit{detector="e-detector",stream="camera"}'
    wait_until(lambda: limit in service.get("/metrics", admin=True))


def test_streams_do_not_mix(server, fashion):
    drive_to_alert(server, fashion, stream="dirty")
    answer = server.score(fashion["in"][0], stream="clean")
    assert answer["alert"] is None and answer["window"]["size"] == 1


def test_windows_and_alerts_survive_a_restart(start_service, fashion):
    service = start_service()
    alert_id = drive_to_alert(service, fashion)
    before = service.get("/v1/streams/camera")
    assert service.stop() == 0
    service.start()
    assert service.get("/v1/streams/camera") == before
    assert service.get(f"/v1/alerts/{alert_id}")["state"] == "firing"


def test_a_stream_that_was_silent_keeps_its_window_and_an_alert_its_curve_over_a_restart(start_service, fashion):
    service = start_service(streams={"save_interval_ms": 20}, alerts={"run_length": 0})
    send(service, fashion["in"][:30], stream="silent")
    send(service, fashion["in"][:50])
    for image in fashion["out"][:9]:  # not yet enough for an alert
        service.score(image, stream="camera")
    before = service.get("/v1/streams/silent")
    assert service.stop() == 0
    service.start()
    assert service.get("/v1/streams/silent") == before
    send(service, fashion["in"][50:60])  # saves that leave "silent" out
    assert service.stop() == 0
    service.start()
    assert service.get("/v1/streams/silent") == before
    for image in fashion["out"][9:120]:
        if service.score(image, stream="camera")["alert"]:
            break
    alert = service.get("/v1/alerts?stream=camera")["alerts"][0]
    curve = service.get(f"/v1/alerts/{alert['id']}")["curve"]
    assert "curve" not in alert and curve[0]["image"] < 59 < curve[-1]["image"] == alert["fired"]["image"]


def test_kill_9_loses_no_alert_and_at_most_an_interval_of_the_window(start_service, fashion):
    service = start_service(streams={"save_interval_ms": 50})
    alert_id = drive_to_alert(service, fashion)
    images = service.get("/v1/streams/camera")["images"]
    service.stop(signal.SIGKILL)
    service.start()
    assert service.get(f"/v1/alerts/{alert_id}")["state"] == "firing"
    assert images - 20 <= service.get("/v1/streams/camera")["images"] <= images


def test_kill_9_in_the_middle_of_a_window_loses_at_most_an_interval_of_it(start_service, fashion):
    service = start_service(
        streams={"window": 60, "save_interval_ms": 50},
        alerts={"min_images": 20, "detectors": ["ks", "ood-count"], "rules": [{"streams": "quiet", "run_length": 0}]},
    )
    send(service, fashion["out"][:40])
    seen = service.get("/v1/streams/camera")["images"]
    service.stop(signal.SIGKILL)
    service.start()
    kept = service.get("/v1/streams/camera")["images"]
    assert seen - 20 <= kept <= seen
    before, answers = kept, send(service, fashion["out"][40:80])
    fired = next(i for i, answer in enumerate(answers, 1) if answer["alert"])
    assert before + fired == 60  # the window that was under way went on
    alert = service.get(f"/v1/alerts/{answers[fired - 1]['alert']['id']}")
    assert alert["rule"] == "ood-count" and alert["started"]["image"] == 1
    assert set(service.get("/v1/streams/camera")["detectors"]) == {"ks", "ood-count"}
    send(service, fashion["in"][:1], stream="quiet")
    assert service.get("/v1/streams/quiet")["detectors"] == {}


def test_a_webhook_that_was_down_gets_its_notice_after_a_restart(start_service, fashion, receiver):
    receiver.status = 500
    service = start_service(webhooks=[receiver.webhook()])
    alert_id = drive_to_alert(service, fashion)
    wait_until(lambda: re.search(r'result="failed"} [1-9]', service.get("/metrics", admin=True)))
    service.stop(signal.SIGKILL)
    receiver.status = 200
    service.start()
    assert next_notice(receiver)["alert"]["id"] == alert_id


def test_an_alert_can_be_acknowledged_and_a_stream_reset(server, fashion):
    alert_id = drive_to_alert(server, fashion)
    status, _, alert = server.request("POST", f"/v1/alerts/{alert_id}/ack")
    assert status == 200 and alert["acknowledged"]
    status, _, stream = server.request("POST", "/v1/streams/camera/reset")
    assert status == 200 and stream["window"]["size"] == 0 and stream["alert"] is None
    assert server.get(f"/v1/alerts/{alert_id}")["state"] == "resolved"
    assert server.request("POST", "/v1/streams/nope/reset")[0] == 404
    assert server.request("GET", "/v1/alerts/nope")[0] == 404
