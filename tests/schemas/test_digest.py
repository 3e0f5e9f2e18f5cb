"""Digest: the identity of bytes, always with its algorithm."""

import copy
import hashlib
import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from rootcellar.schemas.digest import Digest

SIXTY_FOUR = "0123456789abcdef" * 4


class Holder(BaseModel):
    digest: Digest


@given(st.lists(st.binary()))
def test_chunks_do_not_matter(chunks):
    """The digest of a stream is that of its bytes, however they are cut."""
    whole = b"".join(chunks)

    expected = f"sha256:{hashlib.sha256(whole).hexdigest()}"
    assert expected == Digest.of(*chunks) == Digest.of_stream(iter(chunks)) == Digest.of(whole)


def test_its_parts():
    """Algorithm, digits, and twelve of them for people."""
    digest = Digest(f"sha256:{SIXTY_FOUR}")

    assert ("sha256", SIXTY_FOUR, SIXTY_FOUR[:12]) == (digest.algorithm, digest.hex, digest.short)


@pytest.mark.parametrize(
    "text",
    [
        "",
        SIXTY_FOUR,
        f"sha256:{SIXTY_FOUR[:-1]}",
        f"sha256:{SIXTY_FOUR}0",
        f"sha256:{SIXTY_FOUR.upper()}",
        f"sha256:{SIXTY_FOUR}\n",
        f" sha256:{SIXTY_FOUR}",
        f"SHA256:{SIXTY_FOUR}",
        f"md5:{SIXTY_FOUR[:32]}",
        f"sha256:{'٣' * 64}",
    ],
)
def test_anything_else_is_refused(text):
    """No other algorithm, length, case or alphabet; the message says what was expected."""
    with pytest.raises(ValueError, match=r"not a digest: .*expected 'sha256:'"):
        Digest(text)


@pytest.mark.parametrize(
    "journey",
    [
        lambda d: pickle.loads(pickle.dumps(d)),
        copy.deepcopy,
        lambda d: Digest(json.loads(json.dumps(d))),
        lambda d: Holder.model_validate_json(Holder(digest=d).model_dump_json()).digest,
    ],
)
def test_it_stays_a_digest(journey):
    """Pickled, copied, through JSON and through a model."""
    digest = Digest.of(b"x")

    arrived = journey(digest)

    assert digest == arrived
    assert Digest is type(arrived)


def test_a_model_refuses_what_is_none():
    """A field of this type checks its text."""
    with pytest.raises(ValidationError, match="not a digest"):
        Holder(digest="sha256:")


def test_bytes_that_were_never_read_have_a_stand_in():
    """Equal for one state of one object and different for any other; it says that it is none."""
    one = Digest.unread("raw://a", "etag:e")

    assert one == Digest.unread("raw://a", "etag:e") == Digest(str(one))
    assert one not in {Digest.unread("raw://a", "etag:f"), Digest.unread("raw://b", "etag:e")}
    assert one.is_unread
    assert not Digest.of(b"x").is_unread
