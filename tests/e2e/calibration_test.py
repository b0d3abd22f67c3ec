"""How a reference is calibrated: rules, held-out images, groups, labels, and what is said about it."""

import json
import re

import numpy
import pytest


@pytest.fixture(scope="module")
def cloud(bundle, tmp_path_factory):
    """600 vectors of the bundle's length in 120 groups of five near ones, with labels and the file of groups."""
    folder = tmp_path_factory.mktemp("cloud")
    random = numpy.random.default_rng(3)
    dimension = json.loads((bundle / "model.json").read_text())["dimension"]
    latent = numpy.repeat(random.standard_normal((120, 16)), 5, axis=0) + 0.3 * random.standard_normal((600, 16))
    vectors = latent @ random.standard_normal((16, dimension)) + 0.1 * random.standard_normal((600, dimension))
    vectors /= numpy.linalg.norm(vectors, axis=1, keepdims=True)
    numpy.save(folder / "cloud.npy", vectors.astype(numpy.float32))
    (folder / "labels").write_text("".join(f"{'bag' if i // 5 % 2 else 'shirt'}\n" for i in range(600)))
    (folder / "groups.csv").write_text("path,group\n" + "".join(f"cloud-{i},{i // 5}\n" for i in range(600)))
    return folder


@pytest.fixture(scope="module")
def build(run, bundle, cloud):
    def call(out, *arguments):
        return run("index", "build", "--model", bundle, "--vectors", cloud / "cloud.npy", "--items", cloud / "labels", "--out", out, "--quiet", *arguments)

    return call


def alarms(text):
    """The interval that `index info` states at alpha 0.05."""
    return [float(x) for x in re.search(r"alpha 0\.05: false alarms \S+, for 95 references of 100 (\S+) to (\S+)", text).groups()]


def test_info_states_how_a_reference_was_calibrated_and_what_that_promises(run, build, cloud, tmp_path):
    ways = {
        "leave one out, 600 images, 2 labels": [],
        "held out, 150 images, 2 labels": ["--held-out", "0.25"],
        "leave one group out, 600 images of 120 groups": ["--groups", cloud / "groups.csv"],
        "held out, 150 images of 30 groups": ["--held-out", "0.25", "--groups", cloud / "groups.csv"],
    }
    widths = []
    for number, (text, arguments) in enumerate(ways.items()):
        done = build(tmp_path / str(number), *arguments)
        assert done.returncode == 0, done.stderr
        info = run("index", "info", tmp_path / str(number)).stdout
        assert f"calibrated {text}" in info
        lower, upper = alarms(info)
        assert 0 < lower < 0.05 < upper < 0.2
        widths.append(upper - lower)
    assert widths[0] < widths[2] < widths[3] and widths[0] < widths[1]  # the more independent images, the narrower
    assert run("index", "verify", tmp_path / "3").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--held-out", "0.05"], "both need 50"),
        (["--held-out", "1.5"], "between 0 and 1"),
        (["--held-out", "0.2", "--calibrate-on", "x"], "either --held-out or --calibrate-on"),
        (["--held-out", "0.2", "--same-label"], "--same-label"),
        (["--groups", "label"], "needs 20"),
    ],
)
def test_calibrations_that_cannot_keep_their_word_are_refused_with_what_it_takes(build, arguments, message, tmp_path):
    done = build(tmp_path / "reference", *arguments)
    assert done.returncode == 2 and message in done.stderr, done.stderr
    assert not (tmp_path / "reference").exists()


def test_groups_of_other_paths_are_refused_and_missing_ones_told(build, cloud, tmp_path):
    (tmp_path / "others.csv").write_text("a.png,1\n")
    done = build(tmp_path / "reference", "--groups", tmp_path / "others.csv")
    assert done.returncode == 2 and "no item is in --groups" in done.stderr
    (tmp_path / "some.csv").write_text("cloud-0,1\ncloud-1,1\n")
    done = build(tmp_path / "reference", "--groups", tmp_path / "some.csv")
    assert done.returncode == 0 and "598 of 600 items are in no line" in done.stderr, done.stderr


def test_a_folder_beside_the_reference_can_calibrate_it(run, bundle, fashion, tmp_path):
    (tmp_path / "list").write_text("".join(f"{path}\n" for path in fashion["in"][:60]))
    done = run("index", "build", "--model", bundle, "--images", fashion["train"], "--calibrate-on", tmp_path / "list", "--out", tmp_path / "reference", "--quiet")
    assert done.returncode == 0, done.stderr
    info = run("index", "info", tmp_path / "reference").stdout
    assert "items      400" in info and "calibrated held out, 60 images" in info, info


def test_calibrate_shows_every_rule_and_draws_a_trial(run, build, cloud, tmp_path):
    assert build(tmp_path / "reference", "--groups", cloud / "groups.csv").returncode == 0
    drawing = tmp_path / "trial.svg"
    done = run("index", "calibrate", "--reference", tmp_path / "reference", "--rule", "l1", "--plot", drawing, "--quiet")
    assert done.returncode == 0, done.stderr
    assert re.search(r"blend +knn +rmean +d1r3 +mean +l1 +mahalanobis", done.stdout)
    tried = re.search(r"trial of the rule l1: (\d+) images ranked as fresh ones among (\d+) others", done.stdout)
    assert tried and int(tried[1]) == 120 and int(tried[2]) == 480, done.stdout
    assert re.search(r"largest distance of their p-values from uniform: 0\.\d+, (less|more) than 0\.\d+", done.stdout)
    assert drawing.read_text().startswith("<svg ") and "default@1" in drawing.read_text()
    refused = run("index", "calibrate", tmp_path / "reference", "--plot", tmp_path / "x.png", "--quiet")
    assert refused.returncode == 2 and ".svg or .html" in refused.stderr


@pytest.mark.parametrize("rule", ["l1", "mahalanobis"])
def test_rules_on_embeddings_tell_other_classes_apart(run, reference, fashion, rule):
    scores = {}
    for side in ("in", "out"):
        done = run("score", "--reference", reference, "--rule", rule, "--json", *fashion[side][:60])
        assert done.returncode == 0, done.stderr
        scores[side] = [json.loads(line) for line in done.stdout.splitlines()]
    assert sum(s["ood"] for s in scores["in"]) <= 12
    larger = [a["score"] < b["score"] for a in scores["in"] for b in scores["out"]]
    assert numpy.mean(larger) > 0.8


def test_the_service_ranks_within_labels_and_states_its_calibration(start_service, fashion):
    service = start_service(scoring={"per_label": True, "rule": "mahalanobis"})
    answer = service.score(fashion["in"][0])
    assert answer["label"] and 0 < answer["p_value"] <= 1
    calibration = service.get("/v1/references/default")["calibration"]
    assert calibration["method"] == "leave one out" and calibration["labels"] == 5 and calibration["effective"] == calibration["ranked"]
    at_five = [x for x in calibration["false_alarms"] if x["alpha"] == 0.05][0]
    assert at_five["lower"] < at_five["expected"] < at_five["upper"]
