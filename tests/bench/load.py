"""Load at a constant rate, whatever the answers take: latency counts from when a request was due, not from when it could be sent.

A closed loop asks less of a server that is slow just then, and so hides its worst moments (coordinated omission); this does not.
Requests are spread over so many connections that one is always free; asyncio and plain sockets, for a client must not cost much on
the machine that it measures.
"""

import asyncio
import time
import urllib.parse


def message(url, body, content_type):
    """The bytes of one POST on a connection that is kept."""
    parts = urllib.parse.urlsplit(url)
    path = parts.path + ("?" + parts.query if parts.query else "")
    head = f"POST {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Connections:
    """Kept connections to one server, opened when none is free."""

    def __init__(self, url):
        self.host, self.port = urllib.parse.urlsplit(url).hostname, urllib.parse.urlsplit(url).port
        self.free = []

    async def ask(self, data):
        """The status of the answer to one request; 0: no answer."""
        reader, writer = self.free.pop() if self.free else await asyncio.open_connection(self.host, self.port)
        try:
            writer.write(data)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))
        except (OSError, asyncio.IncompleteReadError, IndexError, ValueError):
            writer.close()
            return 0
        self.free.append((reader, writer))
        return int(head.split(b" ", 2)[1])

    def close(self):
        for _, writer in self.free:
            writer.close()


def at_rate(url, messages, rate, seconds):
    """Sends messages in turn at `rate` a second. Returns counts and percentiles of the latency in ms."""

    async def run():
        connections, latencies, errors, tasks = Connections(url), [], 0, set()
        start = time.perf_counter() + 0.1

        async def one(due, data):
            nonlocal errors
            status = await connections.ask(data)
            latencies.append(1e3 * (time.perf_counter() - due))
            errors += status != 200

        for i in range(int(rate * seconds)):
            due = start + i / rate
            if (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            task = asyncio.create_task(one(due, messages[i % len(messages)]))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.gather(*tasks)
        elapsed = time.perf_counter() - start
        connections.close()
        return summary(latencies, errors, elapsed) | {"rate": rate}

    return asyncio.run(run())


def in_turn(url, messages, clients):
    """All the messages, each once, by `clients` that wait for their answers."""

    async def run():
        connections, latencies, errors, queue = Connections(url), [], 0, iter(messages)

        async def client():
            nonlocal errors
            for data in queue:
                start = time.perf_counter()
                status = await connections.ask(data)
                latencies.append(1e3 * (time.perf_counter() - start))
                errors += status != 200

        start = time.perf_counter()
        await asyncio.gather(*(client() for _ in range(clients)))
        elapsed = time.perf_counter() - start
        connections.close()
        return summary(latencies, errors, elapsed)

    return asyncio.run(run())


def summary(latencies, errors, elapsed):
    ordered = sorted(latencies)

    def at(share):
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    return {"requests": len(ordered), "errors": errors, "requests_per_second": len(ordered) / elapsed,
            "p50_ms": at(0.5), "p99_ms": at(0.99), "max_ms": ordered[-1]}  # fmt: skip
