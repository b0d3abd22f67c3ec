"""The workloads of bench.py. Each is a function of the options that returns figures; what fails is told in them, and the rest goes on."""

import contextlib
import json
import pathlib
import random
import statistics
import subprocess
import tempfile
import time

import load
import preparing
import race
from preparing import HERE, SIZES, call
from server import Driftd

PRECISIONS = ("bf16", "int8", "fp32")
STREAM_VECTORS = 64  # distinct ones that the streams are sent
AUDIT_ROUNDS = 3
MODEL_ROUNDS = 9  # of a few seconds
SHORT_AUDIT = 64  # images
SETTLED = 3  # seconds after load: what is free has gone back


def named(failures, name, work):
    """What work() returns; None, and a line among the failures, if it fails."""
    try:
        return work()
    except (preparing.Failed, race.Failed, OSError, ValueError, KeyError, subprocess.SubprocessError) as failure:
        failures[name] = str(failure)[-2000:]
        print(f"{name} failed: {failures[name]}", flush=True)
        return None


def last_json(text):
    return json.loads(text.strip().splitlines()[-1])


def openvino_stages(precision, folders):
    return call(preparing.environment("openvino"), HERE / "peers/stages.py", preparing.openvino_models() / f"{precision}.xml", *folders)


def stages(options, failures):
    """Decoding and embedding alone, ours and OpenVINO's: their sum is the bound that everything else is held against."""
    folders = [preparing.photographs() / size for size in SIZES]
    bench = options.build / "tests/bench/hot_path_bench"
    commands = {}
    for precision in PRECISIONS:
        commands[f"driftd-{precision}"] = lambda p=precision: call(bench, preparing.bundle(options.build, p), *folders)
    for precision in ("bf16", "int8"):
        commands[f"openvino-{precision}"] = lambda p=precision: openvino_stages(p, folders)
    found = {name: named(failures, name, lambda c=command: last_json(c())) for name, command in commands.items()}
    return {name: figures for name, figures in found.items() if figures}


def default_model(options, failures):
    """Embedding with the default model, ours and OpenVINO's in turn."""
    folder = preparing.photographs() / SIZES[0]
    ours = [options.build / "tests/bench/hot_path_bench", preparing.default_bundle(options.build), folder]
    theirs = [preparing.environment("openvino"), HERE / "peers/stages.py", preparing.openvino_default() / "bf16.xml", folder]

    def embed_ms(command):
        return last_json(call(*command))["embed_ms"]

    rounds = [named(failures, "default_model", lambda: {"driftd": embed_ms(ours), "openvino": embed_ms(theirs)}) for _ in range(MODEL_ROUNDS)]
    return [found for found in rounds if found]


def search(options, failures):
    """Searches alone: ours by kind and size, and libraries from PyPI at the largest size of ours that is asked for."""
    rows = ",".join(map(str, options.rows))
    ours = named(failures, "search_bench", lambda: json.loads(call(options.build / "tests/bench/search_bench", "--rows", rows)))
    largest = min(100_000, max(options.rows))
    command = [HERE / "peers/searches.py", largest, "1,8,64", *options.libraries]
    theirs = named(failures, "searches", lambda: call(preparing.environment("search"), *command).splitlines())
    theirs = [json.loads(line) for line in theirs or () if line.startswith("{")]
    failures |= {row["library"]: row["error"] for row in theirs if "error" in row}
    return {"driftd": ours, "libraries": [row for row in theirs if "error" not in row]}


def alone(options, name, folders):
    """A driftd contestant's decoding, embedding and searching, each alone: what a request cannot do without."""
    variant = name.removeprefix("driftd-")
    command = [options.build / "tests/bench/hot_path_bench", preparing.bundle(options.build, variant.partition("-")[0]), *folders]
    return last_json(call(*command, "--reference", preparing.reference(options.build, variant)))


def score(options, failures):
    """The closed loop of race.py: all contestants in turn, at 1, 8 and 32 clients; before each round the bound of ours, and what
    OpenVINO's stack takes for the same, so that all is measured on a machine as fast."""
    bounds, pieces = [], []
    folders = [preparing.photographs() / SIZES[0]]

    def before_round(number):
        for name in options.contestants.split(","):
            stack, _, precision = name.partition("-")
            if stack == "driftd":
                found, measure = bounds, lambda name=name: alone(options, name, folders)
            elif stack == "openvino":
                found, measure = pieces, lambda precision=precision: last_json(openvino_stages(precision, folders))
            else:
                continue
            figures = named(failures, name, measure)
            if figures:
                found.append({"round": number, "contestant": name} | figures)

    arguments = ["--build", str(options.build), "--sizes", SIZES[0], "--forms", "raw", "--seconds", str(options.seconds),
                 "--rounds", str(options.rounds), "--contestants", options.contestants]  # fmt: skip
    result = race.run(race.parse(arguments), before_round)
    failures |= result.pop("failures")
    return result | {"bounds": bounds, "pieces": pieces}


def drifted(options, failures):
    """The default model and a reference of real images, at 8 clients: images like the reference's, and others, in turn."""
    loads = {"like the reference's": preparing.clothes() / SIZES[0], "drifted": preparing.photographs() / SIZES[0]}
    reference = preparing.clothes_reference(options.build)
    rows = []
    for number in range(options.rounds):
        for images, folder in loads.items():

            def work(images=images, folder=folder, number=number):
                with tempfile.TemporaryDirectory(prefix="driftd-drifted-") as data:
                    with Driftd("driftd", options.build / "driftd", reference, pathlib.Path(data)) as server:
                        rows.append({"round": number, "images": images} | race.measure(server, folder, "raw", 8, options.seconds))

            named(failures, images, work)
    return rows


def sizes(options, failures):
    """The closed loop with larger images, at 8 clients."""
    wanted = [name for name in options.contestants.split(",") if name.endswith("bf16") or name.startswith("tutorial")]
    arguments = ["--build", str(options.build), "--sizes", ",".join(SIZES[1:]), "--forms", "raw", "--clients", "8",
                 "--seconds", str(options.seconds), "--rounds", "1", "--contestants", ",".join(wanted)]  # fmt: skip
    result = race.run(race.parse(arguments))
    failures |= result.pop("failures")
    return result


@contextlib.contextmanager
def started(options, name):
    with contextlib.ExitStack() as stack:
        yield race.start(name, options.build, [], stack)


def images_of(size):
    return [path.read_bytes() for path in sorted((preparing.photographs() / size).iterdir())]


def constant_rate(options, failures):
    """Latency at shares of the throughput that 8 clients reach, from when each request was due."""
    rows = []
    for name in [n for n in options.contestants.split(",") if n.endswith("bf16")]:

        def work(name=name):
            with started(options, name) as server:
                full = race.measure(server, preparing.photographs() / SIZES[0], "raw", 8, options.seconds)["requests_per_second"]
                messages = [load.message(server.url, body, "image/jpeg") for body in images_of(SIZES[0])]
                for share in (0.3, 0.6, 0.8):
                    row = load.at_rate(server.url, messages, share * full, options.seconds)
                    rows.append({"contestant": name, "share": share} | row)

        named(failures, name, work)
    return rows


def concurrency(options, failures):
    """driftd alone with 1 to 256 clients."""
    rows = []

    def work():
        with started(options, "driftd-bf16") as server:
            for clients in options.client_counts:
                seconds = options.seconds * max(1, clients // 32)  # what is under way at the end is not counted
                rows.append({"clients": clients} | race.measure(server, preparing.photographs() / SIZES[0], "raw", clients, seconds))

    named(failures, "driftd-bf16", work)
    return rows


def streams(options, failures):
    """driftd's own part: vectors, which need no model, over ever more streams."""
    rows = []

    def work():
        generator = random.Random(1)
        vectors = [[generator.gauss(0, 1) for _ in range(512)] for _ in range(STREAM_VECTORS)]
        bodies = [json.dumps({"vector": [x / sum(y * y for y in v) ** 0.5 for x in v]}).encode() for v in vectors]
        with contextlib.ExitStack() as stack:
            server = race.start("driftd-bf16", options.build, ["streams.max_streams=10001"], stack)
            for count in options.streams:
                requests = max(count, 500)
                urls = [f"{server.url}?stream=s{i % count}" for i in range(requests)]
                messages = [load.message(url, bodies[i % len(bodies)], "application/json") for i, url in enumerate(urls)]
                row = load.in_turn(server.url, messages, 16)
                rows.append({"streams": count, "rss_mib": server.rss_mib()} | row)

    named(failures, "driftd-bf16", work)
    return rows


def audit(options, failures):
    """Images a second of a whole audit, start-up left out: the difference of a long and a short run. Ours and the peer's take turns."""
    folder = preparing.photographs() / "audit"
    found = {}
    for precision in ("bf16", "int8"):

        def ours(p=precision):
            return driftd_audit(options, folder, p)

        def peer(p=precision):
            # Its search goes through BLAS, which needs the vectors as they are.
            model, index = preparing.openvino_models() / f"{p}.xml", preparing.flat_index(options.build)
            command = ["openvino_audit.py", model, index, folder, SHORT_AUDIT, options.images]
            return last_json(call(preparing.environment("openvino"), *command, cwd=HERE / "peers"))["images_per_second"]

        for _ in range(AUDIT_ROUNDS):
            for name, work in ((f"driftd-{precision}", ours), (f"openvino-{precision}", peer)):
                found.setdefault(name, []).append(named(failures, name, work))
    return {name: {"images_per_second": statistics.median(rates), "rounds": rates} for name, rates in found.items() if all(rates)}


def driftd_audit(options, folder, name):
    files = sorted(folder.iterdir())
    with tempfile.TemporaryDirectory(prefix="driftd-audit-") as work:

        def seconds(count):
            listing = pathlib.Path(work, f"{count}.txt")
            listing.write_text("".join(f"{files[i % len(files)]}\n" for i in range(count)), encoding="utf-8")
            reference = preparing.reference(options.build, name)
            out = tempfile.mkdtemp(dir=work)
            start = time.monotonic()
            call(options.build / "driftd", "audit", "run", "--reference", reference, "--images", listing, "--out", out,
                 "--evidence", 0, "--quiet", "--fail-on", "ood_rate.lower > 1")  # fmt: skip
            return time.monotonic() - start

        seconds(SHORT_AUDIT)  # the first run reads its files from the disk
        first = seconds(SHORT_AUDIT)
        return (options.images - SHORT_AUDIT) / (seconds(options.images) - first)


def start(options, failures):
    """From the command to ready, and memory, at rest and after load."""
    rows = []
    for name in options.contestants.split(","):

        def work(name=name):
            ready = []
            for _ in range(3):
                with started(options, name) as server:
                    ready.append(server.ready_s)
                    at_rest = server.rss_mib()
                    if len(ready) == 3:
                        race.wrk(server.url, preparing.photographs() / SIZES[0], "multipart", 32, options.seconds)
                        loaded = server.rss_mib()
                        time.sleep(SETTLED)
                        settled = server.rss_mib()
            rows.append({"contestant": name, "ready_s": statistics.median(ready), "rss_mib": at_rest, "rss_loaded_mib": loaded, "rss_settled_mib": settled,
                         **(files_mib(options, name) if name.startswith("driftd") else {})})  # fmt: skip

        named(failures, name, work)
    return rows


def files_mib(options, name):
    """What cannot be avoided: the weights, and what a reference's files hold, with a byte for each value of exact search."""
    variant = name.removeprefix("driftd-")

    def sizes(folder, pattern):
        return [path.stat().st_size / 2**20 for path in folder.rglob(pattern)]

    reference = preparing.reference(options.build, variant)
    vectors = sum(sizes(reference, "vectors.faiss"))
    beside = sum(sizes(reference, "items.jsonl")) + sum(sizes(reference, "calibration.bin"))
    return {"model_mib": max(sizes(preparing.bundle(options.build, variant.partition("-")[0]), "*.pt2")),
            "reference_mib": beside + vectors * (1 if "-" in variant else 1.25)}  # fmt: skip


WORKLOADS = {
    "stages": stages, "default_model": default_model, "score": score, "audit": audit, "start": start, "open": constant_rate, "drifted": drifted, "sizes": sizes,
    "concurrency": concurrency, "streams": streams, "search": search,
}  # fmt: skip
