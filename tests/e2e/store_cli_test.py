"""`driftd index` on a reference that changes: add, remove, compact, versions, restore, erasure."""

import json
import re
import shutil

import numpy
import pytest


@pytest.fixture
def ok(run):
    """Runs `driftd index ...`, which must succeed; returns what it printed."""

    def call(*arguments, expect=0):
        done = run("index", *arguments)
        assert done.returncode == expect, done.stdout + done.stderr
        return done.stdout + done.stderr

    return call


def versions_of(text):
    return re.findall(r"^version    (\d+)( \(live\))?", text, re.M)


def test_images_are_added_removed_and_compacted_away(ok, own_reference, fashion, tmp_path):
    extra = tmp_path / "extra" / "bag"
    extra.mkdir(parents=True)
    for path in fashion["out"][:5]:
        shutil.copy(path, extra / path.name)
    (extra / "broken.png").write_bytes(b"no picture")
    added = ok("add", own_reference, "--images", tmp_path / "extra", "--quiet")
    assert "added 5, skipped 1" in added and "405 items" in added and "broken.png" in added
    again = ok("add", own_reference, "--images", tmp_path / "extra", "--quiet")
    assert "405 items" in again  # the same paths: replaced
    gone = f"bag/{fashion['out'][0].name}"
    assert "404 items" in ok("remove", own_reference, gone)
    assert "default@1 -> default@2" in ok("compact", own_reference, "--quiet")
    assert "still holds" not in ok("verify", own_reference, "--erased", gone)
    assert "older" in ok("verify", own_reference, "--erased", gone)
    assert versions_of(ok("info", own_reference)) == [("1", ""), ("2", " (live)")]
    assert "removed 1 version 1" in ok("prune", own_reference, "--keep", "0")
    assert "no other version does" in ok("verify", own_reference, "--erased", gone)
    assert "live" in ok("verify", own_reference, "--erased", f"bag/{fashion['out'][1].name}", expect=3)
    assert "400 items" in ok("remove", own_reference, "--label", "bag")
    ok("verify", own_reference)


def test_a_snapshot_is_rolled_back_to_and_restored_elsewhere(ok, own_reference, fashion, tmp_path, run):
    ok("snapshot", own_reference, "--note", "before the new line")
    listing = tmp_path / "list"
    listing.write_text("".join(f"{path}\tbag\n" for path in fashion["out"][:3]))
    assert "default@2 holds 403 items" in ok("add", own_reference, "--images", listing, "--quiet")
    assert "before the new line" in ok("info", own_reference)
    assert "default@2 -> default@1" in ok("activate", own_reference, "1")
    ok("activate", own_reference, "7", expect=1)
    assert "default@2, 403 items" in ok("restore", own_reference, "--version", "2", "--out", tmp_path / "copy")
    image = fashion["in"][0]
    first, second = (json.loads(run("score", "--json", "--reference", where, image).stdout) for where in (own_reference, tmp_path / "copy"))
    assert (first["reference"], second["reference"]) == ("default@1", "default@2")
    single = own_reference / "versions" / "1"
    assert "default@1, 400 items" in ok("restore", single, "--out", tmp_path / "adopted")
    ok("remove", single, "0", expect=2)  # a single version is for reading
    assert "399 items" in ok("remove", tmp_path / "adopted", "0")


def test_a_version_is_built_beside_the_live_one(ok, own_reference, bundle, fashion):
    images = fashion["train"]
    ok("build", "--model", bundle, "--images", images, "--out", own_reference, "--quiet", expect=2)
    built = ok("build", "--model", bundle, "--images", images, "--out", own_reference, "--quiet", "--new-version", "--kind", "sq8", "--note", "codes", "--max-score-error", "1")
    assert "default@2" in built
    assert versions_of(ok("info", own_reference)) == [("1", " (live)"), ("2", "")]
    ok("activate", own_reference, "2")
    assert re.search(r"^index +sq8", ok("info", own_reference), re.M)


def test_vectors_are_imported_from_numpy(ok, own_reference, bundle, tmp_path):
    dimension = int(re.search(r"(\d+) values per vector", ok("info", own_reference))[1])
    vectors = numpy.random.default_rng(7).standard_normal((200, dimension))
    vectors /= numpy.linalg.norm(vectors, axis=1, keepdims=True)
    numpy.save(tmp_path / "made.npy", vectors)
    (tmp_path / "items").write_text('{"id": "first", "label": "a", "metadata": {"n": 1}}\n' + "b\n" * 199)
    assert "added 200" in ok("add", own_reference, "--vectors", tmp_path / "made.npy", "--items", tmp_path / "items", "--quiet")
    out = tmp_path / "built"
    assert "200 images" in ok("build", "--model", bundle, "--vectors", tmp_path / "made.npy", "--items", tmp_path / "items", "--out", out, "--quiet")
    ok("verify", out, "--erased", "made-17", expect=3)
    for bad in (vectors.T, vectors.astype("f4").T.copy().T, vectors.astype("i4"), vectors[0]):
        numpy.save(tmp_path / "bad.npy", bad)
        assert "numpy.save" in ok("add", own_reference, "--vectors", tmp_path / "bad.npy", expect=2)


def test_calibration_and_speed_are_shown(ok, own_reference):
    shown = ok("calibrate", own_reference)
    assert re.search(r"^ +0\.050 +0\.\d+ +0\.\d+ to 0\.\d+( +-?\d+\.\d+){7}$", shown, re.M)
    assert "needs 999 images" in shown
    assert "recall@3 against a search of all cells: 1.0000" in ok("bench", own_reference, "--queries", "20")


def test_images_are_compared_with_their_own_label(ok, run, bundle, fashion, tmp_path, reference):
    out = tmp_path / "by-label"
    ok("build", "--model", bundle, "--images", fashion["train"], "--out", out, "--quiet", "--same-label")
    image = next(path for path in fashion["in"] if path.parent.name == "trouser")
    score = lambda *options: json.loads(run("score", "--json", "--reference", out, *options, image).stdout)  # noqa: E731
    right, wrong, voted = score("--label", "trouser"), score("--label", "coat"), score("--same-label")
    assert right["label"] == voted["label"] == "trouser" and {n["label"] for n in right["neighbours"]} == {"trouser"}
    assert wrong["p_value"] <= 0.05 < right["p_value"]
    refused = run("score", "--reference", reference, "--label", "trouser", image)
    assert refused.returncode == 1 and "--same-label" in refused.stderr
