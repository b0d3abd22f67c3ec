"""From an alert to a retrain request, its status, and the command that it runs."""

import json
import signal
import sys

from conftest import drive_to_alert, wait_until

ONE_RULE = {"run_length": 0}


def patch(service, request, **body):
    status, _, answer = service.request("PATCH", f"/v1/retrain/{request}", json.dumps(body).encode())
    return status, answer


def only_request(service):
    (request,) = service.get("/v1/retrain")["retrain"]
    return request



def test_an_alert_asks_for_retraining_and_others_join(start_service, fashion, receiver):
    service = start_service(alerts=ONE_RULE, webhooks=[receiver.webhook(events=["retrain.requested"])])
    first = drive_to_alert(service, fashion, "line-1")
    notice = receiver.next().json()
    request = only_request(service)
    assert notice["event"] == "retrain.requested" and notice["retrain"]["id"] == request["id"]
    assert request["status"] == "requested" and request["alerts"] == [first] and request["command"] is None
    second = drive_to_alert(service, fashion, "line-2")
    request = only_request(service)
    assert request["alerts"] == [first, second] and request["streams"] == ["line-1", "line-2"]
    assert [e["what"] for e in service.get(f"/v1/retrain/{request['id']}")["history"]] == ["requested", "joined"]
    metrics = service.get("/metrics", admin=True)
    assert 'driftd_retrain_requests_total{result="requested"} 1' in metrics and 'driftd_retrain_requests_total{result="joined"} 1' in metrics


def test_the_status_goes_its_way_no_other_and_survives_a_crash(start_service, fashion):
    service = start_service(alerts=ONE_RULE)
    drive_to_alert(service, fashion)
    request = only_request(service)["id"]
    assert patch(service, request, status="training")[0] == 409
    for status in ("accepted", "training"):
        assert patch(service, request, status=status, who="ci")[0] == 200
    assert patch(service, request, status="training")[0] == 200  # a report can be repeated
    service.stop(signal.SIGKILL)
    service.start()
    assert only_request(service)["status"] == "training"
    assert patch(service, request, status="ready", reference_version=5, note="recall 0.99")[1]["reference_version"] == 5
    code, done = patch(service, request, status="activated")
    assert code == 200 and [e["what"] for e in done["history"]] == ["requested", "accepted", "training", "ready", "activated"]
    assert patch(service, request, status="failed")[0] == 409
    assert patch(service, request, status="done")[0] == 400
    assert patch(service, request, state="ready")[0] == 400
    assert patch(service, "nope", status="accepted")[0] == 404
    assert service.get("/v1/retrain?status=activated")["retrain"][0]["id"] == request
    assert service.get("/v1/retrain?status=failed")["retrain"] == []
    after = drive_to_alert(service, fashion, "line-2")  # the closed request is not joined
    assert [r["alerts"] for r in service.get("/v1/retrain")["retrain"]][0] == [after]


def test_off_means_off(start_service, fashion):
    service = start_service(alerts=ONE_RULE, retrain={"mode": "off"})
    drive_to_alert(service, fashion)
    assert service.get("/v1/retrain")["retrain"] == []


def test_an_accepted_request_runs_the_command_once(start_service, fashion, tmp_path):
    script = f"import sys; open({str(tmp_path / 'request')!r}, 'a').write(sys.stdin.read()); print('job is made')"
    service = start_service(alerts=ONE_RULE, retrain={"command": [sys.executable, "-c", script]})
    drive_to_alert(service, fashion)
    request = only_request(service)
    assert request["command"] is None
    assert patch(service, request["id"], status="accepted")[0] == 200
    request = wait_until(lambda: (r := only_request(service))["command"] and r["command"]["exit_code"] is not None and r)
    assert request["status"] == "training" and request["command"]["exit_code"] == 0 and request["command"]["output"] == "job is made\n"
    (line,) = (tmp_path / "request").read_text().splitlines()
    assert json.loads(line)["retrain"]["id"] == request["id"]
    service.stop(signal.SIGKILL)
    service.start()
    assert only_request(service) == request and len((tmp_path / "request").read_text().splitlines()) == 1


def test_a_command_that_fails_fails_the_request(start_service, fashion):
    service = start_service(alerts=ONE_RULE, retrain={"mode": "auto", "command": ["sh", "-c", "echo no quota >&2; exit 7"]})
    drive_to_alert(service, fashion)
    request = wait_until(lambda: (r := only_request(service))["status"] == "failed" and r)
    assert request["command"]["exit_code"] == 7 and request["command"]["output"] == "no quota\n"
    history = service.get(f"/v1/retrain/{request['id']}")["history"]
    assert [e["what"] for e in history] == ["requested", "accepted", "training", "failed"] and "exit 7" in history[-1]["note"]


def test_a_command_is_ended_at_its_timeout_and_when_the_service_stops(start_service, fashion):
    service = start_service(alerts=ONE_RULE, retrain={"mode": "auto", "command": ["sleep", "1000"], "command_timeout_s": 1})
    drive_to_alert(service, fashion)
    request = wait_until(lambda: (r := only_request(service))["status"] == "failed" and r)
    assert request["command"]["exit_code"] == 128 + signal.SIGTERM

    service = start_service(alerts=ONE_RULE, retrain={"mode": "auto", "command": ["sleep", "1000"]})
    drive_to_alert(service, fashion)
    wait_until(lambda: only_request(service)["status"] == "training")
    assert service.stop() == 0
    service.start()
    assert only_request(service)["status"] == "failed"


def test_a_command_that_ran_at_a_crash_is_not_begun_again(start_service, fashion, tmp_path):
    ran = tmp_path / "ran"
    service = start_service(alerts=ONE_RULE, retrain={"mode": "auto", "command": ["sh", "-c", f"echo x >> {ran}; exec sleep 5"]})
    drive_to_alert(service, fashion)
    wait_until(ran.exists)
    service.stop(signal.SIGKILL)
    service.start()
    request = only_request(service)
    assert request["status"] == "training" and request["command"]["exit_code"] is None and "not known" in request["command"]["output"]
    assert ran.read_text() == "x\n"
    assert patch(service, request["id"], status="ready")[0] == 200
