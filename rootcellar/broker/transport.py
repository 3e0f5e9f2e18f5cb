"""The embedded broker: a kombu transport on a folder, for laptops, demos and tests.

No server. A message is delivered to one consumer, and goes back to its queue if that consumer is
killed before it acknowledged. So `task_acks_late` means here what it means on a real broker.
"""

# The stubs are narrower than kombu's transports are.
# mypy: disable-error-code="override,arg-type"

from __future__ import annotations

import logging
import time
from pathlib import Path
from queue import Empty
from typing import TYPE_CHECKING, Any

from celery.worker import state
from kombu.exceptions import ChannelError
from kombu.transport import TRANSPORT_ALIASES, virtual
from kombu.utils.json import dumps, loads

from rootcellar.broker.queues import Binding, QueueFolder
from rootcellar.schemas.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rootcellar.broker.queues import TakenMessage

__all__ = ["ALIAS", "Channel", "Transport", "broker_options", "register_broker"]

ALIAS = "cellarfs"
_ALIAS_TARGET = "rootcellar.broker.transport:Transport"
_POLLING_SECONDS = 0.05
_SLICE_SECONDS = 0.2

_log = logging.getLogger("rootcellar.broker")


def register_broker() -> None:
    """Make `cellarfs://` a broker URL. Safe to repeat."""
    TRANSPORT_ALIASES[ALIAS] = _ALIAS_TARGET


def broker_options(folder: Path) -> dict[str, Any]:
    """Return what `app.conf.update` needs to run on a folder, results included.

    Registers the alias too. The URLs name no host path but the result backend's, which has no
    other place for it.

    Args:
        folder: Made when first written to. All workers and callers name the same one.
    """
    register_broker()
    absolute = folder.absolute()
    return {
        "broker_url": f"{ALIAS}://localhost//",
        "broker_transport_options": {
            "folder": str(absolute / "broker"),
            "polling_interval": _POLLING_SECONDS,
        },
        "result_backend": f"rootcellar.broker.results:FileResults+file://{absolute / 'results'}",
        "result_chord_retry_interval": 0.1,
        # Without an event loop the worker looks at its timers once a second.
        "worker_timer_precision": 0.1,
    }


class _QoS(virtual.QoS):
    """Settles on disk what kombu settles in memory."""

    channel: Channel

    def ack(self, delivery_tag: str) -> None:
        self.channel.queues.settle(delivery_tag)
        super().ack(delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:  # noqa: FBT001, FBT002  kombu's signature
        if requeue:
            self.channel.queues.give_back(delivery_tag)
        else:
            self.channel.queues.settle(delivery_tag)
        super().ack(delivery_tag)


class Channel(virtual.Channel):
    """A kombu channel whose queues and exchange tables are files."""

    QoS = _QoS
    supports_fanout = True

    def __init__(self, connection: Transport, **kwargs: Any) -> None:
        super().__init__(connection, **kwargs)
        # The channel outlives its connection by what other threads still acknowledge.
        self.queues = connection.queues
        self._settled_at_once: set[str] = set()

    def _put(self, queue: str, message: dict[str, Any], **_kwargs: Any) -> None:
        priority = self._get_message_priority(message)
        try:
            self.queues.put(queue, dumps(message).encode(), priority)
        except OSError as error:
            raise ChannelError(f"cannot put a message on queue {queue!r}: {error}") from error

    def _put_fanout(
        self, exchange: str, message: dict[str, Any], _routing_key: str, **_kwargs: Any
    ) -> None:
        for queue in {binding.queue for binding in self.get_table(exchange)}:
            self._put(queue, message)

    def _get(self, queue: str, timeout: float | None = None) -> dict[str, Any]:  # noqa: ARG002  kombu's signature
        self.queues.sweep_if_due()
        while taken := self.queues.take(queue):
            message = self._read(queue, taken)
            if message is None:
                continue
            if queue in self._settled_at_once:
                self.queues.settle(taken.tag)
            return message
        raise Empty

    def _read(self, queue: str, taken: TakenMessage) -> dict[str, Any] | None:
        try:
            message: dict[str, Any] = loads(taken.payload)
            properties = message["properties"]
            properties["delivery_tag"] = taken.tag
            properties["delivery_info"]["redelivered"] = taken.redelivered
        except (ValueError, KeyError, TypeError):
            # Raised, it would end the worker, and the next one after it.
            aside = self.queues.refuse(taken.tag)
            _log.exception("A message of queue %s cannot be read; kept as %s", queue, aside.name)
            return None
        return message

    def _restore(self, message: virtual.Message) -> None:
        self.queues.give_back(message.delivery_tag)

    def basic_get(
        self,
        queue: str,
        no_ack: bool = False,  # noqa: FBT001, FBT002  kombu's signature
        **kwargs: Any,
    ) -> virtual.Message | None:
        """Return the first message, or None."""
        message: virtual.Message | None = super().basic_get(queue, no_ack=no_ack, **kwargs)
        if message is not None and no_ack:
            self.queues.settle(message.delivery_tag)
        return message

    def basic_consume(
        self,
        queue: str,
        no_ack: bool,  # noqa: FBT001  kombu's signature
        callback: Callable[..., Any],
        consumer_tag: str,
        **kwargs: Any,
    ) -> None:
        """Consume from a queue; with `no_ack` a message is settled as it is taken."""
        super().basic_consume(queue, no_ack, callback, consumer_tag, **kwargs)
        if no_ack:
            self._settled_at_once.add(queue)

    def basic_cancel(self, consumer_tag: str) -> None:
        """End a consumer."""
        self._settled_at_once.discard(self._tag_to_queue.get(consumer_tag, ""))
        super().basic_cancel(consumer_tag)

    def _new_queue(self, queue: str, *, auto_delete: bool = False, **_kwargs: Any) -> None:
        self.queues.create(queue, auto_delete=auto_delete)

    def _has_queue(self, queue: str, **_kwargs: Any) -> bool:
        return self.queues.exists(queue)

    def _size(self, queue: str) -> int:
        return self.queues.size(queue)

    def _purge(self, queue: str) -> int:
        return self.queues.purge(queue)

    def queue_delete(
        self,
        queue: str,
        if_unused: bool = False,  # noqa: ARG002, FBT001, FBT002  kombu's signature
        if_empty: bool = False,  # noqa: FBT001, FBT002  kombu's signature
        **_kwargs: Any,
    ) -> None:
        """Delete a queue, its messages and its bindings, whoever made them."""
        if if_empty and self._size(queue):
            return
        self.state.queue_bindings_delete(queue)
        self.queues.delete(queue)

    def get_table(self, exchange: str) -> list[Binding]:
        """Return what is bound to an exchange, by whichever process."""
        return self.queues.bindings(exchange)

    def _queue_bind(
        self, exchange: str, routing_key: str | None, pattern: str | None, queue: str
    ) -> None:
        self.queues.bind(exchange, Binding(routing_key or "", pattern or "", queue))

    def queue_unbind(
        self,
        queue: str,
        exchange: str | None = None,
        routing_key: str = "",
        arguments: dict[str, Any] | None = None,
        **_kwargs: Any,
    ) -> None:
        """Remove one binding."""
        exchange = exchange or "amq.direct"
        self.state.binding_delete(queue, exchange, routing_key)
        row = self.typeof(exchange).prepare_bind(queue, exchange, routing_key, arguments)
        self.queues.unbind(exchange, Binding(*(part or "" for part in row)))

    def exchange_delete(
        self,
        exchange: str,
        if_unused: bool = False,  # noqa: FBT001, FBT002  kombu's signature
        nowait: bool = False,  # noqa: FBT001, FBT002  kombu's signature
    ) -> None:
        """Delete an exchange, its bindings and the queues it left empty."""
        super().exchange_delete(exchange, if_unused=if_unused, nowait=nowait)
        self.queues.delete_exchange(exchange)


class Transport(virtual.Transport):
    """The embedded broker. Options: `folder`, `polling_interval` in seconds.

    Raises:
        SettingsError: Neither the option nor the path of the URL names a folder.
    """

    Channel = Channel
    implements = virtual.Transport.implements.extend(
        exchange_type=frozenset(["direct", "topic", "fanout"])
    )
    polling_interval = _POLLING_SECONDS
    default_port = 0
    driver_type = "filesystem"
    driver_name = ALIAS

    def __init__(self, client: Any, **kwargs: Any) -> None:
        super().__init__(client, **kwargs)
        self.queues = QueueFolder(_folder_of(client))

    def drain_events(
        self, connection: Transport, timeout: float | None = None, **kwargs: Any
    ) -> None:
        """Hand out what comes; return early, as after the timeout, in a worker told to stop.

        Without an event loop a worker waits here for two seconds at a time, and would notice no
        sooner.
        """
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            left = _SLICE_SECONDS if end is None else max(end - time.monotonic(), 0.001)
            try:
                return super().drain_events(connection, min(left, _SLICE_SECONDS), **kwargs)
            except TimeoutError:
                is_over = end is not None and time.monotonic() >= end
                if is_over or _worker_is_stopping():
                    raise

    def driver_version(self) -> str:
        """Return nothing that could be compared: it comes with this package."""
        return "N/A"

    def close_connection(self, connection: Transport) -> None:
        """Give back what is not acknowledged, and end."""
        super().close_connection(connection)
        self.queues.close()


def _worker_is_stopping() -> bool:
    # The exit code it is to stop with; 0 is one.
    return state.should_stop is not None and state.should_stop is not False


def _folder_of(client: Any) -> Path:
    folder = client.transport_options.get("folder")
    if folder:
        return Path(folder)
    path = (client.virtual_host or "").strip("/")
    if not path:
        raise SettingsError(
            "the embedded broker has no folder",
            remedy=f"Update the app's configuration with broker_options(folder), or name an "
            f"absolute path in the broker URL, such as {ALIAS}:///var/tmp/broker",
        )
    return Path("/", path)
