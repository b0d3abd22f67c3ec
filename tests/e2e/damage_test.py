"""Damaged files of the data directory: the service starts, says what it did, and loses nothing else."""

import json
import pathlib

import pytest

from conftest import drive_to_alert, wait_until

ONE_RULE = {"run_length": 0}


def damage(path, kind):
    data = bytearray(path.read_bytes())
    if kind == "cut":
        data = data[: len(data) // 2]
    elif kind == "no database":
        data = bytearray(b"x" * 5000)
    else:
        data[4096 : 3 * 4096] = b"\xaa" * (2 * 4096)
    path.write_bytes(data)


@pytest.mark.parametrize("kind", ["cut", "no database", "pages"])
@pytest.mark.parametrize("name", ["driftd.db", "review.db"])
def test_a_damaged_database_is_set_aside_and_the_other_one_serves_on(start_service, fashion, name, kind):
    service = start_service(alerts=ONE_RULE)
    alert = drive_to_alert(service, fashion)
    queued = wait_until(lambda: service.get("/v1/review?limit=500")["items"])
    assert service.stop() == 0
    data = pathlib.Path(json.loads(service.config.read_text())["data_directory"])
    damage(data / name, kind)
    damaged = (data / name).read_bytes()
    service.start()
    (aside,) = data.glob(f"{name}.damaged-*")
    assert aside.read_bytes() == damaged
    lines = [json.loads(line) for line in service.log.read_text().splitlines()]
    (line,) = [line for line in lines if "set aside" in line["message"]]
    assert line["level"] == "error" and line["now_at"] == str(aside) and line["reason"]
    assert (service.request("GET", f"/v1/alerts/{alert}")[0] == 200) == (name == "review.db")
    items = service.get("/v1/review?limit=500")["items"]
    assert bool(items) == (name == "driftd.db") and (not items or len(items) >= len(queued))
    assert service.score(fashion["in"][0], stream="camera")["window"]["size"] >= 1
    assert service.stop() == 0
    service.start()  # once more, with what is there now
    assert len(list(data.glob("*.damaged-*"))) == 1
