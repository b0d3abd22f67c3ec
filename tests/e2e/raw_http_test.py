"""What arrives on the socket byte by byte: malformed requests, floods, streams without end.

Environment: DRIFTD_HTTP_ECHO (the test program http_echo) runs these tests against the HTTP layer alone, without a model.
"""

import os
import resource
import signal
import socket
import subprocess

import pytest

HOST = b"Host: here\r\n"
POST = b"POST /v1/score HTTP/1.1\r\n" + HOST
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
GET = b"GET /v1/streams HTTP/1.1\r\n" + HOST + b"\r\n"
MB = 1_000_000


class Echo:
    """The HTTP layer alone, in place of a whole service."""

    def __init__(self, binary):
        self.process = subprocess.Popen([binary], stdout=subprocess.PIPE, text=True)
        self.port = self.admin_port = int(self.process.stdout.readline())
        self.pid = self.process.pid

    def alive(self):
        return self.process.poll() is None


@pytest.fixture
def server(request):
    if "DRIFTD_HTTP_ECHO" in os.environ:
        service = Echo(os.environ["DRIFTD_HTTP_ECHO"])
        yield service
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(timeout=30) == 0
    else:
        service = request.getfixturevalue("start_service")()
        yield service
        assert service.alive()


class Client:
    def __init__(self, port, timeout=30):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.input = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data, piece=None):
        """False when the server ended the connection meanwhile."""
        piece = piece or len(data) or 1
        try:
            for at in range(0, len(data), piece):
                self.socket.sendall(data[at : at + piece])
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def fill(self):
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        self.input += data
        return bool(data)

    def receive(self):
        """(status, header section) of the next answer; (None, b"") when there is none."""
        while b"\r\n\r\n" not in self.input:
            if not self.fill():
                return None, b""
        head, _, self.input = self.input.partition(b"\r\n\r\n")
        head += b"\r\n"
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        while len(self.input) < length:
            assert self.fill(), "the answer's body is cut short"
        self.input = self.input[length:]
        return int(head[9:12]), head

    def at_end(self):
        return not self.input and not self.fill()


def ask(port, data=GET):
    with Client(port) as client:
        client.send(data)
        return client.receive()[0]


def forget_peak(pid):
    """Sets VmHWM back to the memory in use now."""
    with open(f"/proc/{pid}/clear_refs", "w") as file:
        file.write("5")


def memory_of(pid, field="VmRSS"):
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(field))


def cpu_seconds_of(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


REFUSED = {
    "unknown coding with a length": (POST + b"Transfer-Encoding: gzip\r\nContent-Length: 5\r\n\r\n12345", {400}),
    "unknown coding": (POST + b"Transfer-Encoding: gzip\r\n\r\n" + GET, {501}),
    "xchunked": (POST + b"Transfer-Encoding: xchunked\r\n\r\n" + GET, {501}),
    "chunked, identity": (POST + b"Transfer-Encoding: chunked, identity\r\n\r\n" + GET, {501}),
    "identity": (POST + b"Transfer-Encoding: identity\r\nContent-Length: 0\r\n\r\n" + GET, {400}),
    "vertical tab after chunked": (POST + b"Transfer-Encoding: chunked\x0b\r\n\r\n0\r\n\r\n", {400}),
    "chunked with a length": (POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", {400}),
    "chunked in HTTP/1.0": (b"POST /v1/score HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", {400}),
    "folded field": (POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", {400}),
    "no Host": (b"GET /v1/streams HTTP/1.1\r\n\r\n", {400}),
    "two Hosts": (b"GET /v1/streams HTTP/1.1\r\n" + 2 * HOST + b"\r\n", {400}),
    "differing lengths": (POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n12", {400}),
    "hexadecimal length": (POST + b"Content-Length: 0x5\r\n\r\n12345", {400}),
    "Trailer field": (POST + b"Transfer-Encoding: chunked\r\nTrailer: X-Api-Key\r\n\r\n0\r\n\r\n", {400}),
    "trailer with a key": (CHUNKED + b"0\r\nX-Api-Key: admin\r\n\r\n", {400}),
    "trailer of 70,000 bytes": (CHUNKED + b"0\r\nX-A: " + 70_000 * b"a" + b"\r\n\r\n", {400}),
    "chunk size without end": (CHUNKED + 70_000 * b"0", {400}),
    "bare LF": (b"GET /v1/streams HTTP/1.1\n" + HOST + b"\r\n", {400}),
    "bare CR": (b"GET /v1/streams HTTP/1.1\r\nX-A: b\rHost: c\r\n\r\n", {400}),
    "space in a name": (POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", {400}),
    "space before the request line": (b" " + GET, {400}),
    "TRACE": (b"TRACE /v1/streams HTTP/1.1\r\n" + HOST + b"\r\n", {405, 501}),
    "over 16 KiB of header": (POST + b"X-A: " + 17_000 * b"a" + b"\r\n\r\n", {431}),
    "2,000 fields": (POST + 2_000 * b"a:\r\n" + b"\r\n", {431}),
    "target over 4 KiB": (b"GET /" + 5_000 * b"a" + b" HTTP/1.1\r\n" + HOST + b"\r\n", {414}),
    "a body of 1 TB": (POST + b"Expect: 100-continue\r\nContent-Length: 1000000000000\r\n\r\n", {413}),
    "a chunk of 1 TB": (CHUNKED + b"e8d4a51000\r\n", {413}),
    "escaped zero byte": (b"GET /v1%00 HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    "encoded slash": (b"GET /v1%2fstreams HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    "binary": (bytes(range(256)), {400}),
}


def test_malformed_requests_get_one_answer_and_a_closed_connection_however_they_are_cut(server):
    for what, (data, statuses) in REFUSED.items():
        for piece in (None, 1, 7):
            if piece == 1 and len(data) > 20_000:
                continue
            with Client(server.port) as client:
                client.send(data, piece)
                status, head = client.receive()
                assert status in statuses, (what, piece, status)
                assert b"Connection: close\r\n" in head, (what, piece)
                assert client.at_end(), (what, piece)
    assert ask(server.port) in (200, 404)


def test_sound_requests_keep_the_connection_in_step(server):
    sound = [
        GET,
        POST + b"Content-Type: image/png\r\nContent-Length: 5\r\n\r\n12345",
        POST + b"Content-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\n12345\r\n0\r\n\r\n",
        b"HEAD /nothing HTTP/1.1\r\n" + HOST + b"\r\n",
    ]
    with Client(server.port) as client:
        assert client.send(b"".join(3 * sound[:3]))  # pipelined
        for _ in range(9):
            status, head = client.receive()
            assert status in (200, 404, 415, 422) and b"Connection: close" not in head
        client.send(sound[2], 1)
        assert client.receive()[0] in (200, 415, 422)


@pytest.mark.parametrize(
    "start, endless",
    [
        (b"GET / HTTP/1.1\r\n", b"X-A: " + 1000 * b"a" + b"\r\n"),
        (b"GET / HTTP/1.1\r\nX-A: ", 1000 * b"a"),
        (b"GET /", 1000 * b"a"),
        (b"", 500 * b"\r\n"),
        (CHUNKED + b"0\r\n", b"X-A: " + 1000 * b"a" + b"\r\n"),
        (CHUNKED + b"0\r\nX-A: ", 1000 * b"a"),
        (CHUNKED, 1000 * b"0"),
        (CHUNKED + b"1;", 1000 * b"a"),
        (CHUNKED, b"1;a=" + 900 * b"a" + b"\r\nx\r\n"),
        (CHUNKED, 170 * b"1\r\nx\r\n"),
    ],
    ids=["fields", "field", "target", "empty-lines", "trailers", "trailer", "chunk-size", "chunk-extension", "chunk-extensions", "tiny-chunks"],
)
def test_200_mb_that_are_no_body_cost_no_memory(server, start, endless):
    ask(server.port)
    forget_peak(server.pid)  # loading the model has one of its own
    before = memory_of(server.pid)
    sent = 0
    piece = (65_536 // len(endless)) * endless
    while sent < 200 * MB:  # a refused connection is followed by the next
        with Client(server.port) as client:
            client.send(start)
            while client.send(piece) and sent < 200 * MB:
                sent += len(piece)
            sent += len(piece)
    assert memory_of(server.pid, "VmHWM") - before < 10 * MB
    assert ask(server.port) in (200, 404)


@pytest.fixture
def plain_allocator(monkeypatch):
    """Memory stays untouched until the service touches it: CTest's allocator writes to all it hands out."""
    monkeypatch.delenv("MALLOC_CONF", raising=False)


def test_a_claimed_body_is_not_paid_for_before_it_arrives(plain_allocator, server):
    before = memory_of(server.pid)
    clients = [Client(server.port) for _ in range(100)]
    for client in clients:
        client.send(POST + b"Content-Type: image/png\r\nContent-Length: 1000000\r\n\r\n" + 10_000 * b"x")
    assert ask(server.port) in (200, 404)
    assert memory_of(server.pid) - before < 20 * MB
    for client in clients:
        client.socket.close()


def test_without_file_descriptors_the_service_waits_and_recovers(server):
    open_files = len(os.listdir(f"/proc/{server.pid}/fd"))
    _, hard = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (open_files + 20, hard))
    held = [Client(server.port) for _ in range(100)]
    with Client(server.port, timeout=1) as waiting:
        waiting.send(GET)
        before = cpu_seconds_of(server.pid)
        with pytest.raises(TimeoutError):
            waiting.receive()
        assert cpu_seconds_of(server.pid) - before < 0.3
        for client in held:
            client.socket.close()
        waiting.socket.settimeout(30)
        assert waiting.receive()[0] in (200, 404)


def test_clients_that_vanish_leave_nothing_behind(server):
    open_files = len(os.listdir(f"/proc/{server.pid}/fd"))
    for data in (b"", b"GET", GET, POST + b"Content-Length: 1000\r\n\r\nabc", CHUNKED + b"5\r\nab"):
        for reset in (False, True):
            for _ in range(20):
                client = Client(server.port)
                client.send(data)
                if reset:
                    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                client.socket.close()
    for _ in range(10_000):  # each answer gives the server time to notice more of them
        assert ask(server.port) in (200, 404)
        if len(os.listdir(f"/proc/{server.pid}/fd")) <= open_files + 1:
            break
    else:
        pytest.fail("connections that the clients have closed are still open")
