"""A whole answer of S3, and its XML as a tree."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from rootcellar.staging.stores.answers import of_answer, unreachable

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Answer", "parsed", "tree_of"]

_NAMESPACE = re.compile(rb"""\A(\s*(?:<\?[^>]*>\s*)?<\w+) xmlns=(?:"[^"]*"|'[^']*')""")


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer; the names of its headers are in small letters."""

    status: int
    headers: Mapping[str, str]
    content: bytes


def tree_of(answer: Answer, uri: str) -> ET.Element:
    """Return the XML of an answer as a tree without namespaces.

    Raises:
        StoreError: What began with success tells an error, or is no XML.
    """
    try:
        root = parsed(answer.content)
    except ET.ParseError as error:
        raise unreachable(error, uri) from error
    if root.tag == "Error":
        raise of_answer(root.findtext("Code") or "", answer.status, uri)
    return root


def parsed(content: bytes) -> ET.Element:
    """Return XML as a tree without namespaces.

    Raises:
        ParseError: It is none.
    """
    # A thousand listed objects are eight thousand elements: one search instead of that many.
    plain = _NAMESPACE.sub(rb"\1", content, count=1)
    root = ET.fromstring(plain)  # noqa: S314 (expat refuses what expands; the store is ours)
    if root.tag.startswith("{"):
        for element in root.iter():
            element.tag = element.tag.rpartition("}")[2]
    return root
