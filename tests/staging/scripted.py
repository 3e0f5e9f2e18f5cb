"""A server that plays a script: HTTP as object stores speak it, and as they break it."""

from __future__ import annotations

import socket
import threading

from rootcellar.staging.stores.http.wire import Request


class Script:
    """A server that answers each request with the next of its answers, then closes."""

    def __init__(self, answers, tls=None):
        self.answers = list(answers)
        self.requests = []
        self.connections = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._tls = tls
        self._open = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self._open.append(connection)
            self.connections += 1
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection):
        try:
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with connection:
                while self.answers and (request := self._receive(connection)):
                    self.requests.append(request)
                    answer = self.answers.pop(0)
                    if callable(answer):
                        answer(connection)
                    else:
                        connection.sendall(answer)
        except OSError:
            pass

    def _receive(self, connection):
        received = b""
        while b"\r\n\r\n" not in received:
            part = connection.recv(65536)
            if not part:
                return b""
            received += part
        head, _, body = received.partition(b"\r\n\r\n")
        lengths = [
            int(line.partition(b":")[2])
            for line in head.split(b"\r\n")
            if b"content-length" in line
        ]
        while lengths and len(body) < lengths[0]:
            body += connection.recv(1024 * 1024)
        return head + b"\r\n\r\n" + body

    def close(self):
        self._socket.close()
        for connection in self._open:
            connection.close()


def get(wire, method="GET", body=b""):
    with wire.exchange(Request(method, "/x?a=b", {"host": "h"}, body)) as response:
        return response.status, response.headers, response.content()
