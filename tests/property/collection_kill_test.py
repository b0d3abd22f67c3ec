"""Kills a process that changes a collection, hundreds of times, and checks with a ledger that nothing acknowledged is lost.

Environment: DRIFTD_STORE_PROBE (the program of store_probe.cpp).
"""

import os
import random
import subprocess
import threading
import time

KILLS = 250
PROBE = os.environ["DRIFTD_STORE_PROBE"]


def dump(directory):
    done = subprocess.run([PROBE, directory, "dump"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    *items, verdict = done.stdout.splitlines()
    assert verdict == "sound", done.stdout
    return {line.split()[0]: float(line.split()[1]) for line in items}


def applied(ledger, words):
    """The ledger after one change."""
    state = dict(ledger)
    if words[0] == "put":
        state |= {id_: float(value) for id_, value in zip(words[1::2], words[2::2], strict=True)}
    elif words[0] == "remove":
        state.pop(words[1], None)
    return state


def change_until_killed(directory, seed, seconds, ledger):
    """(ledger of what was acknowledged, the change that was under way or None, how many were acknowledged)."""
    process = subprocess.Popen([PROBE, directory, "change", str(seed)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    # The clock starts with the first change: loading is not what is tested here.
    lines = iter(process.stdout.readline, "")
    tried, acknowledged = next(lines, "").split()[1:], 0
    killer = threading.Timer(seconds, process.kill)
    killer.start()
    for line in lines:
        if line == "ok\n":
            ledger, tried, acknowledged = applied(ledger, tried), None, acknowledged + 1
        elif line.endswith("\n"):
            tried = line.split()[1:]
    killer.join()
    assert process.wait() == -9, process.stderr.read()
    return ledger, tried, acknowledged


def test_what_was_acknowledged_survives_every_kill(tmp_path):
    seed = int(os.environ.get("DRIFTD_SEED", time.time_ns() % 2**32))
    print("seed", seed)
    chance = random.Random(seed)
    directory = tmp_path / "reference"
    subprocess.run([PROBE, directory, "make"], check=True, timeout=60)
    ledger, acknowledged, unfinished = dump(directory), 0, 0
    for kill in range(KILLS):
        ledger, tried, count = change_until_killed(directory, seed + kill, chance.uniform(0, 0.03), ledger)
        found = dump(directory)
        allowed = [ledger] if tried is None else [ledger, applied(ledger, tried)]
        assert found in allowed, f"seed {seed}, kill {kill}: under way was {tried}"
        ledger = found
        acknowledged += count
        unfinished += tried is not None
    print(f"{KILLS} kills, {acknowledged} acknowledged changes, {unfinished} kills in the middle of one")
    assert acknowledged > KILLS and unfinished > KILLS / 10
