"""A real S3 server on loopback (moto's), buckets in it, and a proxy before it that fails as networks and clocks do."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import shutil
import socket
import struct
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

SECRET = "TheSecretThatNobodyMaySee"
_numbers = itertools.count()
# What the proxy does with a request, by method and path: let it pass; cut it off in the middle of its body, or once the
# server has done what was asked; or answer by itself.
PASS, CUT, CUT_AFTER = "pass", "cut", "cut after"
Judge = Callable[[str, str], "str | tuple[int, str]"]
TOO_SKEWED = (
    "<?xml version='1.0' encoding='UTF-8'?><Error><Code>RequestTimeTooSkewed</Code><Message>The difference between the "
    "request time and the current time is too large.</Message><RequestTime>20260101T000000Z</RequestTime>"
    "<MaxAllowedSkewMilliseconds>900000</MaxAllowedSkewMilliseconds></Error>"
)


@dataclass(frozen=True)
class S3:
    """The server. Whoever asks may do everything, until `strict`."""

    endpoint: str

    def client(self, service: str = "s3", key: str = "test", secret: str = SECRET) -> Any:
        import boto3

        known = {"aws_access_key_id": key, "aws_secret_access_key": secret, "region_name": "us-east-1"}
        return boto3.client(service, endpoint_url=self.endpoint, **known)

    def bucket(self) -> Bucketful:
        name = f"books-{next(_numbers)}"
        self.client().create_bucket(Bucket=name)
        return Bucketful(self, name)

    def stranger(self) -> tuple[str, str]:
        """Key and secret of a user who may do nothing."""
        people = self.client("iam")
        name = f"stranger-{next(_numbers)}"
        people.create_user(UserName=name)
        key = people.create_access_key(UserName=name)["AccessKey"]
        return key["AccessKeyId"], key["SecretAccessKey"]

    @contextmanager
    def strict(self) -> Iterator[None]:
        """Meanwhile the server checks who asks, by key and signature, and what that user may do."""
        from moto import settings

        before, settings.INITIAL_NO_AUTH_ACTION_COUNT = settings.INITIAL_NO_AUTH_ACTION_COUNT, 0.0
        try:
            yield
        finally:
            settings.INITIAL_NO_AUTH_ACTION_COUNT = before


@dataclass(frozen=True)
class Bucketful:
    """One bucket of the server, with a store and nights below a prefix."""

    server: S3
    name: str
    prefix: str = "shop"

    @property
    def store(self) -> str:
        return f"s3://{self.name}/{self.prefix}/store"

    @property
    def out(self) -> str:
        return f"s3://{self.name}/{self.prefix}/out"

    def objects(self) -> dict[str, bytes]:
        """Key below the prefix -> content, by another client than the product's."""
        client, found = self.server.client(), {}
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=self.name):
            for each in page.get("Contents", ()):
                body = client.get_object(Bucket=self.name, Key=each["Key"])["Body"].read()
                found[each["Key"].removeprefix(f"{self.prefix}/")] = body
        return found

    def write(self, key: str, content: bytes) -> None:
        self.server.client().put_object(Bucket=self.name, Key=f"{self.prefix}/{key}", Body=content)

    def current(self, folder: str) -> dict[str, Any]:
        return json.loads(self.objects()[f"{folder}/current.json"])["content"]

    def filled(self, folder: Path, url: str) -> None:
        """What lies in a folder of this disk comes in at an address of the bucket."""
        from pipeline.store.copies import copy_of, log

        log.handlers.clear()  # of a command that ended
        with copy_of(url, changes=True) as copy:
            shutil.copytree(folder, copy.folder, symlinks=True, dirs_exist_ok=True)
            copy.bring_in()


@contextmanager
def running_s3() -> Iterator[S3]:
    with warnings.catch_warnings():
        # Where mlflow came first in this process, its hook loads boto3, which moto asks for, as Python did of old, and
        # Python says so twice.
        warnings.simplefilter("ignore")
        from moto.moto_server.threaded_moto_server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield S3(f"http://{host}:{port}")
    finally:
        server.stop()


@dataclass
class Proxy:
    """Stands before the server. judge: what becomes of a request; seen: those that came, oldest first."""

    endpoint: str
    judge: Judge = lambda method, path: PASS
    seen: list[tuple[str, str]] = field(default_factory=list)


@contextmanager
def proxied(server: S3) -> Iterator[Proxy]:
    host, port = server.endpoint.removeprefix("http://").split(":")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def relayed(self) -> None:
            path = self.path.partition("?")[0]
            proxy.seen.append((self.command, path))
            verdict, length = proxy.judge(self.command, path), int(self.headers.get("Content-Length") or 0)
            if verdict == CUT:
                self.rfile.read(length // 2)
                self.cut()
                return
            body = self.rfile.read(length)
            status, headers, answer = (
                (verdict[0], [("Content-Type", "application/xml")], verdict[1].encode())
                if isinstance(verdict, tuple)
                else self.asked(body)
            )
            if verdict == CUT_AFTER:
                self.cut()
                return
            self.send_response_only(status)
            for name, value in headers:
                self.send_header(name, value)
            if not any(name.lower() == "content-length" for name, _ in headers):
                self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer if self.command != "HEAD" else b"")

        def asked(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
            with contextlib.closing(http.client.HTTPConnection(host, int(port))) as server:
                server.request(self.command, self.path, body, dict(self.headers))
                answer = server.getresponse()
                told = answer.read()
                left_out = ("transfer-encoding", "connection", *(() if self.command == "HEAD" else ("content-length",)))
                return answer.status, [each for each in answer.getheaders() if each[0].lower() not in left_out], told

        def cut(self) -> None:
            """As a cable that is pulled: no farewell."""
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()

        def log_message(self, *_: object) -> None: ...

        def finish(self) -> None:
            with contextlib.suppress(OSError, ValueError):
                super().finish()

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = relayed

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.daemon_threads = True
    running.handle_error = lambda *_: None  # a connection that was cut is no news
    proxy = Proxy(f"http://127.0.0.1:{running.server_address[1]}")
    threading.Thread(target=running.serve_forever, args=[0.02], daemon=True).start()
    try:
        yield proxy
    finally:
        running.shutdown()
        running.server_close()
