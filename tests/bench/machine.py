"""What a reader must know of the machine to compare figures: its processor, cores, memory and how busy it was."""

import os
import pathlib
import re

# What the model's and the index's kernels choose between.
FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile")


def describe():
    cpu = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8")
    model = re.search(r"^model name\s*: (.*)$", cpu, re.M)
    flags = re.search(r"^flags\s*: (.*)$", cpu, re.M)
    features = [f for f in FEATURES if flags and f in flags.group(1).split()]
    memory = int(re.search(r"MemTotal:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text(encoding="utf-8")).group(1))
    cores = len(os.sched_getaffinity(0))
    gib = round(memory / 2**20)
    name = model.group(1) if model else os.uname().machine
    return {"processor": name, "cores": cores, "features": features, "memory_gib": gib,
            "text": f"{cores} cores {name} ({' '.join(features)}), {gib} GiB"}  # fmt: skip


def busy_seconds():
    """CPU seconds that the machine has spent on anything since it started, time stolen by its host included."""
    user, nice, system, idle, iowait, irq, softirq, steal = map(
        int, pathlib.Path("/proc/stat").read_text(encoding="utf-8").split("\n", 1)[0].split()[1:9]
    )
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
