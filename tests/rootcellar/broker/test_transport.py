"""The embedded broker, by kombu and under real worker processes."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from kombu import Connection, Exchange, Producer, Queue
from kombu.exceptions import ChannelError

from rootcellar.broker import broker_options, register_broker
from rootcellar.schemas.errors import SettingsError

LIMIT_SECONDS = 60


def wait_until(condition):
    deadline = time.monotonic() + LIMIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


@pytest.fixture
def connect(tmp_path):
    register_broker()
    opened = []

    def open_connection():
        options = {"folder": str(tmp_path / "broker"), "polling_interval": 0.01}
        connection = Connection("cellarfs://localhost//", transport_options=options)
        opened.append(connection)
        return connection

    yield open_connection
    for connection in opened:
        connection.release()


def test_rejected_message_comes_back_marked(connect):
    """A message that is rejected to be requeued is delivered again, and says so."""
    queue = connect().SimpleQueue("jobs")
    queue.put({"n": 1})
    first = queue.get(timeout=5)
    first.requeue()
    again = queue.get(timeout=5)

    assert not first.delivery_info["redelivered"]
    assert again.delivery_info["redelivered"]
    assert again.payload == {"n": 1}


def test_acknowledged_and_rejected_messages_are_gone(connect, tmp_path):
    """Nothing is left on disk of a message that is done."""
    queue = connect().SimpleQueue("jobs")
    for number in range(2):
        queue.put(number)
    queue.get(timeout=5).ack()
    queue.get(timeout=5).reject()
    kept = [path for path in tmp_path.rglob("*.0") if path.is_file()]

    assert kept == []


def test_message_taken_without_acknowledgement_is_gone(connect):
    """A consumer that acknowledges nothing gets each message once."""
    queue = connect().SimpleQueue("jobs")
    queue.put(1)
    message = queue.consumer.channel.basic_get("jobs", no_ack=True)
    queue.close()
    waiting = connect().SimpleQueue("jobs").qsize()

    assert message.decode() == 1
    assert waiting == 0


def test_consumer_without_acknowledgement_is_not_asked_again(connect):
    """What was delivered to a consumer that acknowledges nothing is done, however it ends."""
    reader = connect()
    queue = reader.SimpleQueue("jobs", no_ack=True)
    queue.put(1)
    message = queue.get(timeout=5)
    reader.release()

    assert message.payload == 1
    assert connect().SimpleQueue("jobs").qsize() == 0


TAKE_AND_WAIT = """
import sys, time
from pathlib import Path
from rootcellar.broker.queues import QueueFolder
queues = QueueFolder(Path(sys.argv[1]))
queues.take("jobs")
print(flush=True)
time.sleep(600)
"""


def test_waiting_consumer_gets_what_a_killed_one_held(connect, tmp_path):
    """A consumer that waits already is delivered what another held when it was killed."""
    queue = connect().SimpleQueue("jobs")
    queue.put("held")
    command = [sys.executable, "-c", TAKE_AND_WAIT, str(tmp_path / "broker")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        with pytest.raises(queue.Empty):
            queue.get(timeout=0.1)
        other.kill()
    message = queue.get(timeout=LIMIT_SECONDS)

    assert message.payload == "held"
    assert message.delivery_info["redelivered"]


def test_closed_connection_gives_back(connect):
    """What a connection took and did not acknowledge waits for others when it closes."""
    first, second = connect(), connect()
    first.SimpleQueue("jobs").put("work")
    first.SimpleQueue("jobs").get(timeout=5)
    taken = second.SimpleQueue("jobs").qsize()
    first.release()
    message = second.SimpleQueue("jobs").get(timeout=5)

    assert taken == 0
    assert message.payload == "work"
    assert message.delivery_info["redelivered"]


def test_prefetch_limit_holds(connect):
    """A consumer with a limit of one gets no second message before it acknowledged."""
    connection = connect()
    queue = connection.SimpleQueue("jobs")
    for number in range(3):
        queue.put(number)
    queue.consumer.qos(prefetch_count=1)
    message = queue.get(timeout=5)
    with pytest.raises(queue.Empty):
        queue.get(timeout=0.1)
    message.ack()

    assert queue.get(timeout=5).payload == 1


def test_fanout_reaches_every_process(connect):
    """Each queue bound to a fanout exchange gets a copy, whoever bound it."""
    exchange = Exchange("news", type="fanout", durable=False)
    readers = [connect(), connect()]
    queues = [
        Queue(f"reader-{number}", exchange, auto_delete=True)(reader.default_channel)
        for number, reader in enumerate(readers)
    ]
    for queue in queues:
        queue.declare()
    Producer(connect().default_channel, exchange=exchange).publish("hello", declare=[exchange])

    assert [queue.get().decode() for queue in queues] == ["hello", "hello"]


def test_queue_for_one_connection_goes_with_it(connect):
    """Broadcasts to a reader that left are not kept for its next namesake."""
    exchange = Exchange("news", type="fanout", durable=False)
    reader = connect()
    Queue("reader", exchange, auto_delete=True)(reader.default_channel).declare()
    reader.release()
    Producer(connect().default_channel, exchange=exchange).publish("stale", declare=[exchange])
    namesake = Queue("reader", exchange, auto_delete=True)(connect().default_channel)
    namesake.declare()

    assert namesake.get() is None


@pytest.mark.parametrize(
    ("bound", "sent", "arrives"),
    [
        ("a.b", "a.b", True),
        ("a.*", "a.b", True),
        ("a.*", "a.b.c", False),
        ("#.c", "a.b.c", True),
    ],
)
def test_topic_exchange_routes_by_pattern(connect, bound, sent, arrives):
    """A topic exchange matches words, `*` and `#`."""
    exchange = Exchange("topics", type="topic")
    queue = Queue("topical", exchange, routing_key=bound)(connect().default_channel)
    queue.declare()
    Producer(connect().default_channel, exchange=exchange).publish(
        "x", routing_key=sent, declare=[exchange]
    )

    assert (queue.get() is not None) is arrives


def test_unbound_queue_gets_nothing_more(connect):
    """Unbinding holds for publishers of other connections."""
    exchange = Exchange("direct-news", type="direct")
    queue = Queue("reader", exchange, routing_key="key")(connect().default_channel)
    queue.declare()
    queue.unbind_from(exchange, routing_key="key")
    Producer(connect().default_channel, exchange=exchange).publish(
        "x", routing_key="key", declare=[exchange]
    )

    assert queue.get() is None


def test_deleted_queue_is_unknown(connect):
    """A queue that any connection deleted is gone for passive declarations."""
    queue = Queue("brief")(connect().default_channel)
    queue.declare()
    Queue("brief")(connect().default_channel).delete()

    with pytest.raises(ChannelError, match="NOT_FOUND"):
        queue.queue_declare(passive=True)


def test_higher_priority_goes_first(connect):
    """Of waiting messages the one of highest priority is delivered first."""
    queue = connect().SimpleQueue("jobs")
    for priority in (0, 9, 5):
        queue.put(priority, priority=priority)

    assert [queue.get(timeout=5).payload for _ in range(3)] == [9, 5, 0]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"properties": {}}', b"\xff"])
def test_unreadable_message_is_put_aside(connect, tmp_path, caplog, content):
    """A file nobody can read ends no consumer, is kept, and the next message is delivered."""
    queue = connect().SimpleQueue("jobs")
    queue.put("good")
    (tmp_path / "broker" / "queues" / "jobs" / "0-bad.0").write_bytes(content)
    message = queue.get(timeout=5)

    assert message.payload == "good"
    assert (tmp_path / "broker" / "refused" / "jobs" / "0-bad.0").read_bytes() == content
    assert "cannot be read" in caplog.text


def test_full_disk_is_the_publishers_error(connect, monkeypatch):
    """A message that cannot be written is an error for who sends it."""
    connection = connect()
    queue = connection.SimpleQueue("jobs")

    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", refuse)

    with pytest.raises(ChannelError, match=r"'jobs'.*No space left"):
        queue.put("lost?")


def test_folder_by_url(tmp_path):
    """An absolute path in the URL names the folder."""
    register_broker()
    register_broker()
    with Connection(f"cellarfs://{tmp_path}/from url") as connection:
        connection.SimpleQueue("jobs").put(1)

    assert (tmp_path / "from url" / "queues" / "jobs").is_dir()


def test_no_folder_is_a_clear_error():
    """Without a folder the first use names the remedy."""
    register_broker()

    with pytest.raises(SettingsError, match="broker_options"):
        Connection("cellarfs://localhost//").connect()


def test_broker_url_names_no_path(tmp_path):
    """What Celery logs at its start holds no path of this host."""
    options = broker_options(tmp_path)

    assert str(tmp_path) not in options["broker_url"]
