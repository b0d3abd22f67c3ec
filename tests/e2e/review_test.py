"""The queue of images for a person's eye: what is queued, answers, export, the reference that an image joins."""

import csv
import io
import json
import signal
import urllib.request

import pytest
from PIL import Image

from conftest import send, services, wait_until

ONE_RULE = {"run_length": 0}


@pytest.fixture
def start(driftd, own_reference, tmp_path):
    with services(driftd, own_reference, tmp_path) as start:
        yield start


def patch(service, item, **body):
    status, _, answer = service.request("PATCH", f"/v1/review/{item}", json.dumps(body).encode())
    return status, answer


def queue(service, **query):
    return service.get("/v1/review?" + "&".join(f"{key}={value}" for key, value in {"limit": 500, **query}.items()))


def wait_for_all(service, images):
    """Waits until every image that was scored has been looked at."""

    def seen():
        metrics = service.get("/metrics", admin=True).splitlines()
        return sum(float(line.split()[-1]) for line in metrics if line.startswith("driftd_review_images_total")) >= images

    wait_until(seen)


def test_strange_images_and_a_random_sample_are_queued_with_their_pictures(start, fashion):
    service = start(alerts=ONE_RULE, review={"max_items": 20, "random_share": 0.5})
    answers = send(service, fashion["in"][:30] + fashion["out"][:40])
    wait_for_all(service, sum(a["ood"] for a in answers))
    wait_until(lambda: len(queue(service, source="random")["items"]) == 10)
    found = queue(service)
    diverse = [i for i in found["items"] if i["source"] == "diverse"]
    assert 1 <= len(diverse) <= 10 and all(i["ood"] for i in diverse) and found["waiting"] == len(found["items"])
    assert sum(i["novelty"] is None for i in diverse) <= 1  # the first had nothing to be compared with
    by_request = {a["request_id"]: a for a in answers}
    for item in found["items"]:
        scored = by_request[item["request_id"]]
        assert (item["p_value"], item["neighbours"], item["reference"]) == (scored["p_value"], scored["neighbours"], scored["reference"])
    (estimate,) = found["estimates"]
    assert (estimate["images"], estimate["sample"], estimate["waiting"], estimate["judged"], estimate["missed"]) == (70, 10, 10, 0, 0)
    first, rest = queue(service, limit=3), []
    while first["next_cursor"]:
        rest += first["items"]
        first = queue(service, limit=3, cursor=first["next_cursor"])
    assert rest + first["items"] == found["items"]

    with urllib.request.urlopen(service.url + diverse[0]["image"]["url"]) as answer:
        assert answer.headers["Content-Type"] == "image/jpeg"
        picture = Image.open(io.BytesIO(answer.read()))
    assert (picture.format, picture.size) == ("JPEG", (diverse[0]["image"]["width"], diverse[0]["image"]["height"]))


def test_answers_are_durable_and_give_an_honest_estimate(start, fashion):
    service = start(alerts=ONE_RULE, review={"max_items": 20, "random_share": 1})
    truth = {}
    for path in fashion["in"][:10] + fashion["out"][:10]:
        truth[service.score(path)["request_id"]] = path.parent.name
    wait_until(lambda: len(queue(service)["items"]) == 20)
    new = {path.parent.name for path in fashion["out"]}
    for item in queue(service)["items"]:
        status, answered = patch(service, item["id"], label=truth[item["request_id"]], who="eve", note="looked")
        assert status == 200 and answered["state"] == "labelled" and answered["truly_ood"] == (answered["label"] in new)
    service.stop(signal.SIGKILL)
    service.start()
    (estimate,) = queue(service)["estimates"]
    assert estimate["judged"] == 20 and estimate["ood"]["count"] == 10 and estimate["ood"]["rate"] == 0.5
    assert 0.29 < estimate["ood"]["lower"] < 0.31 and 0.69 < estimate["ood"]["upper"] < 0.71
    assert estimate["wrong"]["count"] >= 10  # no neighbour has a new label
    item = queue(service)["items"][0]
    assert (item["state"], item["who"], item["note"]) == ("labelled", "eve", "looked")
    assert patch(service, item["id"], dismiss=True)[1]["state"] == "dismissed"
    assert queue(service)["estimates"][0]["judged"] == 19


def test_an_accepted_image_is_in_the_reference(start, fashion):
    service = start(alerts=ONE_RULE, review={"random_share": 0})
    strange = service.score(fashion["out"][0])
    assert strange["ood"]
    item = wait_until(lambda: queue(service)["items"])[0]
    assert patch(service, item["id"], accept=True)[0] == 400  # without a label
    status, accepted = patch(service, item["id"], accept=True, label="new thing")
    assert status == 200 and accepted["state"] == "accepted"
    service.stop(signal.SIGKILL)
    service.start()
    kept = service.get(f"/v1/references/default/items/review-{item['id']}")
    assert kept["label"] == "new thing"
    again = service.score(fashion["out"][0])
    assert again["neighbours"][0]["id"] == f"review-{item['id']}" and again["neighbours"][0]["distance"] < 0.01
    assert patch(service, item["id"], accept=True, label="new thing")[0] == 200
    assert patch(service, item["id"], dismiss=True)[0] == 409
    for body in ({}, {"dismiss": True, "label": "x"}, {"label": ""}, {"verdict": "x"}, {"label": 3}):
        assert patch(service, item["id"], **body)[0] == 400
    assert patch(service, "nope", dismiss=True)[0] == 404


def test_the_queue_can_be_exported_for_labelling_tools(start, fashion):
    service = start(alerts=ONE_RULE, http={"port": 0, "external_url": "https://drift.example"}, review={"random_share": 0, "max_items": 4})
    send(service, fashion["out"][:6])
    wait_for_all(service, 4)
    first, second = queue(service)["items"][:2]
    assert patch(service, first["id"], label="=HYPERLINK(1)", note='a "b", c')[0] == 200
    assert patch(service, second["id"], label="boot")[0] == 200
    items = {i["id"]: i for i in queue(service)["items"]}

    rows = list(csv.DictReader(io.StringIO(service.get("/v1/review/export?format=csv"))))
    assert {r["id"] for r in rows} == set(items)
    row = next(r for r in rows if r["id"] == first["id"])
    assert (row["label"], row["note"], row["state"]) == ("'=HYPERLINK(1)", 'a "b", c', "labelled")
    assert row["image"] == f"https://drift.example/v1/review/{first['id']}/image"

    coco = service.get("/v1/review/export?format=coco")
    images, categories = ({e["id"]: e for e in coco[name]} for name in ("images", "categories"))
    assert len(images) == len(coco["images"]) == len(items) and {c["name"] for c in categories.values()} == {"=HYPERLINK(1)", "boot"}
    for annotation in coco["annotations"]:
        image = images[annotation["image_id"]]
        assert items[image["file_name"].removesuffix(".jpg")]["label"] == categories[annotation["category_id"]]["name"]
        assert annotation["bbox"] == [0, 0, image["width"], image["height"]] and annotation["area"] == image["width"] * image["height"]
        assert annotation["iscrowd"] == 0
    assert len(coco["annotations"]) == 2 and {"info", "licenses"} <= set(coco)

    tasks = service.get("/v1/review/export?format=labelstudio&state=labelled")
    assert {t["data"]["review_id"] for t in tasks} == {first["id"], second["id"]}
    for task in tasks:
        assert task["data"]["image"].startswith("https://drift.example/v1/review/")
        for result in (task["predictions"][0]["result"][0], task["annotations"][0]["result"][0]):
            assert (result["from_name"], result["to_name"], result["type"]) == ("label", "image", "choices")
        assert task["annotations"][0]["result"][0]["value"]["choices"] == [items[task["data"]["review_id"]]["label"]]
        assert 0 <= task["predictions"][0]["score"] <= 1
    assert service.request("GET", "/v1/review/export?format=xml")[0] == 400


def test_no_pictures_where_they_are_not_wanted_and_no_queue_where_it_is_off(start, fashion):
    service = start(alerts=ONE_RULE, review={"random_share": 0}, pictures=False)
    service.score(fashion["out"][0])
    item = wait_until(lambda: queue(service)["items"])[0]
    assert item["image"] is None
    status, _, problem = service.request("GET", f"/v1/review/{item['id']}/image")
    assert status == 404 and "pictures is false" in problem["detail"]
    assert service.stop() == 0
    off = start(alerts=ONE_RULE, review={"max_items": 0})
    off.score(fashion["out"][0])
    assert queue(off)["items"] == [] and queue(off)["estimates"] == []
