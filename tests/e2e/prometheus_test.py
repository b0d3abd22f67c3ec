"""The shipped Prometheus rules and Grafana dashboard against the running service and a real Prometheus."""

import json
import math
import pathlib
import re
import subprocess
import urllib.error
import urllib.parse
import urllib.request

import pytest

from conftest import ROOT, wait_until

DEPLOY = ROOT / "deploy"
DASHBOARD = json.loads((DEPLOY / "grafana/dashboards/driftd.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


@pytest.fixture(scope="session")
def prometheus_tools():
    """The folder of prometheus and promtool."""
    done = subprocess.run([ROOT / "scripts/fetch_prometheus"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return pathlib.Path(done.stdout.strip())


def replaced(pattern, replacement, text):
    result, count = re.subn(pattern, replacement, text)
    assert count, f"{pattern} is not in\n{text}"
    return result


def write_quick_configuration(folder, target):
    """The shipped configuration, with the test's target, short intervals and short waits before an alert fires."""
    config = (DEPLOY / "prometheus/prometheus.yml").read_text()
    config = replaced(r"_interval: \w+", "_interval: 200ms", replaced(r"127\.0\.0\.1:9090", target, config))
    rules = replaced(r"for: \w+", "for: 400ms", (DEPLOY / "prometheus/rules/driftd.yml").read_text())
    (folder / "rules").mkdir()
    (folder / "prometheus.yml").write_text(config)
    (folder / "rules/driftd.yml").write_text(rules)
    return folder / "prometheus.yml"


class Prometheus:
    def __init__(self, binary, config, folder):
        self.log = folder / "prometheus.log"
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                [binary, f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}", "--web.listen-address=127.0.0.1:0"],
                stdout=log, stderr=subprocess.STDOUT,
            )
        self.url = "http://" + wait_until(self.address)
        wait_until(self.ready)

    def address(self):
        assert self.process.poll() is None, self.log.read_text()
        found = re.search(r'msg="Listening on" address=(127\.0\.0\.1:[1-9]\d*)', self.log.read_text())
        return found and found[1]

    def ready(self):
        try:
            return urllib.request.urlopen(self.url + "/-/ready", timeout=5).status == 200
        except OSError:
            return False

    def get(self, path, **query):
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(query)}", timeout=10) as response:
                return json.load(response)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{query}: {error.read().decode()}") from error

    def query(self, expression):
        return self.get("query", query=expression)["result"]

    def firing(self):
        """Names of firing alerts, but for the one that a busy test machine may cause."""
        names = {alert["labels"]["alertname"] for alert in self.get("alerts")["alerts"] if alert["state"] == "firing"}
        return names - {"DriftdSlow"}

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=20)


@pytest.fixture
def start_prometheus(prometheus_tools, tmp_path):
    started = []

    def start(service):
        folder = tmp_path / "prometheus"
        folder.mkdir()
        config = write_quick_configuration(folder, service.admin_url.removeprefix("http://"))
        started.append(Prometheus(prometheus_tools / "prometheus", config, folder))
        return started[-1]

    yield start
    for prometheus in started:
        prometheus.stop()


def expressions():
    for panel in PANELS:
        for target in panel["targets"]:
            text = target["expr"]
            for name, value in {"$__rate_interval": "1m", "$__range": "1h", "$stream": ".*", "$reference": ".*"}.items():
                text = text.replace(name, value)
            yield panel["title"], text


def test_drift_makes_the_alerts_fire_and_every_panel_of_the_dashboard_has_data(server, start_prometheus, fashion):
    prometheus = start_prometheus(server)
    for image in fashion["in"][:60]:
        server.score(image, stream="line-1")
    counted = 'sum(driftd_images_scored_total{stream="line-1"}) >= 60'
    wait_until(lambda: prometheus.query(counted))
    assert prometheus.firing() == set()

    for image in fashion["out"]:
        server.score(image, stream="line-1")
    expected = {"DriftdAlertFiring", "DriftdDriftDetected", "DriftdHighOodRateFromCounters"}
    wait_until(lambda: prometheus.firing() >= expected, seconds=60)
    assert prometheus.firing() == expected

    for title, expression in expressions():
        assert "$" not in expression, f"{title}: a variable is left in {expression}"
        values = [float(sample["value"][1]) for sample in prometheus.query(expression)]
        assert values and not all(map(math.isnan, values)), f"{title}: {expression} gives {values}"


def test_a_service_that_is_gone_is_reported(server, start_prometheus):
    prometheus = start_prometheus(server)
    wait_until(lambda: prometheus.query('up{job="driftd"} == 1'))
    server.stop()
    wait_until(lambda: "DriftdDown" in prometheus.firing())


def test_the_alert_rules_pass_their_unit_tests(prometheus_tools):
    for arguments in (
        ["check", "config", "prometheus/prometheus.yml"],
        ["check", "rules", "prometheus/rules/driftd.yml"],
        ["test", "rules", "prometheus/tests/driftd_test.yml"],
    ):
        done = subprocess.run([prometheus_tools / "promtool", *arguments], cwd=DEPLOY, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_rule_has_a_unit_test_a_severity_and_advice():
    rules = (DEPLOY / "prometheus/rules/driftd.yml").read_text().split("- alert: ")[1:]
    tests = (DEPLOY / "prometheus/tests/driftd_test.yml").read_text()
    for rule in rules:
        name = rule.split("\n", 1)[0]
        assert name in tests or name in ("DriftdDown", "DriftdNotReady") and "Driftd(Down|NotReady)" in tests, f"{name} has no unit test"
        assert re.search(r"severity: (page|ticket)", rule) and "summary:" in rule and "description:" in rule, name


def test_every_panel_says_what_it_shows_and_names_the_provisioned_data_source():
    assert f"uid: {PANELS[0]['datasource']['uid']}\n" in (DEPLOY / "grafana/provisioning/datasources/driftd.yml").read_text()
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    for panel in PANELS:
        assert panel["description"] and panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["datasource"] == PANELS[0]["datasource"], panel["title"]
