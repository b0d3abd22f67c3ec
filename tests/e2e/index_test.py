"""`driftd index`: build, info and verify on real images."""

import csv
import re
import shutil

import pytest
from PIL import Image


def test_bad_images_are_listed_with_reasons_and_do_not_stop_the_run(run, bundle, fashion, tmp_path):
    images = tmp_path / "images"
    shutil.copytree(fashion["train"], images)
    (images / "bag" / "notes.jpg").parent.mkdir(exist_ok=True)
    (images / "bag" / "notes.jpg").write_text("not a picture")
    (images / "dress" / "empty.png").write_bytes(b"")
    Image.new("RGB", (64, 64)).save(tmp_path / "whole.jpg")
    (images / "dress" / "cut.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:-100])
    out = tmp_path / "reference"
    done = run("index", "build", "--model", bundle, "--images", images, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "400 images" in done.stdout and "3 skipped" in done.stdout
    skipped = (out / "versions" / "1" / "skipped.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in skipped] == ["path", "bag/notes.jpg", "dress/cut.jpg", "dress/empty.png"]
    assert all(line.split(",", 1)[1] for line in skipped)


def test_info_and_verify_of_a_sound_reference(run, reference):
    info = run("index", "info", reference)
    assert info.returncode == 0 and "default@1" in info.stdout and "400" in info.stdout
    verify = run("index", "verify", reference)
    assert verify.returncode == 0, verify.stdout


def decisions(run, reference, images, folder):
    """Path to "true" or "false": is it out of distribution?"""
    folder.mkdir()
    (folder / "list").write_text("".join(f"{path}\n" for path in images))
    done = run("audit", "run", "--reference", reference, "--images", folder / "list", "--out", folder / "audit", "--fail-on", "never")
    assert done.returncode == 0, done.stderr
    with open(folder / "audit" / "images.csv", newline="") as file:
        return {row["path"]: row["ood"] for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def exact_decisions(run, reference, fashion, tmp_path_factory):
    return decisions(run, reference, fashion["in"][:100] + fashion["out"][:100], tmp_path_factory.mktemp("exact") / "run")


@pytest.mark.parametrize(("kind", "cells"), [("ivf", True), ("fp16", False), ("sq8", False), ("ivfsq8", True)])
def test_every_kind_says_how_it_searches_and_decides_as_exact_search_does(run, bundle, fashion, exact_decisions, kind, cells, tmp_path):
    out = tmp_path / "reference"
    done = run("index", "build", "--model", bundle, "--images", fashion["train"], "--out", out, "--kind", kind, "--quiet")
    assert done.returncode == 0, done.stderr
    info = run("index", "info", out)
    assert info.returncode == 0 and re.search(rf"^index +{kind}, .*recall@3 [01]", info.stdout, re.M), info.stdout
    assert ("of 10 cells" in info.stdout) == cells
    assert run("index", "verify", out).returncode == 0
    found = decisions(run, out, fashion["in"][:100] + fashion["out"][:100], tmp_path / "run")
    assert len(found) == 200 and found.keys() == exact_decisions.keys()
    same = sum(found[path] == exact_decisions[path] for path in found)
    assert same >= 0.95 * len(found), f"{same} of {len(found)} decisions agree with exact search\n{info.stdout}"


def test_a_small_reference_is_exact_unless_told_otherwise(run, reference, bundle, fashion, tmp_path):
    assert re.search(r"^index +flat, exact search$", run("index", "info", reference).stdout, re.M)
    done = run("index", "build", "--model", bundle, "--images", fashion["train"], "--out", tmp_path / "r", "--kind", "hnsw")
    assert done.returncode == 2 and "ivfsq8" in done.stderr


def test_auto_measures_a_query_when_a_time_is_wanted(run, bundle, fashion, tmp_path):
    build = ["index", "build", "--model", bundle, "--images", fashion["train"], "--quiet"]
    done = run(*build, "--out", tmp_path / "flat", "--max-query-ms", "10000")
    assert done.returncode == 0 and re.search(r"^flat: a query alone takes \S+ ms here, 1e\+04 wanted$", done.stderr, re.M), done.stderr
    done = run(*build, "--out", tmp_path / "never", "--max-query-ms", "0.0000001")
    assert done.returncode == 0 and "neither flat nor ivf keeps to --max-query-ms" in done.stderr
    assert run(*build, "--out", tmp_path / "none", "--max-query-ms", "-1").returncode == 2


def test_cosine_decides_as_l2_does_since_embeddings_have_one_length(run, bundle, fashion, exact_decisions, tmp_path):
    out = tmp_path / "reference"
    done = run("index", "build", "--model", bundle, "--images", fashion["train"], "--out", out, "--metric", "cosine", "--quiet")
    assert done.returncode == 0, done.stderr
    assert "values per vector, cosine" in run("index", "info", out).stdout
    assert run("index", "verify", out).returncode == 0
    found = decisions(run, out, fashion["in"][:100] + fashion["out"][:100], tmp_path / "run")
    same = sum(found[path] == exact_decisions[path] for path in exact_decisions)
    assert same >= 0.99 * len(found), f"{same} of {len(found)} decisions agree with L2"


def test_a_flipped_bit_is_found_and_such_a_reference_is_not_served(run, reference, fashion, tmp_path):
    damaged = tmp_path / "damaged"
    shutil.copytree(reference, damaged)
    vectors = bytearray((damaged / "versions" / "1" / "vectors.faiss").read_bytes())
    vectors[len(vectors) // 2] ^= 1
    (damaged / "versions" / "1" / "vectors.faiss").write_bytes(vectors)
    verify = run("index", "verify", damaged)
    assert verify.returncode == 3 and "vectors.faiss" in verify.stdout
    score = run("score", "--reference", damaged, fashion["in"][0])
    assert score.returncode == 1 and "vectors.faiss" in score.stderr


def test_too_few_images_are_refused_with_the_number_needed(run, bundle, fashion, tmp_path):
    listing = tmp_path / "list"
    listing.write_text("".join(f"{path}\n" for path in fashion["in"][:10]))
    done = run("index", "build", "--model", bundle, "--images", listing, "--out", tmp_path / "r", "--quiet")
    assert done.returncode == 2 and "50" in done.stderr
    assert not (tmp_path / "r").exists()


def test_another_models_reference_is_refused(run, driftd, bundle, reference, tmp_path):
    other = tmp_path / "bundle"
    done = run("model", "export", "--default", "--layer", "_avg_pooling", "--formats", "torchscript", "--out", other)
    assert done.returncode == 0, done.stderr
    done = run("score", "--reference", reference, "--model", other, "x.png")
    assert done.returncode == 2 and "another" not in done.stdout and "build it again" in done.stderr


def test_usage_errors_exit_with_2_and_say_what_is_missing(run):
    for arguments in (["index", "build"], ["nonsense"], [], ["score", "--reference"]):
        done = run(*arguments)
        assert done.returncode == 2 and done.stderr, arguments
    assert run("--help").returncode == 0 and run("index", "build", "--help").returncode == 0
    assert run("--version").stdout.startswith("driftd 0.")
