"""A server of ours that says what it got, the proxy before it, and a client."""

from __future__ import annotations

import hashlib
import http.client
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest

from rootcellar.testing import FaultProxy

BODY = bytes(range(256)) * 1024
SIZE = len(BODY)


class Handler(BaseHTTPRequestHandler):
    """Answers GET with the body, and PUT with the digest of what came."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.seen.append(self.path)
        self.send_response(200)
        if "chunked" in self.path:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for start in range(0, SIZE, 50_000):
                piece = BODY[start : start + 50_000]
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")
            return
        if "endless" in self.path:
            self.end_headers()
            self.wfile.write(BODY)
            self.close_connection = True
            return
        self.send_header("Content-Length", str(SIZE))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(BODY)

    do_HEAD = do_GET  # noqa: N815 (http.server's name)

    def do_PUT(self):
        self.server.seen.append(self.path)
        state = hashlib.sha256()
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            while size := int(self.rfile.readline(), 16):
                state.update(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
        else:
            left = int(self.headers["Content-Length"])
            while left:
                piece = self.rfile.read(min(left, 1 << 16))
                if not piece:
                    self.server.broken_off += 1
                    self.close_connection = True
                    return
                left -= len(piece)
                state.update(piece)
        content = state.hexdigest().encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass


@pytest.fixture(scope="module")
def server():
    server = Server(("127.0.0.1", 0), Handler)
    server.broken_off = 0
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def proxy(server):
    server.seen = []
    with FaultProxy(f"http://127.0.0.1:{server.server_port}") as proxy:
        yield proxy
    assert not [t for t in threading.enumerate() if t.name == "fault proxy"]


@pytest.fixture
def client(proxy):
    with closing(http.client.HTTPConnection(urlsplit(proxy.url).netloc, timeout=20)) as client:
        yield client
