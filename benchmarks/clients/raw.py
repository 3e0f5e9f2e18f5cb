"""The limit: keep-alive sockets, one reused buffer each, no signature, no library."""

from __future__ import annotations

import os
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.place import Item, Place

CONNECTIONS = 4
RANGE = 16 * 1024 * 1024
BUFFER = 1024 * 1024


class Wire:
    """One connection that stays open."""

    def __init__(self, place: Place) -> None:
        self._socket = socket.create_connection(("127.0.0.1", place.port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._bucket = place.bucket
        self._buffer = memoryview(bytearray(BUFFER))

    def get(self, key: str, start: int, end: int, file: int) -> None:
        """Write one range to its place in a file."""
        self._socket.sendall(
            f"GET /{self._bucket}/{key} HTTP/1.1\r\nHost: x\r\n"
            f"Range: bytes={start}-{end - 1}\r\n\r\n".encode()
        )
        filled, body = self._head(b"206")
        at = start + os.pwrite(file, self._buffer[body:filled], start)
        while at < end:
            count = self._socket.recv_into(self._buffer[: min(BUFFER, end - at)])
            if not count:
                raise ConnectionError("cut off")
            at += os.pwrite(file, self._buffer[:count], at)

    def send(self, method: str, target: str, file: int = -1, start: int = 0, end: int = 0) -> str:
        """Send a range of a file, and return the head and body of the answer."""
        self._socket.sendall(
            f"{method} /{self._bucket}/{target} HTTP/1.1\r\nHost: x\r\n"
            f"Content-Length: {end - start}\r\n\r\n".encode()
        )
        while start < end:
            start += os.sendfile(self._socket.fileno(), file, start, end - start)
        return self._answer()

    def post(self, target: str, body: bytes = b"") -> str:
        """Send a small body."""
        head = f"POST /{self._bucket}/{target} HTTP/1.1\r\nHost: x\r\n"
        self._socket.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        return self._answer()

    def _answer(self) -> str:
        filled, body = self._head(b"200")
        head = bytes(self._buffer[:body]).decode().lower()
        length = int(head.partition("content-length:")[2].partition("\r")[0])
        while filled < body + length:
            filled += self._socket.recv_into(self._buffer[filled:])
        return bytes(self._buffer[:filled]).decode()

    def _head(self, status: bytes) -> tuple[int, int]:
        """Read until the head is whole; return what is filled and where the body begins."""
        filled = 0
        while True:
            count = self._socket.recv_into(self._buffer[filled : filled + 65536])
            if not count:
                raise ConnectionError("cut off")
            filled += count
            found = bytes(self._buffer[:filled]).find(b"\r\n\r\n")
            if found >= 0:
                break
        if bytes(self._buffer[9:12]) != status:
            raise ConnectionError(bytes(self._buffer[:filled]).decode("latin-1"))
        return filled, found + 4


class Raw:
    def __init__(self, place: Place) -> None:
        self._wires: SimpleQueue[Wire] = SimpleQueue()
        for _ in range(CONNECTIONS):
            self._wires.put(Wire(place))
        self._pool = ThreadPoolExecutor(CONNECTIONS)
        list(self._pool.map(lambda _: None, range(CONNECTIONS)))

    def download(self, items: list[Item]) -> None:
        for item in items:
            Path(item.target).parent.mkdir(parents=True, exist_ok=True)
        if len(items) > 1:
            list(self._pool.map(self._fetch, items))
            return
        item = items[0]
        file = os.open(item.target, os.O_WRONLY | os.O_CREAT, 0o600)
        os.ftruncate(file, item.size)
        list(self._pool.map(lambda at: self._range(item, file, at), range(0, item.size, RANGE)))
        os.close(file)

    def upload(self, items: list[Item]) -> None:
        if len(items) > 1:
            list(self._pool.map(self._put, items))
            return
        item = items[0]
        wire = self._wires.get()
        upload = wire.post(f"{item.key}?uploads").partition("<UploadId>")[2].partition("<")[0]
        self._wires.put(wire)
        starts = range(0, item.size, RANGE)
        etags = self._pool.map(lambda at: self._part(item, upload, at), starts)
        parts = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"
            for number, etag in enumerate(etags, 1)
        )
        body = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()
        self._wires.get().post(f"{item.key}?uploadId={upload}", body)

    def _range(self, item: Item, file: int, start: int) -> None:
        wire = self._wires.get()
        wire.get(item.key, start, min(start + RANGE, item.size), file)
        self._wires.put(wire)

    def _fetch(self, item: Item) -> None:
        wire = self._wires.get()
        file = os.open(item.target, os.O_WRONLY | os.O_CREAT, 0o600)
        wire.get(item.key, 0, item.size, file)
        os.close(file)
        self._wires.put(wire)

    def _put(self, item: Item) -> None:
        wire = self._wires.get()
        file = os.open(item.source, os.O_RDONLY)
        wire.send("PUT", item.key, file, 0, item.size)
        os.close(file)
        self._wires.put(wire)

    def _part(self, item: Item, upload: str, start: int) -> str:
        wire = self._wires.get()
        file = os.open(item.source, os.O_RDONLY)
        number = start // RANGE + 1
        target = f"{item.key}?partNumber={number}&uploadId={upload}"
        answer = wire.send("PUT", target, file, start, min(start + RANGE, item.size))
        os.close(file)
        self._wires.put(wire)
        return answer.lower().partition("etag: ")[2].partition("\r")[0]
