"""The quickstart notebook runs against a real service, and what is stored of its last run is small and names no machine."""

import json
import re

import nbclient
import nbformat
import pytest

from conftest import ROOT

NOTEBOOK = ROOT / "notebooks/quickstart.ipynb"


def outputs(notebook):
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


@pytest.fixture
def executed(server, monkeypatch, tmp_path):
    monkeypatch.setenv("DRIFTD_URL", server.url)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    notebook = nbformat.read(NOTEBOOK, 4)
    return nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": tmp_path}}).execute()


def test_every_cell_runs_and_the_alert_is_shown(executed):
    text = "".join(output.get("text", "") for output in outputs(executed))
    assert "firing: OOD rate" in text
    figures = [output for output in outputs(executed) if "image/png" in output.get("data", {})]
    assert len(figures) == 2


def test_the_stored_outputs_are_whole_small_and_name_no_machine():
    notebook = nbformat.read(NOTEBOOK, 4)
    nbformat.validate(notebook)
    assert NOTEBOOK.stat().st_size < 200_000
    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code")
    stored = json.dumps([output for output in outputs(notebook) if "image/png" not in output.get("data", {})])
    assert "firing" in stored
    assert not re.search(r"/(home|root|tmp|work|Users)/|127\.0\.0\.1|error", stored), stored
