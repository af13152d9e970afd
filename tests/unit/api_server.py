"""An API server of a few lines, with or without TLS, and proxies before it."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import ipaddress
import json
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
POD = {
    "metadata": {"name": "p"},
    "spec": {"containers": [{"name": "client", "image": "svcproof.dev/echo-hostname:1"}]},
}


class Listener:
    """Takes connections, each in a thread of its own, until it is left."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._taken: list[tuple[socket.socket, threading.Thread]] = []

    def __enter__(self):
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()
        # A socket is closed by its own thread alone: to anyone who is just
        # reading from it, it only ends.
        for handle, thread in self._taken:
            with contextlib.suppress(OSError):
                handle.shutdown(socket.SHUT_RDWR)
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            handle = sock.dup()
            thread = threading.Thread(target=self._take, args=(sock, handle), daemon=True)
            self._taken.append((handle, thread))
            thread.start()

    def _take(self, sock: socket.socket, handle: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError), contextlib.ExitStack() as stack:
            stack.enter_context(handle)
            stack.enter_context(sock)
            if self._tls is not None:
                sock = stack.enter_context(self._tls.wrap_socket(sock, server_side=True))
            self.serve(sock)

    def serve(self, sock: socket.socket) -> None:
        raise NotImplementedError


@dataclass
class Request:
    method: str
    path: str
    headers: list[tuple[str, str]] = field(default_factory=list)

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name]

    def first(self, name: str) -> str:
        return next(iter(self.all(name)), "")


def exactly(sock: socket.socket, length: int) -> bytes:
    """So many bytes; :class:`EOFError` if the other side ends before."""
    data = b""
    while len(data) < length:
        if not (piece := sock.recv(length - len(data))):
            raise EOFError
        data += piece
    return data


def read_request(sock: socket.socket) -> Request | None:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = sock.recv(65536)
        if not piece:
            return None
        data += piece
        if not data[:1].isalpha():  # TLS, say
            sock.sendall(reply(400, "what is that?"))
            return None
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    method, path, _ = first.split(" ")
    headers = [(name, value.strip()) for name, _, value in (x.partition(":") for x in lines)]
    request = Request(method, path, headers)
    exactly(sock, int(request.first("content-length") or 0) - len(body))
    return request


def reply(status: int, body: Any, headers: dict[str, str] | None = None) -> bytes:
    data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    kind = "text/html" if isinstance(body, str) else "application/json"
    given = {"Content-Type": kind, "Content-Length": str(len(data)), **(headers or {})}
    lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    return f"HTTP/1.1 {status} Said\r\n{lines}\r\n".encode() + data


def frame(channel: int, data: bytes, opcode: int = 2) -> bytes:
    payload = bytes([channel]) + data
    return bytes([0x80 | opcode, 126]) + struct.pack(">H", len(payload)) + payload


SUCCESS = frame(3, b'{"status":"Success"}')


class ApiServer(Listener):
    """Answers ``GET`` with ``answer``, and an exec with ``frames``; ``asked`` is what came."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        self.asked: list[Request] = []
        self.frames = [frame(1, b"hello"), SUCCESS]
        self.passes_websockets = True

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def answer(self, request: Request) -> bytes:
        items = [POD] if "/pods" in request.path else []
        return reply(200, {"items": items, "gitVersion": "v1.36.4"})

    def execs(self) -> list[Request]:
        return [request for request in self.asked if "/exec?" in request.path]

    def serve(self, sock: socket.socket) -> None:
        while (request := read_request(sock)) is not None:
            self.asked.append(request)
            wants = request.first("upgrade").lower() == "websocket" and self.passes_websockets
            answer = self.answer(request)
            if wants and answer.startswith(b"HTTP/1.1 200"):
                self._upgrade(sock, request)
                return
            if "/exec?" in request.path and answer.startswith(b"HTTP/1.1 200"):
                answer = reply(400, {"message": "Upgrade request required"})
            sock.sendall(answer)

    def _upgrade(self, sock: socket.socket, request: Request) -> None:
        key = request.first("sec-websocket-key").encode() + _MAGIC
        accept = base64.b64encode(hashlib.sha1(key, usedforsecurity=False).digest()).decode()
        sock.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n"
            + f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
        )
        if "stdin=true" in request.path:
            sock.recv(65536)  # the order
        for each in self.frames:
            sock.sendall(each) if each else time.sleep(0.3)  # nothing stands for a pause
        sock.recv(65536)  # until the other side is done


class Proxy(Listener):
    """An HTTP proxy: CONNECT, or a whole URL. ``credentials`` are wanted if there are any."""

    def __init__(self, credentials: str = "", tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        self.asked: list[Request] = []
        self._credentials = credentials
        self.refusal = b""

    def serve(self, sock: socket.socket) -> None:
        request = read_request(sock)
        if request is None:
            return
        self.asked.append(request)
        wanted = "Basic " + base64.b64encode(self._credentials.encode()).decode()
        if self._credentials and request.first("proxy-authorization") != wanted:
            sock.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            return
        if self.refusal:
            sock.sendall(self.refusal)
            return
        url = urlsplit(request.path if "://" in request.path else f"//{request.path}")
        with socket.create_connection((self.resolve(url.hostname or ""), url.port)) as onward:
            if request.method == "CONNECT":
                sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                lines = [f"{name}: {value}" for name, value in request.headers]
                first = f"{request.method} {url.path}?{url.query} HTTP/1.1"
                onward.sendall("\r\n".join([first, *lines, "", ""]).encode())
            relay(sock, onward)

    def resolve(self, host: str) -> str:
        return host


class Socks(Listener):
    """SOCKS5 without credentials (RFC 1928); ``asked`` are the addresses that were wanted."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[int, bytes]] = []

    def serve(self, sock: socket.socket) -> None:
        exactly(sock, exactly(sock, 2)[1])  # the methods on offer
        sock.sendall(b"\x05\x00")
        kind = exactly(sock, 4)[3]
        length = exactly(sock, 1)[0] if kind == 3 else 4
        address = exactly(sock, length)
        (port,) = struct.unpack(">H", exactly(sock, 2))
        self.asked.append((kind, address))
        with socket.create_connection(("127.0.0.1", port)) as onward:
            sock.sendall(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00")
            relay(sock, onward)


def relay(one: socket.socket, other: socket.socket) -> None:
    peer = {one: other, other: one}
    while True:
        pending = isinstance(one, ssl.SSLSocket) and one.pending()
        for sock in [one] if pending else select.select([one, other], [], [])[0]:
            data = sock.recv(65536)
            if not data:
                return
            peer[sock].sendall(data)


class Authority:
    """Signs certificates. ``file`` has its own, as PEM."""

    def __init__(self, directory: Path, name: str = "authority") -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        own = (
            self._builder(self._name, self._key, -1, 1)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.file = directory / f"{name}.pem"
        self.file.write_bytes(own.public_bytes(serialization.Encoding.PEM))

    def signed(
        self, name: str = "server", *, address: str = "127.0.0.1", days: int = 1
    ) -> tuple[Path, Path]:
        """Files with a certificate that began two days ago, and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        addresses = [x509.IPAddress(ipaddress.ip_address(address)), x509.DNSName(name)]
        made = (
            self._builder(subject, key, -2, days)
            .add_extension(x509.SubjectAlternativeName(addresses), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        certificate, private = self._directory / f"{name}.crt", self._directory / f"{name}.key"
        certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return certificate, private

    def context(self, **options: Any) -> ssl.SSLContext:
        """A server's."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.signed(**options))
        return context

    def _builder(self, subject: x509.Name, key: Any, start: int, end: int) -> Any:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + timedelta(days=start))
            .not_valid_after(now + timedelta(days=end))
        )


def kubeconfig(path: Path, url: str, user: dict[str, Any] | None = None, **cluster: Any) -> Path:
    """A kubeconfig with one of everything; underscores in names stand for dashes."""
    options = {name.replace("_", "-"): value for name, value in cluster.items()}
    config = {
        "clusters": [{"name": "c", "cluster": {"server": url, **options}}],
        "users": [{"name": "u", "user": user or {"token": "secret"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path.write_text(yaml.safe_dump(config))
    return path


@contextlib.contextmanager
def closing(api: Any) -> Iterator[Any]:
    try:
        yield api
    finally:
        api.close()
