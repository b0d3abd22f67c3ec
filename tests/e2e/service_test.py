"""Start, health, metrics, configuration and stop of the service."""

import concurrent.futures
import json
import pathlib
import signal
import time


def test_health_and_metrics_answer_on_their_own_listener(server, fashion):
    assert server.get("/livez", admin=True) == "ok\n"
    assert server.get("/readyz", admin=True) == "ok\n"
    assert server.request("GET", "/livez")[0] == 404
    server.score(fashion["in"][0], stream="s1")
    metrics = server.get("/metrics", admin=True)
    for line in (
        'driftd_images_scored_total{decision="ood",reference="default",stream="s1"}',
        'driftd_http_requests_total{route="/v1/score",status="200"} 1',
        'driftd_rejected_total{reason="framing"} 0',
        'driftd_webhook_deliveries_total{result="delivered"} 0',
        "driftd_reference_items",
        'driftd_index_recall_ratio{reference="default"} 1',
        "driftd_drift_p_value_bucket",
    ):
        assert line in metrics, f"{line} not in\n{metrics}"


def environment_of(service):
    entries = pathlib.Path(f"/proc/{service.pid}/environ").read_text(encoding="utf-8").split("\0")
    return dict(entry.split("=", 1) for entry in entries if "=" in entry)


def test_the_process_and_its_threads_have_names_that_top_and_pgrep_show(server):
    names = [path.read_text().strip() for path in pathlib.Path(f"/proc/{server.pid}/task").glob("*/comm")]
    assert pathlib.Path(f"/proc/{server.pid}/comm").read_text() == "driftd\n"
    assert {"driftd", "admin", "background", "worker", "model", "records", "review", "evidence"} <= set(names)
    assert "jemalloc_bg_thd" in names  # free memory goes back while the service rests, too
    assert "exe" not in names


def test_what_openmp_reads_at_its_start_is_set_and_a_users_own_settings_stand(start_service, monkeypatch):
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.delenv(name, raising=False)
    found = environment_of(start_service())
    assert (found["OMP_WAIT_POLICY"], found["GOMP_SPINCOUNT"]) == ("passive", "10000")
    monkeypatch.setenv("GOMP_SPINCOUNT", "5")
    found = environment_of(start_service())
    assert found["GOMP_SPINCOUNT"] == "5" and "OMP_WAIT_POLICY" not in found


def test_sigterm_finishes_requests_in_flight(server, fashion):
    bodies = [path.read_bytes() for path in fashion["in"][:64]]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = [pool.submit(server.request, "POST", "/v1/score", body, {"Content-Type": "image/png"}) for body in bodies]
        next(concurrent.futures.as_completed(answers))
        started = time.monotonic()
        assert server.stop(signal.SIGTERM) == 0
        assert time.monotonic() - started < 20
        statuses = [answer.result()[0] for answer in answers if answer.exception() is None]
    assert len(statuses) >= 1 and set(statuses) == {200}


def test_many_clients_at_once_all_get_an_answer(server, fashion):
    paths = fashion["in"][:100]
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda path: server.score(path, stream="busy"), paths))
    assert [a["neighbours"] for a in answers] == [server.score(path)["neighbours"] for path in paths]
    assert server.get("/v1/streams/busy")["images"] == 100


def test_a_wrong_configuration_is_refused_with_the_path_of_the_key(run, tmp_path):
    file = tmp_path / "c.json"
    for text, words in {
        '{"http": {"prot": 1}}': ["http.prot", "no setting"],
        '{"scoring": {"alpha": "high"}}': ["scoring.alpha", "number"],
        '{"scoring": {"alpha": 2}}': ["scoring.alpha", "between 0 and 1"],
        '{"http": {"address": "0.0.0.0"}}': ["http.address", "outside"],
        '{"http": {"port": 70000}}': ["http.port", "65535"],
        "{": ["not JSON"],
    }.items():
        base = {"references": {"default": "x"}, "data_directory": "x"}
        file.write_text(json.dumps({**base, **json.loads(text)}) if text != "{" else text)
        done = run("serve", "--config", file)
        assert done.returncode == 2, done
        for word in words:
            assert word in done.stderr


def test_settings_come_from_file_environment_and_flag_in_that_order(run, tmp_path):
    file = tmp_path / "c.json"
    file.write_text('{"http": {"port": 1, "max_connections": 11}, "streams": {"window": 100}}')
    done = run("config", "print", "--config", file, "--set", "http.port=3", env={"DRIFTD_HTTP__PORT": "2", "DRIFTD_STREAMS__WINDOW": "200"})
    printed = json.loads(done.stdout)
    assert (printed["http"]["port"], printed["http"]["max_connections"], printed["streams"]["window"]) == (3, 11, 200)
    file.write_text(done.stdout)
    assert run("config", "print", "--config", file).stdout == done.stdout


def test_the_port_in_use_and_a_second_service_on_the_same_data_are_refused(server, run):
    done = run("serve", "--config", server.config, "--set", f"http.port={server.port}")
    assert done.returncode != 0 and "another" in done.stderr
    done = run("serve", "--config", server.config, "--set", f"admin.port={server.admin_port}")
    assert done.returncode == 2 and "in use" in done.stderr
