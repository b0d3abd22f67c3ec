"""Servers under test: started, watched through /proc, stopped."""

import contextlib
import os
import pathlib
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
START_TIMEOUT = 120  # seconds
STOP_TIMEOUT = 30
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


class Failed(Exception):
    """A server that did not start; the text says what it wrote."""


class Server:
    """A process group that answers POST url. Use as a context manager."""

    def __init__(self, name, command, log, **popen):
        self.name, self.log, self.begun = name, log, time.monotonic()
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log.open("w"), text=True,
                                        start_new_session=True, **popen)  # fmt: skip

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def fail(self, why):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        raise Failed(f"{self.name} {why}:\n{self.log.read_text(encoding='utf-8')[-2000:]}")

    def tree(self):
        """The /proc/PID/stat fields, from the third on, of the process and its descendants."""
        fields = {}
        for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                pid, rest = path.read_text(encoding="utf-8").split(" ", 1)
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended meanwhile
            fields[int(pid)] = rest.rsplit(")", 1)[1].split()
        wanted, found = [self.process.pid], {}
        while wanted:
            pid = wanted.pop()
            if pid in fields:
                found[pid] = fields[pid]
                wanted += [child for child, stat in fields.items() if int(stat[1]) == pid]
        return list(found.values())

    def cpu_seconds(self):
        return sum(int(stat[11]) + int(stat[12]) for stat in self.tree()) / TICKS

    def rss_mib(self):
        return sum(int(stat[21]) for stat in self.tree()) * PAGE / 2**20


class Driftd(Server):
    def __init__(self, name, binary, reference, work, settings=()):
        settings = ["http.port=0", "admin.port=0", f"references.default={reference}", f"data_directory={work / 'data'}",
                    "log_level=warn", *settings]  # fmt: skip
        command = [binary, "serve", *(word for setting in settings for word in ("--set", setting))]
        super().__init__(name, command, work / "server.log")
        line = self.process.stdout.readline()  # printed when it is ready
        urls = re.search(r"ready on (http://\S+) \(admin (http://[^)\s]+)\)", line)
        if not urls:
            self.fail("did not start")
        self.ready_s = time.monotonic() - self.begun
        self.url = urls.group(1) + "/v1/score"
        self.admin = urls.group(2)


class Peer(Server):
    """A stack of peers/ under uvicorn.

    uvicorn picks and prints a port. It must open the socket itself: on one that it is handed (--fd) it leaves Nagle's algorithm on,
    which delays every answer by 40 ms.
    """

    def __init__(self, name, python, arguments, work, environment):
        command = [python, "-m", "uvicorn", *arguments, "--port", "0", "--no-access-log"]
        environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"} | environment
        super().__init__(name, command, work / "server.log", cwd=HERE / "peers", env=environment)
        host = self.wait_for(self.host)
        self.url = host + "/v1/score"
        self.wait_for(lambda: urllib.request.urlopen(host + "/readyz", timeout=5).read())
        self.ready_s = time.monotonic() - self.begun

    def host(self):
        found = re.search(r"running on (http://[\d.:]+)", self.log.read_text(encoding="utf-8"))
        return found and found.group(1)

    def wait_for(self, attempt):
        """The first true answer of attempt()."""
        end = time.monotonic() + START_TIMEOUT
        while time.monotonic() < end:
            if self.process.poll() is not None:
                self.fail("ended at once")
            with contextlib.suppress(urllib.error.URLError, TimeoutError):
                if answer := attempt():
                    return answer
            time.sleep(0.05)
        self.fail(f"was not ready within {START_TIMEOUT} s")
