"""Delivery of webhooks: formats, signatures, TLS, refusals, retries and dead letters."""

import base64
import hashlib
import hmac
import json
import re
import signal
import socket
import threading

import pytest

from conftest import drive_to_alert, wait_until

ONE_RULE = {"run_length": 0}


def dead(service):
    return service.get("/v1/deliveries?state=dead")["deliveries"]


def last_error(service):
    found = service.get("/v1/deliveries")["deliveries"]
    return found[0]["last_error"] if found else None


def test_every_format_reaches_its_receiver(start_service, fashion, receiver):
    formats = ["driftd", "alertmanager", "alertmanager-api", "slack", "cloudevents"]
    hooks = [receiver.webhook(name=name, format=name, url=f"{receiver.url}/{name}", events=["alert.firing"]) for name in formats]
    service = start_service(alerts=ONE_RULE, webhooks=hooks, http={"port": 0, "external_url": "https://driftd.example"})
    alert = drive_to_alert(service, fashion)
    posts = {post.path.rsplit("/", 1)[1]: post for post in (receiver.next() for _ in formats)}
    assert posts.keys() == set(formats)
    body = {name: post.json() for name, post in posts.items()}
    assert body["driftd"]["alert"]["id"] == alert
    assert body["alertmanager"]["version"] == "4" and re.fullmatch("[0-9a-f]{16}", body["alertmanager"]["alerts"][0]["fingerprint"])
    assert body["alertmanager-api"][0]["labels"]["stream"] == "camera" and body["alertmanager-api"][0]["endsAt"] > body["alertmanager-api"][0]["startsAt"]
    assert "camera" in body["slack"]["text"] and "https://driftd.example" in json.dumps(body["slack"])
    assert posts["cloudevents"].headers["Content-Type"] == "application/cloudevents+json"
    assert body["cloudevents"]["id"] == posts["cloudevents"].headers["Webhook-Id"]
    wait_until(lambda: len(service.get("/v1/deliveries?state=delivered")["deliveries"]) == len(formats))


def test_a_message_over_tls_is_verified_and_signed(start_service, fashion, tls_receiver, certificate, tmp_path):
    key = bytes(range(32))
    (tmp_path / "secret").write_text("whsec_" + base64.b64encode(key).decode() + "\n")
    hook = tls_receiver.webhook(ca_file=str(certificate[0]), secret_file=str(tmp_path / "secret"))
    service = start_service(alerts=ONE_RULE, webhooks=[hook])
    drive_to_alert(service, fashion)
    post = tls_receiver.next()
    signed = f"{post.headers['Webhook-Id']}.{post.headers['Webhook-Timestamp']}.".encode() + post.body
    expected = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    assert post.headers["Webhook-Signature"] == f"v1,{expected}"
    assert base64.b64encode(key).decode() not in service.config.read_text() + service.log.read_text()


def test_a_certificate_that_nobody_vouches_for_is_refused(start_service, fashion, tls_receiver):
    service = start_service(alerts=ONE_RULE, webhooks=[tls_receiver.webhook()])
    drive_to_alert(service, fashion)
    assert "self-signed certificate" in wait_until(lambda: last_error(service)) and "ca_file" in last_error(service)
    assert tls_receiver.attempts == 0


def test_a_certificate_of_another_host_is_refused(start_service, fashion, tls_receiver, certificate):
    url = tls_receiver.url.replace("127.0.0.1", "127.0.0.2")
    receiver = socket.create_server(("127.0.0.2", 0))  # the same certificate on an address that it does not name
    port = receiver.getsockname()[1]

    def forward():
        while True:
            try:
                client, _ = receiver.accept()
            except OSError:
                return
            target = socket.create_connection(("127.0.0.1", tls_receiver.server.server_port))
            for a, b in ((client, target), (target, client)):
                threading.Thread(target=pump, args=(a, b), daemon=True).start()

    def pump(a, b):
        try:
            while data := a.recv(65536):
                b.sendall(data)
        except OSError:
            pass

    threading.Thread(target=forward, daemon=True).start()
    hook = {"url": re.sub(r":\d+/", f":{port}/", url), "allow_private": True, "ca_file": str(certificate[0])}
    service = start_service(alerts=ONE_RULE, webhooks=[hook])
    drive_to_alert(service, fashion)
    assert "TLS with 127.0.0.2 failed" in wait_until(lambda: last_error(service))
    receiver.close()
    assert tls_receiver.attempts == 0


def test_a_private_address_is_refused_unless_allowed(start_service, fashion, receiver):
    by_name = receiver.url.replace("127.0.0.1", "localhost")
    service = start_service(alerts=ONE_RULE, webhooks=[{"url": by_name}])
    drive_to_alert(service, fashion)
    assert "allow_private" in wait_until(lambda: last_error(service))
    assert receiver.attempts == 0
    wait_until(lambda: "allow_private" in service.log.read_text())
    with pytest.raises(AssertionError, match="allow_private"):  # an address in the URL is refused at start
        start_service(webhooks=[{"url": receiver.url}])


def test_redirects_are_not_followed(start_service, fashion, receiver):
    receiver.status = 302
    service = start_service(alerts=ONE_RULE, webhooks=[receiver.webhook(max_attempts=1, events=["alert.firing"])])
    drive_to_alert(service, fashion)
    assert wait_until(lambda: dead(service))[0]["last_error"] == "answered 302"
    assert receiver.attempts == 1


def test_a_receiver_that_never_answers_or_never_stops_costs_one_timeout(start_service, fashion):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hook = {"url": f"http://127.0.0.1:{silent.getsockname()[1]}/", "allow_private": True, "timeout_ms": 200, "max_attempts": 1}
        service = start_service(alerts=ONE_RULE, webhooks=[hook])
        drive_to_alert(service, fashion)
        assert wait_until(lambda: dead(service))[0]["last_error"] == "no answer within 200 ms"


def test_a_slow_target_does_not_hold_up_another(start_service, fashion, receiver):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        slow = {"url": f"http://127.0.0.1:{silent.getsockname()[1]}/", "allow_private": True, "timeout_ms": 30_000}
        service = start_service(alerts=ONE_RULE, webhooks=[slow, receiver.webhook()])
        alert = drive_to_alert(service, fashion)
        assert receiver.next(seconds=10).json()["alert"]["id"] == alert


def test_a_dead_letter_is_shown_noted_kept_over_a_crash_and_can_be_tried_again(start_service, fashion, receiver):
    receiver.status = 500
    service = start_service(alerts=ONE_RULE, webhooks=[receiver.webhook(name="ops", max_attempts=1, events=["alert.firing"])])
    alert = drive_to_alert(service, fashion)
    (letter,) = wait_until(lambda: dead(service))
    assert (letter["webhook"], letter["subject"], letter["event"], letter["attempts"]) == ("ops", alert, "alert.firing", 1)
    undelivered = service.get(f"/v1/alerts/{alert}")["history"][-1]
    assert (undelivered["what"], undelivered["note"]) == ("undelivered", "alert.firing to ops: answered 500")
    wait_until(lambda: 'driftd_webhook_deliveries_total{result="dead"} 1' in service.get("/metrics", admin=True))
    service.stop(signal.SIGKILL)
    receiver.status = 204
    service.start()
    assert dead(service) == [letter]
    status, _, again = service.request("POST", f"/v1/deliveries/{letter['id']}/retry")
    assert status == 200 and again["state"] == "pending"
    post = receiver.next()
    assert post.headers["Webhook-Id"] == letter["id"] and post.json()["alert"]["id"] == alert
    wait_until(lambda: service.get("/v1/deliveries?state=delivered")["deliveries"])
    assert service.request("POST", f"/v1/deliveries/{letter['id']}/retry")[0] == 409
    assert service.request("POST", "/v1/deliveries/nope/retry")[0] == 404
    assert service.request("GET", "/v1/deliveries?state=lost")[0] == 400


def test_notices_of_a_webhook_that_is_no_longer_configured_die(start_service, fashion, receiver):
    receiver.status = 500
    service = start_service(alerts=ONE_RULE, webhooks=[receiver.webhook(name="old")])
    drive_to_alert(service, fashion)
    wait_until(lambda: last_error(service))
    service.stop(signal.SIGKILL)
    config = json.loads(service.config.read_text())
    config["webhooks"][0]["name"] = "new"
    service.config.write_text(json.dumps(config))
    service.start()
    letters = wait_until(lambda: dead(service))
    assert {letter["last_error"] for letter in letters} == {"no such webhook is configured any more"}
    assert service.request("POST", f"/v1/deliveries/{letters[0]['id']}/retry")[0] == 409
