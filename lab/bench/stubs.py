"""The two servers that both handlers talk to: Lambda's Runtime API, and AWS answering from canned XML."""

import asyncio
import json
import re
import time
import urllib.parse

CHECK = "11111111-2222-3333-4444-555555555555"

RDS = """<DescribeDBInstancesResponse xmlns="http://rds.amazonaws.com/doc/2014-10-31/"><DescribeDBInstancesResult>\
<DBInstances><DBInstance><DBInstanceIdentifier>{name}</DBInstanceIdentifier><DBInstanceClass>db.m7g.large\
</DBInstanceClass><Engine>postgres</Engine><DBInstanceStatus>available</DBInstanceStatus><Endpoint><Address>{name}\
.example.com</Address><Port>5432</Port></Endpoint><AllocatedStorage>100</AllocatedStorage><BackupRetentionPeriod>7\
</BackupRetentionPeriod><MultiAZ>false</MultiAZ>{source}<DBInstanceArn>arn:aws:rds:us-east-1:123456789012:db:{name}\
</DBInstanceArn></DBInstance></DBInstances></DescribeDBInstancesResult><ResponseMetadata><RequestId>1</RequestId>\
</ResponseMetadata></DescribeDBInstancesResponse>"""
SOURCE = """<ReadReplicaSourceDBInstanceIdentifier>orders-primary</ReadReplicaSourceDBInstanceIdentifier><StatusInfos>\
<DBInstanceStatusInfo><StatusType>read replication</StatusType><Normal>true</Normal><Status>replicating</Status>\
</DBInstanceStatusInfo></StatusInfos>"""
ROUTE53 = f"""<?xml version="1.0" encoding="UTF-8"?><GetHealthCheckResponse \
xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><HealthCheck><Id>{CHECK}</Id><CallerReference>bench\
</CallerReference><HealthCheckConfig><Type>CALCULATED</Type><Inverted>false</Inverted><Disabled>false</Disabled>\
<HealthThreshold>0</HealthThreshold></HealthCheckConfig><HealthCheckVersion>1</HealthCheckVersion></HealthCheck>\
</GetHealthCheckResponse>"""


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


class Endpoint(Server):
    """RDS, Route 53 and the probed application, each answer `delay` seconds after its request."""

    def __init__(self, delay):
        self.delay = delay
        self.calls = []

    async def answer(self, method, path, body):
        await asyncio.sleep(self.delay)
        if path == "/":
            form = dict(urllib.parse.parse_qsl(body.decode()))
            self.calls.append(form["Action"])
            name = form["DBInstanceIdentifier"]
            text = RDS.format(name=name, source=SOURCE if name == "orders-replica" else "")
        elif path == f"/2013-04-01/healthcheck/{CHECK}" and method == "GET":
            self.calls.append("GetHealthCheck")
            text = ROUTE53
        elif path == "/primary":
            self.calls.append("probe")
            return 200, {}, b""
        else:
            self.calls.append(f"{method} {path}")
            return 500, {}, b""
        return 200, {"content-type": "text/xml"}, text.encode()


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
