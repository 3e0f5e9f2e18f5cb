r"""The grammar of URI templates, as far as it needs no types.

    template    = scheme "://" ( literal | placeholder )+
    scheme      = [a-z] [a-z0-9+.-]*
    placeholder = "{" field [ ":" spec ] "}"  |  "{version}"
    literal     = letters, digits and / - _ . = + @ , :

A spec is `d` or `0Nd` for an int, and strftime directives of fixed width for a date or datetime; a
format's directives are placeholders of their own, and the text between them is literal. There are
no attributes, indexes or conversions, and no way to write a literal brace. Literal text is ASCII
without whitespace, `%`, `~`, `\`, `*?[]` and `::`; it has no segment that is empty, `.` or `..`,
but `file:///` may start with a slash.
"""

from __future__ import annotations

import re
import string
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rootcellar.schemas.errors import DeclarationError
from rootcellar.schemas.templates.moment import split_format

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["VERSION", "Placeholder", "expanded", "read_tokens"]

VERSION = "version"
"""The placeholder that is no field: each version gets a URI of its own."""

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://")
_PLACEHOLDER = re.compile(r"(\{[^{}]*\})")
_LITERAL_CHARACTERS = frozenset(string.ascii_letters + string.digits + "/-_.=+@,:")
_GAP = "\0"  # stands for a placeholder where only the literal text is looked at


@dataclass(frozen=True, slots=True)
class Placeholder:
    """`{name:spec}`; the spec is empty where there is no colon."""

    name: str
    spec: str


def read_tokens(text: str) -> list[str | Placeholder]:
    """Return the template's literals and placeholders in order; the first is a literal.

    Raises:
        DeclarationError: No scheme, nothing behind it, or a brace that opens no plain field.
    """
    if not _SCHEME.match(text):
        problem = "the template does not begin with a scheme in literal lower-case text"
        raise DeclarationError(problem, "", text, "Begin with the name of a store, as in raw://")
    tokens = [token for token in _PLACEHOLDER.split(text) if token]
    return [_placeholder(text, one) if one[0] == "{" else _literal(text, one) for one in tokens]


def _literal(text: str, token: str) -> str:
    # Here and not with the other characters, since what follows would take a field for missing.
    if "{" in token or "}" in token:
        problem = "the template holds a brace that encloses no field"
        remedy = "Write {field} or {field:format}; a URI of ours holds no braces"
        raise DeclarationError(problem, "", text, remedy)
    return token


def _placeholder(text: str, token: str) -> Placeholder:
    name, colon, spec = token[1:-1].partition(":") if token.endswith("}") else (token, "", "")
    if not name.isidentifier() or (colon and not spec):
        raise DeclarationError(
            f"{token!r} is no placeholder",
            "",
            text,
            "Write {field} or {field:format}, without attributes, indexes or conversions",
        )
    return Placeholder(name, spec)


def expanded(text: str, tokens: Sequence[str | Placeholder]) -> list[str | Placeholder]:
    """Return the tokens with each directive of a format as a placeholder of its own.

    No two literals in a row.

    Raises:
        DeclarationError: Literal text, a format's too, holds what a URI of ours never holds.
    """
    atoms: list[str | Placeholder] = []
    for token in tokens:
        for atom in _atoms(token):
            if isinstance(atom, str) and atoms and isinstance(atoms[-1], str):
                atoms[-1] += atom
            else:
                atoms.append(atom)
    _check_literals(text, atoms)
    return atoms


def _atoms(token: str | Placeholder) -> list[str | Placeholder]:
    if isinstance(token, str) or "%" not in token.spec:
        return [token]
    pieces = split_format(token.spec)
    return [Placeholder(token.name, piece) if piece[0] == "%" else piece for piece in pieces]


def _check_literals(text: str, atoms: Sequence[str | Placeholder]) -> None:
    skeleton = "".join(atom if isinstance(atom, str) else _GAP for atom in atoms)
    bad = sorted(set(skeleton) - _LITERAL_CHARACTERS - {_GAP})
    if "\0" in text or bad:
        problem = f"the template holds {ascii(bad[0]) if bad else 'NUL'}"
        remedy = "Use only ASCII letters, digits and / - _ . = + @ , : outside of {fields}"
        raise DeclarationError(problem, "", text, remedy)
    scheme, _, path = skeleton.partition("://")
    if "::" in path:
        raise DeclarationError("the template holds '::'", "", text, "Use a single colon")
    # An absolute path of this host; for other stores it would name the same object twice.
    segments = path.removeprefix("/" if scheme == "file" else "").split("/")
    if "" in segments:
        remedy = "Leave out the doubled, leading or trailing slash, and name something"
        raise DeclarationError("the template has an empty segment", "", text, remedy)
    if not {".", ".."}.isdisjoint(segments):
        remedy = "Write the path without them"
        raise DeclarationError("the template has a segment '.' or '..'", "", text, remedy)
