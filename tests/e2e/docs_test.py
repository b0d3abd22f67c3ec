"""Every command in README.md works as it stands there, in one folder, from top to bottom."""

import os
import re
import shutil
import signal
import socket
import subprocess

import pytest

from conftest import ROOT, interleaved, wait_until


def blocks():
    """(name, shell text) of each block marked <!-- test: name --> in README.md."""
    return re.findall(r"<!-- test: (\S+) -->\n```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


def free(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) != 0


@pytest.fixture
def folder(tmp_path, fashion, bundle):
    for path in interleaved(fashion["train"])[:300]:
        (tmp_path / "photos" / path.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, tmp_path / "photos" / path.parent.name)
    (tmp_path / "incoming").mkdir()
    for path in fashion["out"][:40]:
        shutil.copy(path, tmp_path / "incoming")
    shutil.copy(fashion["out"][0], tmp_path / "new.png")
    shutil.copytree(bundle, tmp_path / "model")
    return tmp_path


def test_the_commands_of_the_readme(folder, driftd):
    if not (free(8080) and free(9090)):
        pytest.skip("skipped: port 8080 or 9090 is in use, and the README names them")
    environment = {**os.environ, "PATH": f"{driftd.parent}:{os.environ['PATH']}"}
    service = None
    try:
        for name, text in blocks():
            text = text.replace("driftd model export --default --out model\n", "driftd model verify model\n")  # exporting has its own tests
            if name == "serve":
                start, text = text.split("&\n", 1)
                service = subprocess.Popen(start, shell=True, cwd=folder, env=environment, start_new_session=True)
                wait_until(lambda: not free(8080))
            done = subprocess.run(["bash", "-ec", text], cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
            assert done.returncode == 0, (name, text, done.stdout, done.stderr)
            if name == "serve":
                assert '"ood":true' in done.stdout
    finally:
        if service:
            os.killpg(service.pid, signal.SIGTERM)
            service.wait(30)
    assert (folder / "audit" / "report.html").exists()


def test_every_command_block_of_the_readme_is_tested_or_one_of_the_two_scripts():
    text = (ROOT / "README.md").read_text()
    assert len(blocks()) == text.count("```sh") - 1
    assert "```sh\n./scripts/demo\n./scripts/test\n```" in text


def test_links_of_the_documents_lead_somewhere():
    for document in ROOT.glob("*.md"):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name}: {target}"
