"""Records: uids that sort by time, and sums over a run."""

import uuid
from datetime import UTC, datetime, timedelta
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st

from rootcellar.schemas.digest import Digest
from rootcellar.schemas.record import (
    InputRecord,
    OutputRecord,
    RunEnded,
    RunState,
    VersionRecord,
    new_uid,
    time_of,
)
from rootcellar.schemas.ref import Pin, Ref


def uid_at(nanoseconds):
    with mock.patch("time.time_ns", return_value=nanoseconds):
        return uuid.UUID(new_uid())


@given(st.integers(0, (1 << 48) * 10**6 - 1))
def test_a_uid_is_version_7(nanoseconds):
    """RFC 9562 5.7: 48 bits of milliseconds, version 7, variant 10; and then a fraction."""
    uid = uid_at(nanoseconds)

    assert (7, uuid.RFC_4122) == (uid.version, uid.variant)
    assert nanoseconds // 10**6 == uid.int >> 80
    assert nanoseconds % 10**6 * 4096 // 10**6 == uid.int >> 64 & 0xFFF


@given(st.integers(0, 2**60), st.integers(250, 2**60))
def test_a_later_uid_sorts_later(nanoseconds, gap):
    """As texts too, for times a quarter of a microsecond apart."""
    assert str(uid_at(nanoseconds)) < str(uid_at(nanoseconds + gap))


def test_uids_of_one_moment_differ():
    """62 random bits each, and every one of them moves."""
    uids = [uid_at(0).int for _ in range(2_000)]

    assert len(uids) == len(set(uids))
    assert all(len({uid >> bit & 1 for uid in uids}) == 2 for bit in range(62))


def test_the_text_is_canonical():
    """Thirty-six characters in lower case."""
    uid = new_uid()

    assert uid == str(uuid.UUID(uid))


def test_a_run_sums_what_it_moved():
    """Down for inputs, up for outputs; an absent input moves nothing."""
    ref = Ref(
        type="weather",
        key={},
        uri="raw://w",
        version=new_uid(),
        kind="file",
        digest=Digest.of(b""),
        size_bytes=0,
        pin=Pin(size_bytes=0),
    )
    now = datetime.now(UTC)
    version = VersionRecord(ref=ref, origin="run", media_type="text/plain", recorded_at=now)
    ended = RunEnded(
        uid=new_uid(),
        state=RunState.SUCCEEDED,
        ended_at=now,
        inputs=(
            InputRecord(argument="a", ordinal=0, version=version, transferred_bytes=3),
            InputRecord(argument="a", ordinal=1, version=version, transferred_bytes=4),
            InputRecord(argument="b", ordinal=0, version=None),
        ),
        outputs=(OutputRecord(argument="c", ordinal=0, version=version, transferred_bytes=5),),
    )

    assert (7, 5) == (ended.downloaded_bytes, ended.uploaded_bytes)


@given(st.integers(0, 2**47 * 1_000_000))
def test_a_uid_tells_when_it_was_made(nanoseconds):
    """To the microsecond, or one before: its fraction of a millisecond has twelve bits."""
    told = time_of(str(uid_at(nanoseconds)))
    microseconds = (told - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)

    assert microseconds in {nanoseconds // 1000, nanoseconds // 1000 - 1}
