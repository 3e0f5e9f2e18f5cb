"""A page of a listing, read without a tree of its thousand objects where it looks as usual."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

from rootcellar.staging.stores.s3.answer import Answer, tree_of

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

__all__ = ["Page", "page_of"]

_PAGE, _OBJECT = "ListBucketResult", "Contents"
# No letter here can mean anything but itself, in XML or in the encoding of the page.
_TEXT = "[ !#-%'-;=?-~]"
_OTHER = "|".join(
    f"{name}>{_TEXT}*+</{name}>"
    for name in (
        "LastModified",
        "ChecksumAlgorithm",
        "ChecksumType",
        "StorageClass",
        "Generation",
        "MetaGeneration",
        "Type",
    )
)
_OTHERS = f"(?:<(?:{_OTHER}))*+"
_QUOTE = '(?:&quot;|&#34;|")?+'
_USUAL = re.compile(
    f"<{_OBJECT}><Key>({_TEXT}++)</Key>{_OTHERS}<ETag>{_QUOTE}({_TEXT}*+){_QUOTE}</ETag>"
    f"{_OTHERS}<Size>([0-9]++)</Size>{_OTHERS}</{_OBJECT}>"
)
_PARTS = 1 + _USUAL.groups
_ENCODED = re.compile("[%+]").search


@dataclass(frozen=True, slots=True)
class Page:
    """Some objects of a bucket: their keys, etags without quotes, and sizes, each in their order.

    Attributes:
        is_listing: It is one, and not such as the page of a proxy where one logs in.
        sizes: As the page tells them.
        is_last: No page follows.
        following: What the next page is asked for with.
    """

    is_listing: bool
    keys: list[str]
    etags: list[str]
    sizes: list[str]
    is_last: bool
    following: str


def page_of(answer: Answer, uri: str) -> Page:
    """Return the page that an answer is.

    Raises:
        StoreError: It tells an error, or is no XML.
    """
    return _usual(answer, uri) or _any(answer, uri)


def _usual(answer: Answer, uri: str) -> Page | None:
    """Return a page by one search, in a third of the time. None if anything in it is unusual."""
    if not answer.content.isascii():
        return None
    head, *parts = _USUAL.split(answer.content.decode("ascii"))
    if not parts or any(parts[_PARTS - 1 : -1 : _PARTS]):
        return None
    rest = f"{head}<{_OBJECT}/>{parts[-1]}"
    # What is around the objects is read as ever, which tells too that they are where they must be:
    # in a comment, or where all is text, no element stands in for them.
    root = tree_of(Answer(answer.status, answer.headers, rest.encode()), uri)
    stood_in = root.findall(_OBJECT)
    if len(stood_in) != 1 or len(stood_in[0]) or sum(1 for _ in root.iter(_OBJECT)) != 1:
        return None
    return _page(root, parts[0::_PARTS], parts[1::_PARTS], parts[2::_PARTS])


def _any(answer: Answer, uri: str) -> Page:
    root = tree_of(answer, uri)
    items = root.findall(_OBJECT)
    keys = [item.findtext("Key") or "" for item in items]
    etags = [(item.findtext("ETag") or "").strip('"') for item in items]
    return _page(root, keys, etags, [item.findtext("Size") or "" for item in items])


def _page(root: Element, keys: list[str], etags: list[str], sizes: list[str]) -> Page:
    if root.findtext("EncodingType") == "url" and _ENCODED("".join(keys)):
        keys = list(map(unquote_plus, keys))
    is_last = root.findtext("IsTruncated") != "true"
    following = root.findtext("NextContinuationToken") or ""
    return Page(root.tag == _PAGE, keys, etags, sizes, is_last, following)
