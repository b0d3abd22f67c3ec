"""Labels that come later show that the neighbours' vote has become worse: an alert like the others."""

import signal

from conftest import send
from feedback_test import give


def label(service, answers, right):
    """Labels scored images as their neighbours voted, or otherwise; the state of the stream's accuracy."""
    for answer in answers:
        labels = [n["label"] for n in answer["neighbours"]]
        vote = max(labels, key=lambda name: (labels.count(name), -labels.index(name)))
        status, judged = give(service, answer["request_id"], vote if right else "another thing")
        assert status == 200 and judged["correct"] == right
    return judged["accuracy"]


def test_wrong_votes_raise_an_alert_that_right_ones_resolve(start_service, fashion, receiver):
    alerts = {"run_length": 0, "accuracy_run_length": 100}
    service = start_service(alerts=alerts, webhooks=[receiver.webhook(events=["alert.firing", "alert.resolved"])])
    answers = send(service, fashion["in"][:180])
    accuracy = label(service, answers[:20], right=True)
    detector = accuracy["detector"]
    assert 0.5 < detector["tolerated"] < detector["expected"] - 0.05 and detector["value"] < detector["limit"] == 100
    assert detector["alert"] is None and service.get("/v1/alerts")["alerts"] == []

    fired = label(service, answers[20:40], right=False)["detector"]
    assert fired["value"] >= 100 and fired["alert"]["rule"] == "accuracy"
    notice = receiver.next().json()
    assert (notice["event"], notice["alert"]["rule"], notice["alert"]["id"]) == ("alert.firing", "accuracy", fired["alert"]["id"])
    assert service.get("/v1/retrain")["retrain"][0]["alerts"] == [fired["alert"]["id"]]
    service.stop(signal.SIGKILL)
    service.start()
    again = service.get("/v1/feedback")["streams"][0]["detector"]
    assert again == fired and service.get("/v1/alerts?state=firing")["alerts"][0]["id"] == fired["alert"]["id"]

    answers = send(service, fashion["in"][40:180])  # those of before the crash can no longer be labelled
    assert label(service, answers, right=True)["detector"]["alert"] is None
    assert receiver.next().json()["event"] == "alert.resolved"
    history = [entry["what"] for entry in service.get(f"/v1/alerts/{fired['alert']['id']}")["history"]]
    assert history[0] == "firing" and history[-1] == "resolved"


def test_the_rule_can_be_off(start_service, fashion):
    service = start_service(alerts={"run_length": 0, "accuracy_run_length": 0})
    assert label(service, send(service, fashion["in"][:30]), right=False)["detector"] is None
    assert service.get("/v1/alerts")["alerts"] == []
