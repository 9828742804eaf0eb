"""The servers that both handlers talk to: Lambda's Runtime API, an application to probe, and the emulator of AWS."""

import asyncio
import collections
import json
import pathlib
import re
import ssl
import time

import botocore
import trustme


class Server:
    """HTTP/1.1 with kept connections on a free port; a subclass answers `(status, headers, body)`."""

    async def start(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.address = "127.0.0.1:%d" % self._server.sockets[0].getsockname()[1]
        return self

    async def _serve(self, reader, writer):
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                method, path, _ = head.split(" ", 2)
                length = re.search(r"(?im)^content-length:\s*(\d+)", head)
                body = await reader.readexactly(int(length[1]) if length else 0)
                status, headers, body = await self.answer(method, path, body)
                headers = {"content-length": len(body), **headers}
                lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
                writer.write(f"HTTP/1.1 {status} OK\r\n{lines}\r\n".encode() + body)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


class Application(Server):
    """What the probes ask: it answers `delay` seconds after a request."""

    def __init__(self, delay):
        self.delay = delay

    async def answer(self, method, path, body):
        await asyncio.sleep(self.delay)
        return 200, {}, b""


class Emulator:
    """The project's own AWS, answering `delay` seconds after each request."""

    def __init__(self, binary, delay):
        self.binary, self.delay = binary, delay

    async def start(self):
        self._process = await asyncio.create_subprocess_exec(
            self.binary, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        hello = json.loads(await self._process.stdout.readline())
        self.url, self.environment = hello["url"], hello["environment"]
        await self.say(f"delay {round(self.delay * 1000)}")
        return self

    async def say(self, command):
        """The one line that a command answers."""
        self._process.stdin.write(command.encode() + b"\n")
        await self._process.stdin.drain()
        return (await self._process.stdout.readline()).decode().strip()

    async def calls(self):
        """How often each operation was called since the last time."""
        return collections.Counter(json.loads(await self.say("count")))

    async def stop(self):
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()


class TlsRelay:
    """TLS in front of a plain server, with a chain of RSA certificates as AWS's endpoints have.

    `ca` vouches for it, among the other roots that botocore carries.
    """

    def __init__(self, port, folder):
        self._port, self.ca = port, pathlib.Path(folder) / "ca.pem"
        root = trustme.CA(key_type=trustme.KeyType.RSA)
        between = root.create_child_ca(key_type=trustme.KeyType.RSA)
        others = pathlib.Path(botocore.__file__).with_name("cacert.pem")
        self.ca.write_bytes(others.read_bytes() + root.cert_pem.bytes())
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        between.issue_cert("localhost", key_type=trustme.KeyType.RSA).configure_cert(self._context)

    async def start(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)
        self.url = "https://localhost:%d" % self._server.sockets[0].getsockname()[1]
        return self

    async def _serve(self, reader, writer):
        upstream, downstream = await asyncio.open_connection("127.0.0.1", self._port)
        await asyncio.gather(pump(reader, downstream), pump(upstream, writer))


async def pump(source, sink):
    try:
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    except (ConnectionError, asyncio.CancelledError):
        pass
    finally:
        sink.close()


class RuntimeApi(Server):
    """Hands one event at a time to the function that polls it."""

    def __init__(self):
        self._polls = asyncio.Queue()
        self._ended = asyncio.Queue()
        self.first_poll = asyncio.get_running_loop().create_future()
        """The moment at which the function asked for its first event."""

    async def invoke(self, event):
        """Seconds from the event's hand-over to the function's response."""
        slot = await self._polls.get()
        begun = time.perf_counter()
        slot.set_result(json.dumps(event).encode())
        ended, path, body = await self._ended.get()
        if not path.endswith("/response"):
            raise RuntimeError(f"the function answered on {path}: {body.decode()}")
        return ended - begun

    async def answer(self, method, path, body):
        now = time.perf_counter()
        if not path.endswith("/invocation/next"):
            self._ended.put_nowait((now, path, body))
            return 202, {}, b"{}"
        if not self.first_poll.done():
            self.first_poll.set_result(now)
        slot = asyncio.get_running_loop().create_future()
        self._polls.put_nowait(slot)
        event = await slot
        return 200, {
            "content-type": "application/json",
            "lambda-runtime-aws-request-id": "8476a536-e9f4-11e8-9739-2dfe598c3fcd",
            "lambda-runtime-deadline-ms": int((time.time() + 60) * 1000),
            "lambda-runtime-invoked-function-arn": "arn:aws:lambda:us-east-1:123456789012:function:failover",
        }, event
