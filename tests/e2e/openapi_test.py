"""The service keeps what /openapi.json promises, for requests that a generator makes up: valid, odd and invalid ones."""

import base64
import io
import json
import re

import hypothesis
import jsonschema
import pytest
import schemathesis
from hypothesis import strategies
from PIL import Image
from schemathesis import checks

from conftest import ROOT, services, wait_until

CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]


def picture(format):
    file = io.BytesIO()
    Image.new("RGB", (16, 16), (200, 30, 90)).save(file, format)
    return file.getvalue()


# Whole images, cut ones and noise, whatever the Content-Type says.
BODIES = [picture(format) for format in ("JPEG", "PNG", "WEBP", "BMP")]
BYTES = strategies.one_of(strategies.sampled_from(BODIES + [body[:-9] for body in BODIES]), strategies.binary(max_size=200))
for media_type in ("image/jpeg", "image/png", "image/webp", "image/bmp", "application/octet-stream"):
    schemathesis.openapi.media_type(media_type, BYTES)

known = {}  # a parameter and a value of it that exists
ids = {}  # the first two segments of a path, and an {id} that exists there


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    """Made-up names meet nothing but 404: every other one becomes a name that exists."""
    there = known | {"id": ids.get("/".join(context.operation.path.split("/")[:3]))}
    return {name: there[name] if there.get(name) and len(str(value)) % 2 else value for name, value in (path_parameters or {}).items()}


@schemathesis.hook
def map_body(context, body):
    """Every other piece of feedback is about an image that was scored."""
    if context.operation.path == "/v1/feedback" and isinstance(body, dict) and "request_id" in body and len(str(body)) % 2:
        return {**body, "request_id": known["request_id"]}
    return body


@pytest.fixture
def service(driftd, own_reference, tmp_path):
    """It writes to a reference of its own; its webhook's port refuses."""
    with services(driftd, own_reference, tmp_path) as start:
        yield start(webhooks=[{"url": "http://127.0.0.1:1/", "allow_private": True}])


@pytest.fixture
def api(service, fashion):
    """The description, of a service that has one of everything."""
    alert = None
    for image in fashion["out"][:80]:
        if alert := service.score(image, stream="camera-1")["alert"]:
            break
    assert alert, "80 strange images raised no alert"
    seen = service.score(fashion["in"][0], stream="camera-1")["request_id"]
    status, _, silence = service.request("POST", "/v1/silences", b'{"streams": "other", "for_seconds": 9999}')
    assert status == 201, silence
    known.update(stream="camera-1", reference="default", item="0", version=1, request_id=seen, n=0)
    wait_until(lambda: service.get(f"/v1/alerts/{alert['id']}")["pictures"])
    ids.update(
        {
            "/v1/alerts": alert["id"],
            "/v1/silences": silence["id"],
            "/v1/deliveries": service.get("/v1/deliveries")["deliveries"][0]["id"],
            "/v1/retrain": service.get("/v1/retrain")["retrain"][0]["id"],
            "/v1/review": wait_until(lambda: service.get("/v1/review")["items"])[0]["id"],
        }
    )
    return schemathesis.openapi.from_url(service.url + "/openapi.json")


# Derandomized: the same requests each time. The health checks are about the speed of generators.
@hypothesis.settings(
    max_examples=100, deadline=None, derandomize=True, database=None, suppress_health_check=list(hypothesis.HealthCheck)
)
@hypothesis.given(data=strategies.data())
def every_answer_is_as_described(operation, mode, data):
    case = data.draw(operation.as_strategy(generation_mode=mode))
    statuses.add((operation.label, case.call_and_validate(checks=CHECKS, timeout=30).status_code))


statuses = set()  # what was answered, to see that the requests reach past the door


def test_every_answer_is_as_described(api, service):
    live_a_life(api, service)
    for operation in (result.ok() for result in api.get_all_operations()):
        modes = schemathesis.GenerationMode
        can_be_wrong = operation.query or operation.body or "{stream}" in operation.path
        for mode in [modes.POSITIVE, modes.NEGATIVE] if can_be_wrong else [modes.POSITIVE]:
            every_answer_is_as_described(operation, mode)
    succeeded = {label for label, status in statuses if status < 300}
    assert succeeded == {label for label, _ in statuses} and ("POST /v1/score", 422) in statuses, statuses


def live_a_life(api, service):
    """A reference from its first item to its pruning: what made-up requests seldom reach, since it needs the right order."""
    reference, image = {"reference": "default"}, picture("PNG")
    vector = [0.0] * service.get("/v1/references/default")["dimension"]
    other = {"vector": vector, "model": "another@sha256:0"}

    def call(method, path, expect, body=None, **case):
        operation = api["/v1/references/{reference}" + path][method]
        parameters = reference | case.pop("path_parameters", {})
        media_type = "image/png" if isinstance(body, bytes) else "application/json" if body is not None else None
        given = {"body": body, "media_type": media_type} if media_type else {}
        answer = operation.Case(path_parameters=parameters, **given, **case).call_and_validate(checks=CHECKS, timeout=30)
        assert answer.status_code == expect, answer.text
        statuses.add((operation.label, expect))
        return answer.json()

    mine = {"path_parameters": {"item": "mine"}}
    call("PUT", "/items/{item}", 200, image, query={"label": "x", "uri": "y", "metadata": '{"z": [1]}'}, **mine)
    call("PUT", "/items/{item}", 200, {"vector": vector, "metadata": {"z": 1}}, **mine)
    call("PUT", "/items/{item}", 409, other, **mine)
    assert call("GET", "/items/{item}", 200, query={"vector": 1}, **mine)["vector"] == vector
    encoded = base64.b64encode(image).decode()
    call("POST", "/items", 200, {"items": [{"id": "a", "image": encoded}, {"id": "b", "vector": vector[1:]}, {"id": "c"} | other]})
    call("DELETE", "/items/{item}", 200, **mine)
    snapshot = call("POST", "/snapshots", 201, {"note": "one"})["version"]
    call("DELETE", "/items/{item}", 200, path_parameters={"item": "1"})
    assert call("GET", "/snapshots", 200)["snapshots"][0]["version"] == snapshot
    call("POST", "/activate", 200, {"version": snapshot})
    call("POST", "/activate", 404, {"version": 1000})
    call("POST", "/compact", 202)
    wait_until(lambda: not service.get("/v1/references/default")["compaction"]["running"])
    call("GET", "", 200)
    call("DELETE", "/snapshots/{version}", 200, path_parameters={"version": snapshot})
    assert snapshot in call("POST", "/prune", 200, {"keep": 0})["removed"]
    call("POST", "/shadow", 200, {"version": service.get("/v1/references/default")["version"]})
    labelled = json.dumps({"label": "new"}).encode()
    assert service.request("PATCH", f"/v1/review/{ids['/v1/review']}", labelled)[0] == 200
    accept = api["/v1/alerts/{id}/accept"]["POST"]
    case = accept.Case(path_parameters={"id": ids["/v1/alerts"]}, body={"who": "eve"}, media_type="application/json")
    statuses.add((accept.label, case.call_and_validate(checks=CHECKS, timeout=30).status_code))


def test_every_example_is_as_its_schema_says():
    description = json.loads((ROOT / "api/web/openapi.json").read_text())

    def examples(node):
        """(schema, example) of each media type and parameter."""
        if isinstance(node, list):
            node = dict(enumerate(node))
        if not isinstance(node, dict):
            return
        if "schema" in node and "example" in node:
            yield node["schema"], node["example"]
        if "schema" in node and "examples" in node:
            for named in node["examples"].values():
                yield node["schema"], description["components"]["examples"][named["$ref"].split("/")[-1]]["value"]
        for child in node.values():
            yield from examples(child)

    found = list(examples(description))
    assert len(found) > 10
    for schema, example in found:
        jsonschema.Draft202012Validator(schema | {"components": description["components"]}).validate(example)


def test_the_description_holds_exactly_the_routes_of_the_service(server):
    described = {
        (method.upper(), re.sub(r"{\w+}", "{}", path))
        for path, item in server.get("/openapi.json")["paths"].items()
        for method in item
        if method != "parameters"
    }
    source = "".join(path.read_text() for path in (ROOT / "api").glob("*routes.cpp"))
    routed = {(method, re.sub(r"{\w+}", "{}", path)) for method, path in re.findall(r'[{(]"([A-Z]+)", "(/v1/[^"]+)"', source)}
    assert described == routed
