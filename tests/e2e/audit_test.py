"""`driftd audit`: reports, verdicts, interruption and shards on real images."""

import csv
import json
import shutil
import signal
import subprocess

import pytest

from conftest import wait_until


@pytest.fixture(scope="module")
def mixed(fashion, tmp_path_factory):
    """A folder with a drift in the middle and four files that are no images: 604 files, labels in order of their names."""
    root = tmp_path_factory.mktemp("mixed")
    for part in ("in", "out"):
        for path in fashion[part]:
            (root / path.parent.name).mkdir(exist_ok=True)
            shutil.copy(path, root / path.parent.name / path.name)
    (root / "bag" / "empty.png").write_bytes(b"")
    (root / "bag" / "notes, \"old\".txt").write_text("no picture")
    (root / "coat" / "cut.png").write_bytes(fashion["in"][0].read_bytes()[:-60])
    (root / "coat" / "<b>.png").write_text("<script>")
    return root


def report_of(out):
    """report.json without what two runs do not share."""
    report = json.loads((out / "report.json").read_text())
    report.pop("run")
    return report


@pytest.fixture(scope="module")
def audit(run, reference):
    def call(images, out, *options):
        return run("audit", "run", "--reference", reference, "--images", images, "--out", out, "--quiet", *options)

    return call


@pytest.fixture(scope="module")
def whole(audit, mixed, tmp_path_factory):
    """The directory of one undisturbed audit of `mixed`."""
    out = tmp_path_factory.mktemp("audits") / "whole"
    metrics = out.parent / "audit.prom"
    done = audit(mixed, out, "--metrics-file", metrics)
    assert done.returncode == 3, done.stderr
    assert done.stdout.startswith("drift: ") and done.stdout.count("\n") == 1
    return out


def test_an_audit_has_a_row_for_each_image_and_a_report_of_the_same_numbers(whole, mixed):
    with open(whole / "images.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    paths = sorted(str(path.relative_to(mixed)) for path in mixed.glob("*/*"))
    assert [row["path"] for row in rows] == paths
    good = [row for row in rows if row["status"] == "ok"]
    report = report_of(whole)
    assert report["format"] == 1 and report["images"] == 604 and report["statuses"]["ok"] == len(good) == 600
    assert sum(count for status, count in report["statuses"].items() if status != "ok") == 4
    assert all(row["reason"] and not row["score"] for row in rows if row["status"] != "ok")
    flagged = sum(row["ood"] == "true" for row in good)
    assert flagged == report["ood"]["flagged"] == sum(float(row["p_value"]) <= 0.05 for row in good)
    assert report["ood"]["lower"] < flagged / 600 < report["ood"]["upper"]
    assert len({row["score"] for row in good}) > 590, "scores must rank"
    assert sum(report["p_values"]["histogram"]) == sum(report["score"]["histogram"]["audited"]) == 600
    assert sum(bin["ood"]["images"] for bin in report["order"]) == 600
    worst = report["worst"][0]
    assert worst["p_value"] == min(float(row["p_value"]) for row in good) and len(worst["neighbours"]) == 3
    assert report["distance"]["out_of_distribution"]["median"] > report["distance"]["in_distribution"]["median"]


def test_classes_that_the_reference_never_saw_drift_and_its_own_do_not(whole):
    rate = {row["label"]: row["ood"]["rate"] for row in report_of(whole)["labels"]}
    unseen, seen = ({"sandal", "shirt", "sneaker", "bag", "boot"}, {"tshirt", "trouser", "pullover", "dress", "coat"})
    assert rate.keys() == unseen | seen
    assert sum(rate[label] for label in unseen) / 5 > 0.4
    assert sum(rate[label] for label in seen) / 5 < 0.15


def test_the_page_needs_no_network_and_runs_no_script(whole):
    page = (whole / "report.html").read_text()
    assert "<script" not in page and "http" not in page.replace("http-equiv", "")
    assert page.count("data:image/jpeg;base64,") >= 20 and "Drift found" in page


def test_the_metrics_file_is_prometheus_text(whole):
    lines = (whole.parent / "audit.prom").read_text().splitlines()
    samples = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert samples['driftd_audit_images{status="ok"}'] == "600"
    assert float(samples['driftd_audit_ood_ratio{bound="mean"}']) == report_of(whole)["ood"]["rate"]


def test_shards_merge_to_the_very_numbers_of_one_run(run, audit, mixed, whole, tmp_path):
    parts = [tmp_path / f"part-{i}" for i in (1, 2, 3)]
    for i, part in enumerate(parts, 1):
        assert audit(mixed, part, "--shard", f"{i}/3").returncode in (0, 3)
    merged = tmp_path / "merged"
    done = run("audit", "merge", parts[2], parts[0], parts[1], "--out", merged)
    assert done.returncode == 3, done.stderr
    assert report_of(merged) == report_of(whole)
    assert (merged / "images.csv").read_bytes() == (whole / "images.csv").read_bytes()
    for some, clue in ((parts[:2], "shard 3/3 is missing"), ([*parts, parts[0]], "both shard 1")):
        done = run("audit", "merge", *some, "--out", tmp_path / "other")
        assert done.returncode == 2 and clue in done.stderr


def test_a_killed_audit_that_is_resumed_ends_as_if_undisturbed(driftd, audit, reference, mixed, whole, tmp_path):
    out = tmp_path / "out"
    process = subprocess.Popen([driftd, "audit", "run", "--reference", reference, "--images", mixed, "--out", out, "--quiet"])
    images = out / "images.csv"
    wait_until(lambda: process.poll() is not None or (images.exists() and images.read_bytes().count(b"\n") > 64))
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL and not (out / "report.json").exists()
    with open(images, "ab") as file:
        file.write(b'torn,"ok')

    done = audit(mixed, out)
    assert done.returncode == 2 and "--resume" in done.stderr
    done = audit(mixed, out, "--resume", "--alpha", "0.01")
    assert done.returncode == 2 and "alpha" in done.stderr
    done = audit(mixed, out, "--resume")
    assert done.returncode == 3, done.stderr
    assert report_of(out) == report_of(whole)
    assert images.read_bytes() == (whole / "images.csv").read_bytes()
    assert 0 < json.loads((out / "report.json").read_text())["run"]["images"] < 604, "the first rows were kept"


def test_the_limit_decides_the_exit_code(audit, fashion, tmp_path):
    listing = tmp_path / "list"
    listing.write_text("".join(f"{path}\t{path.parent.name}\n" for path in fashion["in"][:128]))
    done = audit(listing, tmp_path / "a")
    assert done.returncode == 0 and done.stdout.startswith("no drift: "), done.stderr
    done = audit(listing, tmp_path / "a", "--resume", "--fail-on", "ood_rate >= 0")
    assert done.returncode == 3, "a finished audit is judged again without embedding again"
    done = audit(listing, tmp_path / "b", "--fail-on", "drift > 1")
    assert done.returncode == 2 and "failed_share" in done.stderr and not (tmp_path / "b").exists()
    listing.write_text(f"{tmp_path / 'gone.png'}\n")
    done = audit(listing, tmp_path / "c")
    assert done.returncode == 1 and done.stdout.startswith("no verdict: none of 1"), done.stderr


def test_p_values_within_labels_are_those_of_driftd_score_and_parts_of_another_ranking_do_not_merge(run, audit, reference, fashion, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for path in fashion["in"][:30] + fashion["out"][:10]:
        shutil.copy(path, folder / f"{path.parent.name}-{path.name}")
    done = audit(folder, tmp_path / "labels", "--per-label", "--fail-on", "never")
    assert done.returncode == 0, done.stderr
    assert report_of(tmp_path / "labels")["options"]["per_label"] is True
    with open(tmp_path / "labels" / "images.csv", newline="") as file:
        rows = {row["path"]: row for row in csv.DictReader(file)}
    alone = json.loads(run("score", "--reference", reference, "--json", "--per-label", folder / next(iter(rows))).stdout.splitlines()[0])
    assert float(rows[next(iter(rows))]["p_value"]) == pytest.approx(alone["p_value"], rel=1e-3)

    assert audit(folder, tmp_path / "all", "--fail-on", "never").returncode == 0
    with open(tmp_path / "all" / "images.csv", newline="") as file:
        assert any(row["p_value"] != rows[row["path"]]["p_value"] for row in csv.DictReader(file))
    resumed = audit(folder, tmp_path / "labels", "--resume")
    assert resumed.returncode == 2 and "another ranking" in resumed.stderr
