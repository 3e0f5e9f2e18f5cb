"""What is visible of an output while the way to the store does not hold."""

from __future__ import annotations

import random

import pytest

from rootcellar.schemas.errors import AccessDenied, StoreError, StoreUnavailable
from rootcellar.testing import Fault, Match

PART_BYTES = 5 * 1024 * 1024  # as the fixtures set it
SMALL = random.Random(1).randbytes(200_000)
BIG = random.Random(2).randbytes(2 * PART_BYTES + 1000)
CONTENTS = {"one request": SMALL, "three parts": BIG}

PUT = Match(method="PUT", query="")
CREATE = Match(method="POST", query="uploads*")
PART = Match(method="PUT", query="*partNumber=2*")
COMPLETE = Match(method="POST", query="uploadId=*")
ABORT = Match(method="DELETE")
STEPS = {"put": (PUT, SMALL), "create": (CREATE, BIG), "part": (PART, BIG),
         "complete": (COMPLETE, BIG)}  # fmt: skip


@pytest.mark.parametrize("size", CONTENTS)
def test_without_faults_an_output_is_published(bench, size):
    """Whole, and nothing else is there."""
    (published,) = bench.publish(("a", CONTENTS[size]))

    assert CONTENTS[size] == bench.get("a")
    assert bench.store.stat(f"{bench.prefix}/a") == published.pin


ONCE = {
    "500": Fault.status(500),
    "503": Fault.status(503),
    "reset": Fault.reset(),
    "reset in the request": Fault.reset(after_bytes=50, of="request"),
    "closed": Fault.cut(),
    "stall": Fault.stall(),
}


@pytest.mark.parametrize("fault", ONCE)
@pytest.mark.parametrize("step", STEPS)
def test_what_fails_once_is_tried_again(bench, step, fault, way):
    """That request alone, and what is published is whole."""
    when, content = STEPS[step]
    if way == "s3fs" and (step, fault) in {("put", "stall"), ("part", "stall")}:
        pytest.skip("it waits for the word to go on without a limit of its own")
    if step == "create" and fault == "reset in the request":
        pytest.skip("it has no body")
    bench.proxy.add(ONCE[fault], when=when)

    bench.publish(("a", content))

    assert content == bench.get("a")
    assert 2 == len(bench.proxy.matching(when))
    for number in (1, 3) if content is BIG else ():
        assert 1 == len(bench.proxy.matching(Match(query=f"*partNumber={number}*")))


@pytest.mark.parametrize(
    ("step", "fault"),
    [(step, fault) for step in STEPS for fault in ("503", "reset")] + [("complete", "stall")],
)
def test_what_fails_for_ever_is_a_transient_error(bench, step, fault):
    """After some tries; nothing is visible, and parts are given up."""
    when, content = STEPS[step]
    bench.proxy.add(ONCE[fault], when=when, times=None)

    with pytest.raises(StoreUnavailable) as raised:
        bench.publish(("a", content))

    assert raised.value.transient
    assert bench.uri("a") == raised.value.uri
    assert [] == bench.keys()
    assert len(bench.proxy.matching(when)) <= MOST_TRIES


MOST_TRIES = 10


@pytest.mark.parametrize("step", STEPS)
def test_a_refusal_leaves_nothing(bench, step):
    """403 is an answer, and is not tried again."""
    when, content = STEPS[step]
    bench.proxy.add(Fault.status(403), when=when, times=None)

    with pytest.raises(AccessDenied):
        bench.publish(("a", content))

    assert [] == bench.keys()
    assert 1 == len(bench.proxy.matching(when))


def test_an_error_that_says_200_is_tried_again(bench):
    """S3 may begin its answer to a completion before it knows how that ends."""
    bench.proxy.add(Fault.status(200, code="InternalError"), when=COMPLETE)

    bench.publish(("a", BIG))

    assert BIG == bench.get("a")
    assert 2 == len(bench.proxy.matching(COMPLETE))


def test_an_error_that_says_200_is_an_error(bench):
    """It is never taken for success."""
    bench.proxy.add(Fault.status(200, code="InternalError"), when=COMPLETE, times=None)

    with pytest.raises(StoreUnavailable):
        bench.publish(("a", BIG))

    assert [] == bench.keys()


def test_a_slow_request_goes_on(bench):
    """Slow is not broken."""
    bench.proxy.add(Fault.slow(len(SMALL), of="request"), when=PUT)

    bench.publish(("a", SMALL))

    assert SMALL == bench.get("a")


def test_a_lost_reply_to_a_put(bench):
    """The same bytes are put again: one object, whole; a versioned bucket keeps both."""
    bench.proxy.add(Fault.lose_reply(), when=PUT)

    bench.publish(("a", SMALL))

    assert SMALL == bench.get("a")
    assert 2 == len(bench.proxy.matching(PUT))


def test_lost_replies_to_all_puts(bench):
    """The run fails, with a transient error, though the object is there: whole."""
    bench.proxy.add(Fault.lose_reply(), when=PUT, times=None)

    with pytest.raises(StoreUnavailable):
        bench.publish(("a", SMALL))

    assert SMALL == bench.get("a")


def test_a_lost_reply_to_a_completion(bench):
    """It is tried again, and what is visible is whole, whatever the second answer is."""
    bench.proxy.add(Fault.lose_reply(), when=COMPLETE)

    try:
        bench.publish(("a", BIG))
    except StoreUnavailable as error:
        outcome = error
    else:
        outcome = None

    assert outcome is None or outcome.transient
    assert BIG == bench.get("a")


def test_a_lost_reply_to_a_part(bench):
    """The part is sent again, alone."""
    bench.proxy.add(Fault.lose_reply(), when=PART)

    bench.publish(("a", BIG))

    assert BIG == bench.get("a")
    assert 4 == len(bench.proxy.matching(Match(query="*partNumber=*")))


def test_a_lost_reply_to_a_beginning(bench):
    """A second upload is begun, and published; the first is left to the bucket's lifecycle rule."""
    bench.proxy.add(Fault.lose_reply(), when=CREATE)

    bench.publish(("a", BIG))

    assert BIG == bench.get("a")
    ((key, upload_id),) = bench.open_uploads()
    bench.abort(key, upload_id)


def test_a_lost_reply_to_an_abort(bench):
    """The parts are gone, and the error that led to it is the one that is raised."""
    bench.proxy.add(Fault.status(403), when=PART, times=None)
    bench.proxy.add(Fault.lose_reply(), when=ABORT)

    with pytest.raises(AccessDenied):
        bench.publish(("a", BIG))

    assert [] == bench.keys()


def test_an_abort_that_is_refused(bench, caplog):
    """What led to it is raised; that parts stay behind is logged; nothing becomes visible."""
    bench.proxy.add(Fault.status(503), when=PART, times=None)
    bench.proxy.add(Fault.status(403), when=ABORT, times=None)

    with pytest.raises(StoreUnavailable):
        bench.publish(("a", BIG))

    assert "stay behind" in caplog.text
    assert [] == bench.keys()
    ((key, upload_id),) = bench.open_uploads()
    bench.abort(key, upload_id)


def test_an_upload_that_was_aborted_behind_our_back(bench):
    """By a lifecycle rule between the last part and the completion: an error, nothing visible."""

    def abort():
        ((key, upload_id),) = bench.open_uploads()
        bench.abort(key, upload_id)

    bench.proxy.add(Fault.before(abort), when=COMPLETE)

    with pytest.raises(StoreUnavailable):
        bench.publish(("a", BIG))

    assert [] == bench.keys()


@pytest.mark.parametrize("step", ["put", "complete"])
@pytest.mark.parametrize("status", [409, 412])
def test_a_conflict_leaves_nothing(bench, step, status):
    """Today nothing is conditional; an answer that says so is an error and no success."""
    when, content = STEPS[step]
    bench.proxy.add(Fault.status(status), when=when, times=None)

    with pytest.raises(StoreError):
        bench.publish(("a", content))

    assert [] == bench.keys()


@pytest.mark.parametrize("refused", [0, 1, 2])
def test_one_refused_of_several_outputs_leaves_nothing(bench, refused):
    """While they are transferred: no output is visible."""
    bench.proxy.add(Fault.status(403), when=Match(method="P*", key=f"*/{refused}"), times=None)

    with pytest.raises(AccessDenied):
        bench.publish(*((key, BIG[: PART_BYTES + 1]) for key in ("0", "1", "2")))

    assert [] == bench.keys()


def test_a_refusal_of_one_publication_of_several(bench):
    """Small files are sent when they are published, side by side: the others may be visible."""
    bench.proxy.add(Fault.status(403), when=Match(method="PUT", key="*/1"), times=None)

    with pytest.raises(AccessDenied):
        bench.publish(("0", SMALL), ("1", SMALL), ("2", SMALL))

    visible = bench.keys()
    assert "1" not in visible
    assert all(SMALL == bench.get(key) for key in visible)


def test_a_failed_output_can_be_published_again(bench):
    """By the next run."""
    bench.proxy.add(Fault.status(503), when=PART, times=3)
    with pytest.raises(StoreUnavailable):
        bench.publish(("a", BIG))
    bench.proxy.clear()

    bench.publish(("a", BIG))

    assert BIG == bench.get("a")


@pytest.mark.parametrize("seed", range(3))
def test_a_bad_day_is_survived_or_said(bench, seed):
    """Whatever happens at random, what is visible is whole, or nothing is."""
    bench.put("a", b"before")
    # Not what breaks off after the request: a beginning whose reply is lost leaves an upload.
    faults = [ONCE[name] for name in ("500", "503", "reset", "closed")]
    bench.proxy.scatter(faults, rate=0.4, seed=seed, when=Match(method="P*"))

    try:
        bench.publish(("a", BIG))
    except StoreUnavailable:
        assert b"before" == bench.get("a")
    else:
        assert BIG == bench.get("a")
