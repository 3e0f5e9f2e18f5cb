"""What S3 answers, and what servers that only look like it answer, by both ways into a bucket."""

from __future__ import annotations

import pytest

from rootcellar.schemas.errors import AccessDenied, ObjectChanged, StoreError, StoreUnavailable
from rootcellar.schemas.ref import Pin
from rootcellar.staging import Stores
from rootcellar.staging.stores.s3.over_s3fs import S3Store

PART = {"ETag": '"e"', "Content-Range": "bytes 5-9/10"}
PINNED = Pin(size_bytes=10, etag="e")


@pytest.fixture(params=[True, False], ids=["direct", "s3fs"])
def store(request, served):
    options = {
        "key": "k",
        "secret": "s",
        "endpoint_url": served.endpoint,
        "client_kwargs": {"region_name": "us-east-1"},
        "direct": request.param,
    }
    stores = Stores.from_mapping({"raw": {"url": "s3://bucket/root", "options": options}})
    return stores.named("raw")


def listing(*keys, size="5", more=""):
    tags = "<ETag>&quot;e&quot;</ETag>" + (f"<Size>{size}</Size>" if size else "")
    items = "".join(f"<Contents><Key>{key}</Key>{tags}</Contents>" for key in keys)
    return (200, {}, f"<ListBucketResult>{more}{items}</ListBucketResult>".encode())


def test_the_part_that_was_asked_for_is_taken(served, store):
    """As S3 answers, so that what is refused below is refused for the one thing that differs."""
    served.answers = [(206, PART, b"world")]

    assert b"world" == store.read("a", PINNED, 5, 10)


@pytest.mark.parametrize("told", ["bytes 0-4/10", "bytes 6-10/10", "bytes */10", "5-9", ""])
def test_another_part_than_was_asked_for_is_refused(served, store, told):
    """It has the right length and the right etag, and the wrong bytes."""
    served.answers = [(206, {**PART, "Content-Range": told}, b"hello")]

    with pytest.raises(StoreError, match="part of an object"):
        store.read("a", PINNED, 5, 10)


def test_a_part_of_an_object_of_another_size_is_a_change(served, store):
    """Such an object is not the one that is pinned, whatever else is said of it."""
    served.answers = [(206, {**PART, "Content-Range": "bytes 5-9/11"}, b"world")]

    with pytest.raises(ObjectChanged):
        store.read("a", PINNED, 5, 10)


def test_the_whole_in_the_place_of_a_part_is_refused(served, store):
    """Its first bytes are not those that were asked for."""
    served.answers = [(200, {"ETag": '"e"'}, b"hello")]

    with pytest.raises(StoreError, match="part of an object"):
        store.read("a", PINNED, 5, 10)


def test_another_etag_is_a_change(served, store):
    """From servers that do not know If-Match."""
    served.answers = [(206, {**PART, "ETag": '"other"'}, b"world")]

    with pytest.raises(ObjectChanged):
        store.read("a", PINNED, 5, 10)


@pytest.mark.parametrize("found", [{"x-amz-version-id": "2"}, {"ETag": '"other"'}])
def test_another_version_is_a_change(served, store, found):
    """From servers that keep no versions, and answer with the newest."""
    served.answers = [(206, {**PART, **found}, b"world")]

    with pytest.raises(ObjectChanged):
        store.read("a", Pin(size_bytes=10, etag="e", version_id="1"), 5, 10)


def test_an_object_of_no_told_size_is_not_an_empty_one(served, store):
    """Its content would be lost without a word."""
    served.answers = [(200, {"ETag": '"e"', "Content-Length": None}, b"")]

    with pytest.raises(StoreError, match="size"):
        store.stat("a")


def test_a_listing_that_is_cut_off_is_not_taken_for_whole(served, store):
    """A folder would lose members without a word."""
    served.answers = [listing("root/d/a", more="<IsTruncated>true</IsTruncated>")]

    with pytest.raises(StoreError, match="the rest of a listing"):
        list(store.list("d"))


def test_a_listing_that_goes_round_ends(served, store):
    """A server that gives the same page again and again is not read for ever."""
    token = "<NextContinuationToken>t</NextContinuationToken>"
    served.answers = [listing("root/d/a", more=f"<IsTruncated>true</IsTruncated>{token}")]

    with pytest.raises(StoreError, match="the rest of a listing"):
        list(store.list("d"))

    assert 2 == len(served.seen)


def test_a_listing_of_another_folder_is_refused(served, store):
    """From servers that do not know prefixes: the names would be cut anywhere."""
    served.answers = [listing("root/d/a", "root/other/b")]

    with pytest.raises(StoreError, match="not asked for"):
        list(store.list("d"))


def test_a_write_without_an_etag_is_a_write(served, store):
    """The object is there; only what holds readers to it is less."""
    served.answers = [(200, {}, b"")]

    assert Pin(size_bytes=1) == store.write_small("a", b"x")


PAGE = (200, {}, b"<html><body>Log in</body></html>")


def test_a_page_is_no_answer_to_a_write(served, store, tmp_path):
    """Such as one of a proxy where one logs in: nothing was written, in whatever way it is sent."""
    if isinstance(store, S3Store):
        pytest.skip("botocore takes any page for a write")
    served.answers = [PAGE]
    whole = tmp_path / "whole"
    whole.write_bytes(bytes(2**20))

    with pytest.raises(StoreUnavailable, match="answer to a write"):
        store.write_small("a", b"x")
    with pytest.raises(StoreUnavailable, match="answer to a write"):
        store.write_file("a", whole)
    assert [("item", None)] == list(store.write_many([("item", "a", b"x")]))


@pytest.mark.parametrize(
    ("code", "kind"), [("AccessDenied", AccessDenied), ("NoSuchKey", ObjectChanged)]
)
def test_a_refusal_within_success_is_one(served, store, code, kind):
    """S3 begins some answers before it knows how they end; asking again would change nothing."""
    if isinstance(store, S3Store):
        pytest.skip("botocore reads those")
    served.answers = [(200, {}, f"<Error><Code>{code}</Code></Error>".encode())]

    with pytest.raises(kind):
        store.copy("a", Pin(size_bytes=1, etag="e"), "b")

    assert 1 == len(served.seen)


@pytest.mark.parametrize("size", ["abc", "-5", "1e3", "9" * 400, ""])
def test_a_listed_size_is_a_number(served, store, size):
    """Anything else is an error that names the URI."""
    if isinstance(store, S3Store):
        pytest.skip("botocore reads the numbers there")
    served.answers = [listing("root/d/a", size=size)]

    with pytest.raises(StoreError, match="size"):
        list(store.list("d"))


def test_a_page_that_is_no_listing_is_not_an_empty_folder(served, store):
    """Such as the page of a proxy where one logs in."""
    if isinstance(store, S3Store):
        pytest.skip("botocore takes any page for a listing")
    served.answers = [(200, {}, b"<html><body>Log in</body></html>")]

    with pytest.raises(StoreError, match="no listing"):
        list(store.list("d"))
