"""Pages of listings: read by one search where they look as usual, and else as any XML."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rootcellar.schemas.errors import StoreError
from rootcellar.staging.stores.s3 import page as page_module
from rootcellar.staging.stores.s3.answer import Answer
from rootcellar.staging.stores.s3.page import Page, page_of

HEAD = '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/d/">'
OBJECT = (
    "<Contents><Key>a%2Fb+c</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
    "<ETag>&quot;e-1&quot;</ETag><ChecksumType>FULL_OBJECT</ChecksumType><Size>5</Size>"
    "<StorageClass>STANDARD</StorageClass></Contents>"
)
OTHER = "<Contents><Key>z</Key><ETag>&quot;e&quot;</ETag><Size>7</Size></Contents>"
MORE = "<IsTruncated>true</IsTruncated><NextContinuationToken>t&amp;1</NextContinuationToken>"
URL = "<EncodingType>url</EncodingType>"
TAIL = "</ListBucketResult>"
PIECES = [
    *(OBJECT, OBJECT, OTHER, OTHER, MORE, URL, "<X>", "</X>", "<!-- ", " -->", "<![CDATA[", "]]>"),
    *(
        "<?x ",
        "?>",
        " ",
        "\n",
        "<Contents/>",
        "<Contents>",
        "</Contents>",
        "\xe9",
        "&amp;",
        "<",
        ">",
    ),
    *(OBJECT.replace("a%2Fb", "a&amp;b"), OTHER.replace("<Size>", "<Owner/><Size>")),
    *(OTHER.replace("&quot;", ""), OTHER.replace("&quot;", '"'), OTHER.replace("7", "x")),
    *(
        OTHER.replace("<Key>z</Key>", "<Key/>"),
        OTHER.replace("z", "\t"),
        OTHER.replace("z", "\x01"),
    ),
]


def answer(text):
    return Answer(200, {}, text.encode())


def read(way, text):
    try:
        return way(answer(text), "raw://d")
    except StoreError as error:
        return str(error)


def test_a_usual_page_is_read_by_one_search(monkeypatch):
    """A thousand objects cost no tree of eight thousand elements."""
    monkeypatch.delattr(page_module, "_any")

    found = page_of(answer(f"{HEAD}{URL}{MORE}{OBJECT}{OTHER}{TAIL}"), "raw://d")

    objects = [["a/b c", "z"], ["e-1", "e"], ["5", "7"]]
    assert found == Page(True, *objects, is_last=False, following="t&1")  # noqa: FBT003 (it is a listing)


@pytest.mark.parametrize(
    "hidden", ["<!--{}-->", "<X>{}</X>", "<X><![CDATA[{}]]></X>", "<?x {}?>", "<X a='1'>{}</X>"]
)
def test_what_is_no_object_of_the_page_is_none(hidden):
    """The same letters in another place mean something else."""
    text = f"{HEAD}{OTHER}{hidden.format(OBJECT)}{TAIL}"

    assert ["z"] == page_of(answer(text), "raw://d").keys
    assert [] == page_of(answer(f"{HEAD}{hidden.format(OBJECT)}{TAIL}"), "raw://d").keys


@given(
    pieces=st.lists(st.sampled_from(PIECES), max_size=8), head=st.sampled_from([HEAD, "", "<L>"])
)
def test_both_ways_read_the_same(pieces, head):
    """Whatever a page is made of: the search tells what the tree tells, or nothing."""
    text = f"{head}{''.join(pieces)}{TAIL}"

    by_search = read(page_module._usual, text)

    assert by_search in (None, read(page_module._any, text))
