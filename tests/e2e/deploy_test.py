"""The files of deploy/ and the Dockerfile name things that exist, and pass their tools' checks."""

import fnmatch
import json
import pathlib
import re
import shutil
import subprocess
import sys

import pytest
import yaml

from conftest import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text()
FINAL_STAGE = DOCKERFILE.rsplit("\nFROM ", 1)[1]


def output_of(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


def runtime_packages():
    listed = re.search(r"apt-get install --yes --no-install-recommends((?:\s|\\\n|[a-z0-9.+-])+?)&&", FINAL_STAGE)[1]
    return listed.replace("\\", " ").split()


def closure(packages):
    """The packages with all that they depend on."""
    lines = output_of("apt-cache", "depends", "--recurse", "--no-recommends", "--no-suggests", "--no-conflicts", "--no-breaks",
                      "--no-replaces", "--no-enhances", *packages).splitlines()
    return {line.split(":")[0] for line in lines if not line.startswith((" ", "<", "|"))}


def test_the_dockerfile_passes_hadolint():
    done = subprocess.run([pathlib.Path(sys.executable).parent / "hadolint", ROOT / "Dockerfile"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_the_dockerfile_copies_exists_and_is_not_ignored():
    copied = [source for line in re.findall(r"^COPY (?!--from)(.*)", DOCKERFILE, re.M) for source in line.split()[:-1]]
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert copied
    for source in copied:
        assert (ROOT / source).exists(), source
        assert any(fnmatch.fnmatch(source, pattern) for pattern in allowed), f".dockerignore hides {source}"


def test_the_final_stage_has_every_library_that_the_binary_loads(driftd):
    packages = closure(runtime_packages())
    assert set(runtime_packages()) <= packages
    for line in output_of("ldd", driftd).splitlines():
        found = re.search(r"=> (\S+) ", line)
        if not found or "site-packages" in found[1]:
            continue  # the loader itself, or LibTorch, which is copied
        owners = {line.split(":")[0] for line in output_of("dpkg", "-S", "*/" + pathlib.Path(found[1]).resolve().name).splitlines()}
        assert owners & packages, f"{found[1]} is of {owners}, which the final stage lacks"


def health_check():
    return json.loads(re.search(r"HEALTHCHECK .*\\\n\s+CMD (\[.*\])", FINAL_STAGE)[1])


def test_the_health_check_tells_a_live_service_from_a_dead_one(server):
    command = [part.replace("9090", str(server.admin_port)) for part in health_check()]
    assert subprocess.run(command, timeout=10).returncode == 0
    assert subprocess.run([part.replace("/livez", "/nope") for part in command], timeout=10).returncode != 0
    server.stop()
    assert subprocess.run(command, timeout=10, capture_output=True).returncode != 0


def documents(path):
    return list(yaml.safe_load_all(path.read_text()))


def test_the_shipped_configurations_are_sound_but_for_the_paths(run, tmp_path):
    kubernetes = next(d for d in documents(ROOT / "deploy/kubernetes/driftd.yml") if d["kind"] == "ConfigMap")
    for text in ((ROOT / "deploy/driftd.json").read_text(), kubernetes["data"]["driftd.json"]):
        file = tmp_path / "driftd.json"
        file.write_text(text)
        done = run("config", "print", "--config", file)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["data_directory"] == "/var/lib/driftd"


def test_the_settings_of_the_compose_file_are_settings_of_driftd(run):
    services = yaml.safe_load((ROOT / "deploy/compose.yml").read_text())["services"]
    done = run("config", "print", "--config", ROOT / "deploy/driftd.json", env=services["driftd"]["environment"])
    assert done.returncode == 0, done.stderr
    http = json.loads(done.stdout)["http"]
    assert http["address"] == "0.0.0.0" and http["insecure"] is True
    mounted = [v.split(":")[0] for s in services.values() for v in s.get("volumes", []) if v.startswith("./")]
    assert mounted and all((ROOT / "deploy" / path).exists() for path in mounted)


def test_kubernetes_volumes_ports_and_selectors_fit_together():
    config, claim, service, deployment = documents(ROOT / "deploy/kubernetes/driftd.yml")
    (cron,) = documents(ROOT / "deploy/kubernetes/audit.yml")
    for spec in (deployment["spec"]["template"]["spec"], cron["spec"]["jobTemplate"]["spec"]["template"]["spec"]):
        (container,) = spec["containers"]
        assert {m["name"] for m in container["volumeMounts"]} == {v["name"] for v in spec["volumes"]}
        assert container["securityContext"]["readOnlyRootFilesystem"] and spec["securityContext"]["runAsNonRoot"]
        assert f"--uid {spec['securityContext']['runAsUser']} " in FINAL_STAGE
    pod = deployment["spec"]["template"]
    ports = {port["name"] for port in pod["spec"]["containers"][0]["ports"]}
    assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    assert {"configMap": {"name": config["metadata"]["name"]}, "name": "config"} in pod["spec"]["volumes"]
    assert claim["metadata"]["name"] in json.dumps(pod["spec"]["volumes"])


def test_the_audit_job_uses_options_that_the_command_has(run):
    (cron,) = documents(ROOT / "deploy/kubernetes/audit.yml")
    (container,) = cron["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    described = run("audit", "run", "--help").stdout
    for option in re.findall(r"(?<= )--[a-z-]+", container["args"][0]):
        assert option in described, option


@pytest.fixture
def make_job(tmp_path):
    """Runs deploy/kubernetes/retrain with a kubectl that keeps jobs in a folder; (finished process, the jobs made)."""
    jobs = tmp_path / "jobs"
    jobs.mkdir()
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(f'#!/bin/sh\ncase $1 in get) test -e {jobs}/$3 ;; create) cat >{jobs}/new && mv {jobs}/new {jobs}/$(sed -n "s/^  name: //p" {jobs}/new) ;; esac\n')
    kubectl.chmod(0o755)

    def run_script(request):
        folder = ROOT / "deploy/kubernetes"
        path = f"{tmp_path}:/usr/bin:/bin"
        done = subprocess.run([folder / "retrain", folder / "retrain-job.yml"], input=request, env={"PATH": path}, capture_output=True, text=True)
        return done, {job.name: yaml.safe_load(job.read_text()) for job in jobs.iterdir()}

    return run_script


def test_a_retrain_request_becomes_one_kubernetes_job(make_job):
    request = {"id": "driftd-retrain-0123456789abcdef", "reference": "default@4", "status": "training", "alerts": ["a"], "streams": ["line-1", "line-2"]}
    text = json.dumps({"version": 1, "event": "retrain.requested", "retrain": request}, separators=(",", ":")) + "\n"
    done, jobs = make_job(text)
    assert done.returncode == 0, done.stderr
    again, jobs = make_job(text)
    assert again.returncode == 0 and "already" in again.stdout
    (job,) = jobs.values()
    assert job["kind"] == "Job" and job["metadata"]["name"] == request["id"]
    (container,) = job["spec"]["template"]["spec"]["containers"]
    environment = {variable["name"]: variable["value"] for variable in container["env"]}
    assert environment == {"RETRAIN_URL": f"http://driftd/v1/retrain/{request['id']}", "REFERENCE": "default@4", "STREAMS": "line-1,line-2"}
    assert {m["name"] for m in container["volumeMounts"]} == {v["name"] for v in job["spec"]["template"]["spec"]["volumes"]}


@pytest.mark.parametrize("text", ["", "{}", '{"retrain":{"id":"driftd-retrain-1","reference":"a;reboot","streams":["x"]}}'])
def test_what_is_no_retrain_request_makes_no_job(make_job, text):
    done, jobs = make_job(text)
    assert done.returncode == 2 and not jobs


def test_the_settings_that_the_readme_shows_are_sound(run, tmp_path):
    settings = json.loads(re.search(r"### 4\..*?```json\n(.*?)```", (ROOT / "README.md").read_text(), re.S)[1])
    (tmp_path / "config.json").write_text(json.dumps(settings))
    done = run("config", "print", "--config", tmp_path / "config.json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["webhooks"][1]["format"] == "alertmanager-api"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="skipped: no systemd-analyze")
def test_the_unit_file_is_valid_and_hardened(driftd, tmp_path):
    unit = tmp_path / "driftd.service"
    unit.write_text((ROOT / "deploy/systemd/driftd.service").read_text().replace("/usr/local/bin/driftd", str(driftd)))
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True)
    assert done.returncode == 0 and unit.name not in done.stderr, done.stderr
    exposure = output_of("systemd-analyze", "security", "--offline=true", unit)
    assert float(re.search(r"exposure level for .*?: ([\d.]+)", exposure)[1]) <= 2.0
