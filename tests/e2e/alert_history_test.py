"""Acknowledging, silencing, paging and cooling down of alerts, and what is left of it after a crash."""

import datetime
import json
import signal

import pytest

from conftest import drive_to_alert, send

ONE_RULE = {"run_length": 0}  # alerts of rule ood-rate only


def post(service, path, body=None, method="POST"):
    status, _, answer = service.request(method, path, None if body is None else json.dumps(body).encode())
    return status, answer


def events(alert):
    return [entry["what"] for entry in alert["history"]]


def crash(service):
    service.stop(signal.SIGKILL)
    service.start()


def test_the_history_tells_who_did_what_and_survives_a_crash(start_service, fashion, receiver):
    service = start_service(alerts=ONE_RULE, webhooks=[receiver.webhook()])
    alert = drive_to_alert(service, fashion)
    assert post(service, f"/v1/alerts/{alert}/ack", {"who": "ann", "note": "the lens is dirty"})[0] == 200
    assert post(service, f"/v1/alerts/{alert}/ack", {"who": "bob"})[0] == 200
    first = service.get(f"/v1/alerts/{alert}")
    crash(service)
    assert service.get(f"/v1/alerts/{alert}") == first
    send(service, fashion["in"][:250])
    history = service.get(f"/v1/alerts/{alert}")["history"]
    assert [entry["what"] for entry in history] == ["pending", "firing", "notified", "acknowledged", "acknowledged", "resolved"]
    assert (history[3]["who"], history[3]["note"]) == ("ann", "the lens is dirty") and history[4]["who"] == "bob"
    assert history[1]["who"] == "driftd" and [entry["at"] for entry in history] == sorted(entry["at"] for entry in history)


def test_a_silenced_stream_is_recorded_and_told_when_the_silence_ends(start_service, fashion, receiver):
    service = start_service(alerts=ONE_RULE, webhooks=[receiver.webhook()])
    status, silence = post(service, "/v1/silences", {"streams": "cam*", "for_seconds": 3600, "who": "bob", "note": "new lamps"})
    assert status == 201 and silence["note"] == "new lamps"
    crash(service)
    assert service.get("/v1/silences")["silences"] == [silence]
    alert = drive_to_alert(service, fashion)
    shown = service.get(f"/v1/alerts/{alert}")
    assert events(shown) == ["pending", "firing", "muted"] and shown["silenced_until"] == silence["until"]
    assert service.get("/v1/deliveries")["deliveries"] == [] and service.get("/v1/retrain")["retrain"] == []

    assert post(service, f"/v1/silences/{silence['id']}", method="DELETE")[0] == 200
    assert post(service, f"/v1/silences/{silence['id']}", method="DELETE")[0] == 404
    notice = receiver.next().json()
    assert (notice["event"], notice["alert"]["id"]) == ("alert.firing", alert)
    shown = service.get(f"/v1/alerts/{alert}")
    assert events(shown) == ["pending", "firing", "muted", "notified"] and shown["silenced_until"] is None


def test_an_alert_that_came_and_went_in_a_silence_is_told_to_nobody(start_service, fashion, receiver):
    service = start_service(alerts=ONE_RULE, webhooks=[receiver.webhook()])
    assert post(service, "/v1/silences", {"streams": "*", "for_seconds": 3600})[0] == 201
    alert = drive_to_alert(service, fashion)
    send(service, fashion["in"][:250])
    assert events(service.get(f"/v1/alerts/{alert}")) == ["pending", "firing", "muted", "resolved"]
    assert service.get("/v1/deliveries")["deliveries"] == []


def test_an_alert_is_silenced_and_unsilenced_and_its_end_is_told_all_the_same(start_service, fashion, receiver):
    service = start_service(alerts=ONE_RULE, webhooks=[receiver.webhook(events=["alert.firing", "alert.resolved"])])
    alert = drive_to_alert(service, fashion)
    assert receiver.next().json()["event"] == "alert.firing"
    until = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)).isoformat(timespec="milliseconds")
    status, silenced = post(service, f"/v1/alerts/{alert}/silence", {"until": until, "who": "ann", "note": "cleaning"})
    assert status == 200 and datetime.datetime.fromisoformat(silenced["silenced_until"].replace("Z", "+00:00")) == datetime.datetime.fromisoformat(until)
    assert silenced["history"][-1]["what"] == "silenced" and silenced["history"][-1]["note"].endswith(": cleaning")
    status, heard = post(service, f"/v1/alerts/{alert}/silence", method="DELETE")
    assert status == 200 and heard["silenced_until"] is None and events(heard)[-1] == "unsilenced"
    assert post(service, f"/v1/alerts/{alert}/silence", {"for_seconds": 600})[0] == 200
    send(service, fashion["in"][:250])
    assert receiver.next().json()["event"] == "alert.resolved"


@pytest.mark.parametrize(
    "body", [{}, {"until": "2020-01-01T00:00:00Z"}, {"for_seconds": 0}, {"for_seconds": 9, "until": "2099-01-01T00:00:00Z"}, {"for": 9}, []]
)
def test_a_silence_that_says_no_time_is_refused(server, fashion, body):
    alert = drive_to_alert(server, fashion)
    assert post(server, f"/v1/alerts/{alert}/silence", body)[0] == 400
    assert post(server, "/v1/silences", {"streams": "*"} | body if isinstance(body, dict) else body)[0] == 400
    assert post(server, "/v1/silences", {"streams": "a b", "for_seconds": 9})[0] == 400


def test_alerts_are_paged_and_filtered(start_service, fashion):
    service = start_service(alerts=ONE_RULE)
    ids = [drive_to_alert(service, fashion, f"line-{i}") for i in range(3)]
    assert post(service, "/v1/streams/line-0/reset")[0] == 200
    page = service.get("/v1/alerts?limit=2")
    assert [a["id"] for a in page["alerts"]] == [ids[2], ids[1]] and page["next_cursor"]
    rest = service.get(f"/v1/alerts?limit=2&cursor={page['next_cursor']}")
    assert [a["id"] for a in rest["alerts"]] == [ids[0]] and rest["next_cursor"] is None
    assert [a["id"] for a in service.get("/v1/alerts?state=firing")["alerts"]] == [ids[2], ids[1]]
    assert [a["id"] for a in service.get("/v1/alerts?state=resolved")["alerts"]] == [ids[0]]
    assert [a["id"] for a in service.get("/v1/alerts?stream=line-1")["alerts"]] == [ids[1]]
    for query in ("limit=0", "limit=501", "state=pending", "cursor=x"):
        assert service.request("GET", f"/v1/alerts?{query}")[0] == 400, query


def test_a_rule_of_its_own_and_a_cooldown(start_service, fashion):
    rules = [{"streams": "fast-*", "min_images": 20, "for_images": 0, "cooldown_images": 200}, {"streams": "*", "threshold": 0.9}]
    service = start_service(alerts={**ONE_RULE, "rules": rules})
    answers = send(service, fashion["out"][:60], "fast-1")
    fired = next(i for i, answer in enumerate(answers) if answer["alert"])
    assert fired < 30
    assert not any(answer["alert"] for answer in send(service, fashion["out"][:60], "slow"))
    send(service, fashion["in"][:200], "fast-1")
    alert = service.get("/v1/alerts?stream=fast-1")["alerts"][0]
    assert alert["state"] == "resolved"
    crash(service)
    drifted = send(service, fashion["out"][:150], "fast-1")
    over = [i for i, answer in enumerate(drifted) if answer["window"]["lower"] > 0.1]
    assert over and not any(answer["alert"] for answer in drifted[: over[0] + 5])
