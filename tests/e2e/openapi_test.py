"""The service keeps what /openapi.json promises, for requests that a generator makes up: valid, odd and invalid ones."""

import io
import re

import hypothesis
import pytest
import schemathesis
from hypothesis import strategies
from PIL import Image
from schemathesis import checks

from conftest import ROOT

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

known = {}  # the first two segments of a path, and a value of its parameter that exists; a request id that was scored


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    """Made-up names meet nothing but 404: every other one becomes a name that exists."""
    there = known.get("/".join(context.operation.path.split("/")[:3]))
    return {name: there if there and len(str(value)) % 2 else value for name, value in (path_parameters or {}).items()}


@schemathesis.hook
def map_body(context, body):
    """Every other piece of feedback is about an image that was scored."""
    if context.operation.path == "/v1/feedback" and isinstance(body, dict) and "request_id" in body and len(str(body)) % 2:
        return {**body, "request_id": known["request_id"]}
    return body


@pytest.fixture
def api(start_service, fashion):
    """The description, of a service that has one of everything; its webhook's port refuses."""
    server = start_service(webhooks=[{"url": "http://127.0.0.1:1/", "allow_private": True}])
    alert = None
    for image in fashion["out"][:80]:
        if alert := server.score(image, stream="camera-1")["alert"]:
            break
    assert alert, "80 strange images raised no alert"
    seen = server.score(fashion["in"][0], stream="camera-1")["request_id"]
    status, _, silence = server.request("POST", "/v1/silences", b'{"streams": "other", "for_seconds": 9999}')
    assert status == 201, silence
    known.update(
        {
            "/v1/streams": "camera-1",
            "/v1/alerts": alert["id"],
            "/v1/silences": silence["id"],
            "/v1/deliveries": server.get("/v1/deliveries")["deliveries"][0]["id"],
            "/v1/retrain": server.get("/v1/retrain")["retrain"][0]["id"],
            "/v1/references": "default",
            "request_id": seen,
        }
    )
    return schemathesis.openapi.from_url(server.url + "/openapi.json")


# Derandomized: the same requests each time. The health checks are about the speed of generators.
@hypothesis.settings(
    max_examples=100, deadline=None, derandomize=True, database=None, suppress_health_check=list(hypothesis.HealthCheck)
)
@hypothesis.given(data=strategies.data())
def every_answer_is_as_described(operation, mode, data):
    case = data.draw(operation.as_strategy(generation_mode=mode))
    statuses.add((operation.label, case.call_and_validate(checks=CHECKS, timeout=30).status_code))


statuses = set()  # what was answered, to see that the requests reach past the door


def test_every_answer_is_as_described(api):
    for operation in (result.ok() for result in api.get_all_operations()):
        modes = schemathesis.GenerationMode
        can_be_wrong = operation.query or operation.body or "{stream}" in operation.path
        for mode in [modes.POSITIVE, modes.NEGATIVE] if can_be_wrong else [modes.POSITIVE]:
            every_answer_is_as_described(operation, mode)
    labels = {label for label, _ in statuses}
    created = {(label, 201) for label, status in statuses if status == 201}
    assert {(label, 200) for label in labels - {label for label, _ in created}} <= statuses and ("POST /v1/score", 422) in statuses, statuses


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
