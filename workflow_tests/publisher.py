"""A web server on the loopback address that behaves as the data's publishers do, or misbehaves on request."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

LOGIN_PAGE = b"<!DOCTYPE html><html><title>Login</title><form><input type='password' name='password'></form></html>"


@dataclass
class Publisher:
    """Files by name, asked for with a form at /download.php, or by anyone at /public/<name>.

    Faults are taken one per request, from the front; None is none. Each is a dict with some of: status (and headers,
    body), cut (bytes after which the connection breaks), announce (bytes, a false length), plain (ignores ranges),
    hold (an event that must be set before the body is sent).
    """

    files: dict[str, bytes]
    username: str = "reader"
    password: str = "secret"
    faults: list[dict | None] = field(default_factory=list)
    requests: list[tuple[str, str, dict, dict]] = field(default_factory=list)  # method, path, headers, form
    sent: int = 0  # bytes of bodies
    scheme: str = "http"
    port: int = 0

    @property
    def url(self) -> str:
        """What `vocaset.url` would be."""
        return f"{self.scheme}://127.0.0.1:{self.port}/download.php?domain=voca&resume=1&sfile={{file}}"

    @property
    def public(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/public/"

    @contextmanager
    def serving(self, context=None) -> Iterator["Publisher"]:
        """Serve from a thread; over TLS with an `ssl.SSLContext`."""
        publisher = self

        class Handler(_Handler):
            pass

        Handler.publisher = publisher
        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        server.handle_error = lambda *_: None  # a client that was killed is no fault of the server
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
            self.scheme = "https"
        self.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()


class _Handler(BaseHTTPRequestHandler):
    publisher: Publisher
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self._answer({})

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self._answer({key: values[0] for key, values in parse_qs(body, strict_parsing=True).items()})

    def log_message(self, *_):
        pass

    def _answer(self, form: dict):
        parts, publisher = urlsplit(self.path), self.publisher
        publisher.requests.append((self.command, self.path, dict(self.headers), form))
        fault = (publisher.faults.pop(0) if publisher.faults else None) or {}
        if "status" in fault:
            self._send(fault["status"], fault.get("body", b""), fault.get("headers", {}))
            return
        if parts.path == "/download.php":
            name = parse_qs(parts.query)["sfile"][0]
            if (form.get("username"), form.get("password")) != (publisher.username, publisher.password):
                self._send(401, b"Unauthorized", {})
                return
        else:
            name = parts.path.removeprefix("/public/")
        if name not in publisher.files:
            self._send(404, b"no such file", {})
            return
        self._send_file(publisher.files[name], fault)

    def _send_file(self, content: bytes, fault: dict):
        headers = {"Content-Type": "application/octet-stream", "ETag": f'"{hashlib.md5(content).hexdigest()}"'}
        asked = self.headers.get("Range")
        if asked and not fault.get("plain") and self.headers.get("If-Range", headers["ETag"]) == headers["ETag"]:
            begin = int(asked.removeprefix("bytes=").rstrip("-"))
            if begin >= len(content):
                self._send(416, b"", {"Content-Range": f"bytes */{len(content)}"})
                return
            headers["Content-Range"] = f"bytes {begin}-{len(content) - 1}/{len(content)}"
            self._send(206, content[begin:], headers, fault)
        else:
            self._send(200, content, headers, fault)

    def _send(self, status: int, body: bytes, headers: dict, fault: dict | None = None):
        fault = fault or {}
        self.send_response(status)
        for key, value in {"Content-Length": fault.get("announce", len(body)), **headers}.items():
            self.send_header(key, str(value))
        self.end_headers()
        if "hold" in fault:
            fault["hold"].wait(600)
        part = body[: fault["cut"]] if "cut" in fault else body
        self.wfile.write(part)
        self.publisher.sent += len(part)
        if "cut" in fault or "announce" in fault:
            self.close_connection = True
