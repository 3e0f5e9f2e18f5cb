"""A server for many connections, for tests of many small exchanges."""

from __future__ import annotations

import socket
import threading


class Served:
    """A server that answers each request by a function of its path and body, on many connections.

    What the function gives is sent; None closes the connection.
    """

    def __init__(self, answer, tls=None):
        self.answer = answer
        self.connections = 0
        self.seen = []
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=100)
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
            self.connections += 1
            self._open.append(connection)
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection):
        try:
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with connection:
                received = b""
                while True:
                    while b"\r\n\r\n" not in received:
                        received += (part := connection.recv(1_000_000))
                        if not part:
                            return
                    head, _, received = received.partition(b"\r\n\r\n")
                    length = head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]
                    while len(received) < int(length or 0):
                        received += (part := connection.recv(1_000_000))
                        if not part:
                            return
                    body, received = received[: int(length or 0)], received[int(length or 0) :]
                    path = head.split(b" ")[1].decode()
                    self.seen.append(path)
                    answer = self.answer(path, body)
                    if answer is None:
                        return
                    for piece in [answer] if isinstance(answer, bytes) else answer:
                        connection.sendall(piece)
        except OSError:
            pass

    def close(self):
        self._socket.close()
        for connection in self._open:
            connection.close()
