"""A minimal S3 on the loopback that is faster than its clients: Debian's nginx and a page of Lua.

    python -m benchmarks.server            # prints the endpoint, serves until Ctrl-C
    python -m benchmarks.server --port 9000 --bucket weather

In Python:

    with ObjectServer() as server:         # its bucket is made already
        s3fs.S3FileSystem(endpoint_url=server.endpoint, key="k", secret="s")

nginx writes each body to a file in memory (/dev/shm) and sends it from there by sendfile; Lua only
names, renames and answers. Path style; any signature, or none; conditions on reads and writes;
ranges, multipart, copies, paged listings. Not here: versions, user metadata, MD5 etags, keys that
are no paths (`a//b`, `a/`), and a key below another (`a` and `a/b`).

Completing a multipart upload renames a folder, whatever its size. The first read of such an object
joins its parts, once: read it once before measuring reads of it, or store it by a single PUT.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import http.client
import os
import shutil
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.processes import NotStartedError, end_group, free_port, start, wait_for_port

if TYPE_CHECKING:
    import subprocess
    from types import TracebackType
    from typing import Self

__all__ = ["BUCKET", "ObjectServer", "memory_folder", "why_not"]

BUCKET = "bench"
CODE = Path(__file__).resolve().parent / "server"
INSTALL = "apt-get install --no-install-recommends nginx libnginx-mod-http-lua"
MODULE_FOLDERS = ("/usr/lib/nginx/modules", "/usr/lib64/nginx/modules")
PREFIX = "rootcellar-bench-"
START_SECONDS = 10.0


def why_not() -> str:
    """Return why the server cannot run here, with what to install; empty if it can."""
    if _nginx() is None:
        return f"nginx is not installed: {INSTALL}"
    if _modules() is None:
        return f"nginx has no Lua module: {INSTALL}"
    return ""


def memory_folder() -> Path:
    """Return a new folder in memory, and remove those of benchmarks that were killed.

    A folder is alive as long as somebody holds the lock on the file `alive` in it.
    """
    place = Path("/dev/shm")
    if not os.access(place, os.W_OK):
        place = Path(tempfile.gettempdir())
    for old in place.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError), (old / "alive").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(old, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))


class ObjectServer:
    """The server with one empty bucket, in a process group of its own. A context manager.

    Its end, and also the death of this process, ends all of it and frees its memory.

    Args:
        port: 0 for any that is free.
        workers: Processes that serve. The kernel deals new connections to them by chance; with many
            of them, few connections seldom share one and leave a core idle.
    """

    def __init__(self, *, port: int = 0, workers: int = 8, bucket: str = BUCKET) -> None:
        self.port = port
        self.bucket = bucket
        self._workers = workers
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        if reason := why_not():
            raise NotStartedError(reason)
        self.root = memory_folder()
        self._alive = (self.root / "alive").open("wb")
        fcntl.flock(self._alive, fcntl.LOCK_EX)
        try:
            self._start()
            self.request("PUT", f"/{self.bucket}")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def endpoint(self) -> str:
        """Where it listens, as clients want it."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def objects(self) -> Path:
        """The folder of the bucket. Objects that were stored by one PUT are plain files in it."""
        return self.root / "buckets" / self.bucket

    def cpu_seconds(self) -> float:
        """Return the processor time that all its processes took so far."""
        ticks = 0
        for pid in self._pids():
            fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def log(self) -> str:
        """Return what it complained of, and which clients framed their bodies."""
        path = self.root / "error.log"
        return path.read_text("utf-8", errors="replace") if path.exists() else ""

    def request(self, method: str, path: str, body: bytes = b"") -> bytes:
        """Return the body of the answer to one request.

        Raises:
            NotStartedError: The status was not one of success.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body=body)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if answer.status >= http.client.BAD_REQUEST:
            raise NotStartedError(f"{method} {path} was answered by {answer.status}")
        return content

    def clear(self) -> None:
        """Empty the bucket and forget uploads, so that the next run has all the memory."""
        for name in ("buckets", "parts", "uploads", "lists"):
            for child in (self.root / name).iterdir():
                shutil.rmtree(child) if child.is_dir() else child.unlink()
        self.request("PUT", f"/{self.bucket}")

    def close(self) -> None:
        """End it and free its memory. Safe to repeat."""
        if self._process is not None:
            end_group(self._process)
            self._process = None
        self._alive.close()
        shutil.rmtree(self.root, ignore_errors=True)

    def _start(self) -> None:
        for _ in range(3):
            # Somebody else may take a free port before nginx does; then another is tried.
            port = self.port or free_port()
            config = self._write_config(port)
            log = self.root / "start.log"
            command = [str(_nginx()), "-e", str(self.root / "error.log"), "-c", str(config)]
            self._process = start(command, log)
            if wait_for_port(self._process, port, START_SECONDS):
                self.port = port
                return
            end_group(self._process)
        raise NotStartedError(f"nginx did not start: {log.read_text('utf-8')}")

    def _write_config(self, port: int) -> Path:
        filled = {
            # Only root may, and must, say whose files the workers may write.
            "user": "user root;" if os.geteuid() == 0 else "",
            "workers": self._workers,
            "root": self.root,
            "modules": _modules(),
            "code": CODE,
            "port": port,
        }
        text = (CODE / "nginx.conf").read_text("utf-8")
        for name, value in filled.items():
            text = text.replace(f"%{{{name}}}%", str(value))
        path = self.root / "nginx.conf"
        path.write_text(text, "utf-8")
        return path

    def _pids(self) -> list[int]:
        if self._process is None:
            return []
        master = self._process.pid
        listed = Path(f"/proc/{master}/task/{master}/children").read_text("utf-8").split()
        return [master, *map(int, listed)]


def _nginx() -> str | None:
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def _modules() -> Path | None:
    for folder in map(Path, MODULE_FOLDERS):
        if (folder / "ngx_http_lua_module.so").exists():
            return folder
    return None


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description="A minimal S3 on the loopback, in memory.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--bucket", default=BUCKET)
    parser.add_argument("--workers", type=int, default=8)
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    with (
        contextlib.suppress(KeyboardInterrupt),
        ObjectServer(port=asked.port, bucket=asked.bucket, workers=asked.workers) as server,
    ):
        print(f"endpoint {server.endpoint} bucket {server.bucket} (any key and secret)", flush=True)
        signal.pause()


if __name__ == "__main__":
    main()
