"""scripts/bootstrap says what is missing, with exit code 2 for what a person must provide and 1 for a step that failed.

The machine's answers are replaced by stubs in front of PATH; nothing is installed.
"""

import os
import re
import shutil
import subprocess

import pytest

from conftest import ROOT


@pytest.fixture
def bootstrap(tmp_path):
    """bootstrap({"df": "script text"}, "--tests", user=65534) -> CompletedProcess, in a copy of the scripts."""
    shutil.copytree(ROOT / "scripts", tmp_path / "checkout/scripts")
    stubs = tmp_path / "stubs"
    stubs.mkdir()

    def call(stub, *arguments, user=None, **environment):
        for name, text in stub.items():
            (stubs / name).write_text(f"#!/bin/sh\n{text}\n")
            (stubs / name).chmod(0o755)
        os.chmod(tmp_path, 0o777)
        for path in [tmp_path / "checkout", tmp_path / "checkout/scripts"]:
            os.chmod(path, 0o777)
        environment = {**os.environ, "PATH": f"{stubs}:/usr/bin:/bin", "DRIFTD_CACHE": str(tmp_path / "cache"), **environment}
        command = ["bash", tmp_path / "checkout/scripts/bootstrap", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, user=user)

    return call


NOTHING_INSTALLED = {"dpkg-query": "exit 1"}
ALL_INSTALLED = {"dpkg-query": "echo install ok installed"}
SMALL_DISK = {"df": "echo Filesystem; echo /dev/x 1 1 3000000 1% /"}


def test_no_network_shows_the_log_and_what_to_check(bootstrap):
    if os.geteuid() != 0:
        pytest.skip("skipped: only root gets as far as apt-get")
    done = bootstrap({**NOTHING_INSTALLED, "apt-get": "echo 'Temporary failure resolving'; exit 100"})
    assert done.returncode == 1
    assert "Temporary failure resolving" in done.stderr and "network" in done.stderr


def test_no_root_and_no_sudo_names_the_packages(bootstrap, tmp_path):
    if os.geteuid() != 0 or shutil.which("sudo"):
        pytest.skip("skipped: needs root, to become nobody, on a machine without sudo")
    for folder in tmp_path.parents:  # pytest's folders are closed to others
        if str(folder).startswith(("/tmp/", "/var/")):
            os.chmod(folder, 0o755)
    done = bootstrap(NOTHING_INSTALLED, user=65534)
    assert done.returncode == 2, done.stderr
    assert "root is needed" in done.stderr and "cmake" in done.stderr


def test_a_full_disk_is_named_with_what_is_needed(bootstrap):
    done = bootstrap({**ALL_INSTALLED, **SMALL_DISK})
    assert done.returncode == 2
    assert "2929 MB free" in done.stderr and "6 GB" in done.stderr


def test_a_wrong_python_is_named_with_what_is_needed(bootstrap, tmp_path):
    old = tmp_path / "old-python"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.7.3\nexit 1\n')
    old.chmod(0o755)
    done = bootstrap(ALL_INSTALLED, PYTHON=str(old))
    assert done.returncode == 2
    assert "Python 3.11 to 3.13" in done.stderr and "3.7.3" in done.stderr


def test_gpu_search_without_the_cuda_compiler_names_it(bootstrap):
    if shutil.which("nvcc", path="/usr/bin:/bin"):
        pytest.skip("skipped: nvcc is in /usr/bin")
    done = bootstrap(ALL_INSTALLED, "--gpu")
    assert done.returncode == 2
    assert "nvcc" in done.stderr and "PATH" in done.stderr


def test_an_unknown_option_is_refused_with_the_usage(bootstrap):
    done = bootstrap(ALL_INSTALLED, "--cuda")
    assert done.returncode == 2
    assert "--cuda" in done.stderr and "--gpu" in done.stderr


def test_a_step_ends_with_the_first_command_that_fails(tmp_path):
    """Or what a failed build has left would be kept as if it were whole."""
    text = (ROOT / "scripts/bootstrap").read_text()
    functions = [re.search(rf"^{name}\(\) \{{{end}", text, re.M | re.S)[0] for name, end in (("failed", r"[^\n]*$"), ("step", r".*?^\}$"))]
    script = "set -euo pipefail; log=log\n" + "\n".join(functions) + "\nbuild() ( false; touch kept )\nstep building 'the build failed' build\ntouch went-on\n"
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=10)
    assert done.returncode == 1 and "the build failed" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["log"]
