"""A reference that changes while it serves: items, search, versions, restarts, damage."""

import json
import re
import signal
import threading
import urllib.parse

import pytest
from conftest import services, wait_until

JSON = {"Content-Type": "application/json"}
PNG = {"Content-Type": "image/png"}


@pytest.fixture
def start(driftd, own_reference, tmp_path):
    with services(driftd, own_reference, tmp_path) as start:
        yield start


def call(service, method, path, body=None, expect=200, headers=None):
    data = json.dumps(body).encode() if isinstance(body, dict) else body
    status, _, answer = service.request(method, path, data, headers or JSON)
    assert status == expect, answer
    return answer


ITEMS = "/v1/references/default/items"


def test_an_item_put_is_found_at_once_and_after_a_kill(start, fashion):
    service = start()
    image = fashion["out"][0].read_bytes()
    before = service.get("/v1/references/default")["items"]
    metadata = urllib.parse.quote('{"line":3}')
    put = call(service, "PUT", f"{ITEMS}/my-bag?label=bag&uri=new/bag.png&metadata={metadata}", image, headers=PNG)
    assert (put["id"], put["version"], put["revision"]) == ("my-bag", 1, 1)
    service.stop(signal.SIGKILL)
    service.start()
    assert service.get("/v1/references/default")["items"] == before + 1
    assert service.get(f"{ITEMS}/my-bag") == {"id": "my-bag", "label": "bag", "uri": "new/bag.png", "metadata": {"line": 3}}
    found = call(service, "POST", "/v1/search?k=2", image, headers=PNG)
    assert found["neighbours"][0]["id"] == "my-bag"
    assert found["neighbours"][0]["distance"] < 0.01
    only = call(service, "POST", "/v1/search?k=3&label=bag", image, headers=PNG)["neighbours"]
    assert {n["label"] for n in only} == {"bag"}
    score = service.score(fashion["out"][0])
    assert score["neighbours"][0]["id"] == "my-bag"
    call(service, "DELETE", f"{ITEMS}/my-bag")
    call(service, "DELETE", f"{ITEMS}/my-bag", expect=404)
    call(service, "GET", f"{ITEMS}/my-bag", expect=404)
    assert call(service, "POST", "/v1/search?k=1", image, headers=PNG)["neighbours"][0]["id"] != "my-bag"


def test_bulk_writes_say_what_became_of_each_item(start):
    service = start()
    dimension = service.get("/v1/references/default")["dimension"]
    vector = [0.0] * (dimension - 1) + [1.0]
    items = [
        {"id": "a", "vector": vector, "label": "x"},
        {"id": "b", "vector": vector[:-1]},
        {"id": "", "vector": vector},
        {"id": "d", "vector": vector, "metadata": [1]},
        {"id": "e", "vector": vector, "model": "another@sha256:0"},
        {"id": "f", "image": "bm8gaW1hZ2U="},
        {"id": "g", "vector": vector},
    ]
    answer = call(service, "POST", ITEMS, {"items": items})
    assert [i["status"] for i in answer["items"]] == ["ok", "refused", "refused", "refused", "refused", "refused", "ok"]
    assert answer["written"] == 2
    assert service.get(f"{ITEMS}/g?vector=1")["vector"] == vector
    call(service, "PUT", f"{ITEMS}/e", {"vector": vector, "model": "another@sha256:0"}, expect=409)
    call(service, "PUT", f"{ITEMS}/e", {"vector": vector[:-1]}, expect=400)
    call(service, "POST", ITEMS, {"items": 3}, expect=400)
    call(service, "POST", "/v1/references/nobody/items", {"items": []}, expect=404)


def test_versions_switch_under_load_without_a_failed_or_mixed_answer(start, fashion):
    service = start()
    image = fashion["out"][0].read_bytes()
    assert call(service, "POST", "/v1/references/default/snapshots", {"note": "as built"}, expect=201)["version"] == 1
    put = call(service, "PUT", f"{ITEMS}/only-in-2", image, headers=PNG)
    assert put["reference"] == "default@2"
    assert [s["note"] for s in service.get("/v1/references/default/snapshots")["snapshots"]] == ["as built"]

    wrong, answers, done = [], [], threading.Event()

    def ask():
        while not done.is_set():
            status, _, found = service.request("POST", "/v1/search?k=1", image, PNG)
            answers.append(found.get("reference"))
            has = status == 200 and found["neighbours"][0]["id"] == "only-in-2"
            if status != 200 or has != (found["reference"] == "default@2"):
                wrong.append(found)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for i in range(40):
        answer = call(service, "POST", "/v1/references/default/activate", {"version": 1 + i % 2})
        assert answer["version"] == 1 + i % 2
        seen = len(answers)
        wait_until(lambda seen=seen: len(answers) >= seen + 4)  # at least one of them was asked after the switch
    assert {"default@1", "default@2"} == set(answers)
    done.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    call(service, "POST", "/v1/references/default/activate", {"version": 99}, expect=404)
    call(service, "POST", "/v1/references/default/activate", {"version": "1"}, expect=400)


def test_compaction_recalibrates_in_the_background_and_can_be_rolled_back(start, fashion, run, own_reference):
    service = start()
    before = service.get("/v1/references/default")
    for i, path in enumerate(fashion["in"][:6]):
        call(service, "PUT", f"{ITEMS}/new-{i}", path.read_bytes(), headers=PNG)
    call(service, "DELETE", f"{ITEMS}/0")
    call(service, "POST", "/v1/references/default/compact", expect=202)
    after = wait_until(lambda: (r := service.get("/v1/references/default")) and not r["compaction"]["running"] and r)
    assert not after["compaction"]["failed"]
    assert (after["version"], after["revision"], after["items"]) == (2, 0, before["items"] + 5)
    assert after["calibration"]["ranked"] == before["calibration"]["ranked"] + 5
    assert service.score(fashion["in"][0])["reference"] == "default@2"
    assert 'driftd_reference_version{reference="default"} 2' in service.get("/metrics", admin=True)
    call(service, "POST", "/v1/references/default/activate", {"version": 1})
    assert service.get("/v1/references/default")["items"] == before["items"] + 5
    call(service, "POST", "/v1/references/default/activate", {"version": 2})
    assert call(service, "POST", "/v1/references/default/prune", {"keep": 0})["removed"] == [1]
    service.stop()
    assert run("index", "verify", own_reference).returncode == 0


def test_enough_changes_start_a_compaction_by_themselves(start, fashion):
    service = start(store={"compact_min": 3, "compact_share": 0.001})
    for i, path in enumerate(fashion["in"][:3]):
        call(service, "PUT", f"{ITEMS}/new-{i}", path.read_bytes(), headers=PNG)
    wait_until(lambda: service.get("/v1/references/default")["version"] == 2)


def test_a_second_service_serves_the_reference_for_reading_only(start, fashion, own_reference):
    service, second = start(), start()
    assert service.get("/v1/references/default")["writable"]
    assert not second.get("/v1/references/default")["writable"]
    image = fashion["out"][0].read_bytes()
    answer = call(second, "PUT", f"{ITEMS}/x", image, headers=PNG, expect=409)
    assert "served for reading only" in answer["detail"] and str(own_reference) not in answer["detail"]
    for path, body in {"snapshots": {}, "activate": {"version": 1}, "compact": {}, "prune": {"keep": 0}, "items": {"items": []}}.items():
        call(second, "POST", f"/v1/references/default/{path}", body, expect=409)
    for path in ("snapshots/1", "items/0"):
        call(second, "DELETE", f"/v1/references/default/{path}", expect=409)
    assert second.score(fashion["in"][0])["reference"] == "default@1"


def test_a_damaged_version_is_replaced_by_the_one_before(start, fashion, own_reference):
    service = start()
    call(service, "PUT", f"{ITEMS}/x", fashion["in"][0].read_bytes(), headers=PNG)
    call(service, "POST", "/v1/references/default/compact", expect=202)
    wait_until(lambda: service.get("/v1/references/default")["version"] == 2)
    service.stop()
    file = own_reference / "versions" / "2" / "vectors.faiss"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    service.start()
    assert service.score(fashion["in"][0])["reference"] == "default@1"
    assert 'driftd_reference_damaged{reference="default"} 1' in service.get("/metrics", admin=True)
    assert "vectors.faiss" in service.log.read_text()
    assert service.get("/v1/references/default")["read_only_because"] == "its files are damaged: see the log"


def test_a_single_segment_is_served_for_reading_only(driftd, own_reference, tmp_path, fashion):
    with services(driftd, own_reference / "versions" / "1", tmp_path) as start:
        service = start()
        assert service.score(fashion["in"][0])["reference"] == "default@1"
        assert not service.get("/v1/references/default")["writable"]
        call(service, "DELETE", f"{ITEMS}/0", expect=409)
        assert "driftd index restore" in service.log.read_text()


def test_references_live_side_by_side(driftd, run, bundle, fashion, own_reference, tmp_path):
    other = tmp_path / "other"
    done = run("index", "build", "--model", bundle, "--images", fashion["train"], "--out", other, "--name", "other", "--quiet", "--kind", "ivf", "--max-score-error", "1")
    assert done.returncode == 0, done.stderr
    with services(driftd, own_reference, tmp_path) as start:
        service = start(references={"default": str(own_reference), "other": str(other)}, scoring={"recheck_every": 1})
        assert {r["reference"]: r["kind"] for r in service.get("/v1/references")["references"]} == {"default": "flat", "other": "ivf"}
        image = fashion["out"][0].read_bytes()
        call(service, "PUT", "/v1/references/other/items/only-here", image, headers=PNG)
        assert call(service, "POST", "/v1/search?k=1&reference=other", image, headers=PNG)["neighbours"][0]["id"] == "only-here"
        assert call(service, "POST", "/v1/search?k=1", image, headers=PNG)["neighbours"][0]["id"] != "only-here"
        wrong = []

        def score(name):
            for i in range(30):
                answer = service.score(fashion["in"][i], stream=name, reference=name)
                if answer["reference"] != f"{name}@1":
                    wrong.append(answer)

        threads = [threading.Thread(target=score, args=(name,)) for name in ("default", "other", "default", "other")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []
        metrics = service.get("/metrics", admin=True)
        number = lambda name: float(re.search(rf"^{name} (\S+)$", metrics, re.M)[1])  # noqa: E731
        wanted = number('driftd_index_recheck_neighbours_total{reference="other"}')
        assert wanted == 60 * 3 and number('driftd_index_recheck_found_total{reference="other"}') >= 0.9 * wanted
        assert number('driftd_index_recheck_neighbours_total{reference="default"}') == 0  # exact already
        assert 0 <= number('driftd_index_score_error{reference="other"}') <= 1
