"""What an alert shows: the curve of its rule, what its images have in common, pictures of them and of training images."""

import io
import json
import signal
import urllib.request

import numpy
import pytest
from PIL import Image

from conftest import drive_to_alert, send, services, wait_until

ONE_RULE = {"run_length": 0}


def detail(service, alert_id, images=1):
    """The alert once its breakdown is about so many images."""

    def found():
        alert = service.get(f"/v1/alerts/{alert_id}")
        return alert if alert["breakdown"] and alert["breakdown"]["images"] >= images else None

    return wait_until(found)


def picture(service, path):
    with urllib.request.urlopen(service.url + path) as answer:
        assert answer.headers["Content-Type"] == "image/jpeg" and answer.headers["X-Content-Type-Options"] == "nosniff"
        data = answer.read()
    shown = Image.open(io.BytesIO(data))
    assert shown.format == "JPEG" and max(shown.size) <= 96 and not shown.getexif()
    return shown, len(data)


def of_label(paths, *labels):
    return [path for path in paths if path.parent.name in labels]


def test_a_new_product_is_shown_as_a_group_with_pictures_and_its_nearest_training_images(start_service, fashion, receiver):
    labels = sorted({path.parent.name for path in fashion["out"]})
    bags = of_label(fashion["out"], next(label for label in labels if "bag" in label.lower()))
    service = start_service(alerts=ONE_RULE, webhooks=[receiver.webhook()])
    calm = send(service, fashion["in"][:40])
    strange, alert = [], None
    for image in 3 * bags:  # looked at again when there are twice as many
        strange.append(service.score(image, stream="camera"))
        alert = alert or strange[-1]["alert"]
    found = detail(service, alert["id"], 100)
    breakdown = found["breakdown"]
    flagged = [a for a in calm + strange if a["ood"]]
    assert breakdown["about"] == "strange" and breakdown["strange"] > 20
    assert sum(group["images"] for group in breakdown["groups"]) == breakdown["strange"]
    largest, requests = breakdown["groups"][0], {a["request_id"]: a for a in flagged}
    assert {e["request_id"] for e in largest["examples"]} <= {a["request_id"] for a in strange} & set(requests)
    assert len(largest["examples"]) == 3 and largest["of_label"] <= largest["images"]
    assert largest["neighbours"] == requests[largest["examples"][0]["request_id"]]["neighbours"]
    assert sum(label["images"] for label in breakdown["labels"]) == breakdown["strange"]
    assert all(label["expected"] == pytest.approx(0.2) and label["ratio"] == pytest.approx(label["share"] / 0.2) for label in breakdown["labels"])

    shown = {p["request_id"]: p for p in found["pictures"]}
    assert set(shown) <= set(requests) and {e["request_id"] for e in found["evidence"]} <= set(shown)
    assert largest["examples"][0]["request_id"] in shown
    sizes = [picture(service, p["url"]) for p in found["pictures"]]
    assert [size[0].size for size in sizes] == [(p["width"], p["height"]) for p in found["pictures"]]
    original = numpy.asarray(Image.open(bags[[a["request_id"] for a in strange].index(largest["examples"][0]["request_id"]) % len(bags)]).convert("L"), float)
    kept = numpy.asarray(picture(service, shown[largest["examples"][0]["request_id"]]["url"])[0].convert("L"), float)
    assert numpy.abs(original - kept).mean() < 12  # it is that very image
    near = largest["neighbours"][0]
    assert picture(service, f"/v1/references/default/items/{near['id']}/image")[0].size == (28, 28)
    assert service.get("/v1/references/default")["images"] is True

    notice = receiver.next()
    assert not {"curve", "breakdown", "pictures"} & set(notice.json()["alert"]) and len(notice.body) < 16_384
    listed = service.get("/v1/alerts")["alerts"][0]
    assert not {"curve", "breakdown", "pictures"} & set(listed)
    metrics = service.get("/metrics", admin=True)
    assert 'driftd_evidence_total{result="failed"} 0' in metrics

    service.stop(signal.SIGKILL)
    service.start()
    again = service.get(f"/v1/alerts/{alert['id']}")
    assert (again["breakdown"], again["pictures"]) == (breakdown, found["pictures"])
    picture(service, found["pictures"][0]["url"])
    for wrong in ("9999", "-1", "x", "00000000000000000000001", ""):
        assert service.request("GET", f"/v1/alerts/{alert['id']}/images/{wrong}")[0] == 404
    assert service.request("GET", "/v1/alerts/nope/images/0")[0] == 404


def darker(path):
    data = io.BytesIO()
    Image.fromarray((numpy.asarray(Image.open(path), float) * 0.55).astype(numpy.uint8)).save(data, "PNG")
    return data.getvalue()


def test_images_that_turned_dark_are_said_to_be_darker(start_service, fashion):
    service = start_service(alerts={"run_length": 20_000})
    send(service, fashion["in"][:100])
    alert = None
    for path in fashion["in"][100:220]:
        alert = service.score(darker(path), stream="camera")["alert"]
        if alert and alert["rule"] == "e-detector":
            break
    assert alert and alert["rule"] == "e-detector"
    for path in fashion["in"][220:260]:
        service.score(darker(path), stream="camera")
    found = detail(service, alert["id"], 20)
    brightness = next(p for p in found["breakdown"]["properties"] if p["name"] == "brightness")
    assert brightness["direction"] == "down" and brightness["meaning"] == "darker" and brightness["p_value"] < 0.01
    assert brightness["median"] < brightness["reference_median"]
    width = next(p for p in found["breakdown"]["properties"] if p["name"] == "width")
    assert (width["p_value"], width["meaning"]) == (1, None)
    curve = found["curve"]
    assert curve[-1]["value"] >= curve[-1]["limit"] and curve[0]["image"] < found["started"]["image"] <= curve[-1]["image"]


def test_without_pictures_nothing_of_an_image_is_kept_or_shown(start_service, fashion):
    service = start_service(alerts=ONE_RULE, pictures=False)
    found = detail(service, drive_to_alert(service, fashion))
    assert found["pictures"] == [] and found["breakdown"]["groups"]
    assert service.request("GET", f"/v1/alerts/{found['id']}/images/0")[0] == 404
    assert service.get("/v1/references/default")["images"] is False
    status, _, problem = service.request("GET", "/v1/references/default/items/0/image")
    assert status == 404 and "pictures is false" in problem["detail"]
    assert "driftd_picture_buffer_bytes 0\n" in service.get("/metrics", admin=True)


@pytest.mark.parametrize("budget", [0, 3000])
def test_pictures_stay_within_their_bytes(start_service, fashion, budget):
    service = start_service(alerts={**ONE_RULE, "thumbnail_bytes": budget})
    found = detail(service, drive_to_alert(service, fashion))
    assert sum(picture(service, p["url"])[1] for p in found["pictures"]) <= budget
    assert bool(found["pictures"]) == (budget > 0) and found["breakdown"]["strange"] > 0


def test_vectors_have_a_breakdown_and_no_pictures(start_service, fashion):
    service = start_service(alerts=ONE_RULE)
    vector = service.get("/v1/references/default/items/0?vector=1")["vector"]
    strange = json.dumps({"vector": [-value for value in vector]}).encode()
    alert = None
    for _ in range(150):
        _, _, answer = service.request("POST", "/v1/score?stream=camera", strange, {"Content-Type": "application/json"})
        alert = alert or answer["alert"]
    found = detail(service, alert["id"])
    assert found["pictures"] == [] and found["breakdown"]["properties"] == []
    assert [g["images"] for g in found["breakdown"]["groups"]] == [found["breakdown"]["strange"]]


def test_an_item_cannot_lead_out_of_the_folder_that_the_reference_was_built_from(driftd, own_reference, fashion, tmp_path):
    (tmp_path / "secret.png").write_bytes(fashion["in"][0].read_bytes())
    with services(driftd, own_reference, tmp_path) as start:
        service = start()
        for i, uri in enumerate([str(tmp_path / "secret.png"), "../../../../../etc/passwd", "..%2F..%2Fsecret.png", "/proc/self/environ"]):
            status, _, body = service.request("PUT", f"/v1/references/default/items/mine-{i}?uri={uri}", fashion["in"][i].read_bytes(), {"Content-Type": "image/png"})
            assert status == 200, body
            status, _, problem = service.request("GET", f"/v1/references/default/items/mine-{i}/image")
            assert status == 404 and "the folder" in problem["detail"] and str(tmp_path) not in problem["detail"]
        assert service.request("GET", "/v1/references/default/items/nope/image")[0] == 404
        picture(service, "/v1/references/default/items/0/image")
