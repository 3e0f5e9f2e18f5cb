"""URI templates: typed, injective and two-way. The grammar stands in `schemas/grammar.py`.

Reading goes from left to right and never back. A placeholder of fixed width ends by its width.
Any other ends where the literal after it begins, which is why that literal must begin with a
character that cannot continue the value; a text encodes that character inside. One exception
keeps file endings free: a `.` that could continue a number is an end if the character after it
could not, so `{tilt}.nc` is clear for a float. Hence two keys never share a URI.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from rootcellar.schemas.errors import DeclarationError, InvalidKey
from rootcellar.schemas.templates.codec import Codec, KeyField, Place, VersionCodec
from rootcellar.schemas.templates.fieldtype import codec_for
from rootcellar.schemas.templates.grammar import VERSION, Placeholder, expanded, read_tokens
from rootcellar.schemas.templates.shape import Shape, continuing, fixed_width

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["MAX_URI_BYTES", "Slot", "TemplateMatch", "UriTemplate"]

MAX_URI_BYTES = 900
"""Of a rendered URI. S3 allows 1024 for a name; the rest is left to the store's own prefix."""

_SEPARATE = "Put a literal such as / or _ behind it, or give a date or datetime a format"


@dataclass(frozen=True, slots=True)
class TemplateMatch:
    """The key that a URI was rendered from, and the version uid, empty without `{version}`."""

    key: dict[str, object]
    version: str = ""


@dataclass(frozen=True, slots=True)
class Slot:
    """One place of a template where a value stands.

    Attributes:
        name: The field, or `version`.
        width: Characters, where that is fixed; otherwise None.
        terminator: Where `width` is None, the text that ends the value; empty at the end.
    """

    name: str
    codec: Codec
    place: Place
    width: int | None
    terminator: str

    @property
    def shape(self) -> Shape:
        """Which texts can stand here."""
        return self.codec.shape(self.place)

    def end(self, uri: str, start: int) -> int:
        """Return where the value that starts there ends; negative if it cannot stand there."""
        if self.width is not None:
            return start + self.width
        if not self.terminator:
            return len(uri)
        # A value has at least one character; a first one such as a sign is no terminator.
        return uri.find(self.terminator, start + 1)


@dataclass(frozen=True, slots=True)
class UriTemplate:
    """How the keys of one artifact type become URIs, and URIs keys.

    Attributes:
        text: As it was declared.
        scheme: Before `://`: a store's name.
        fields: Names of the key fields, in the order they were declared.
        has_version: `{version}` stands in it: each version has a URI of its own.
        parts: Literal text, from the scheme on, and slots; no two literals in a row.
    """

    text: str
    scheme: str
    fields: tuple[str, ...]
    has_version: bool
    parts: tuple[str | Slot, ...] = field(repr=False)

    @classmethod
    def parse(cls, text: str, fields: Mapping[str, Any]) -> Self:
        """Read a template.

        Args:
            text: `scheme://` and the rest.
            fields: Type or annotation of each key field by name.

        Raises:
            DeclarationError: The template breaks the grammar, does not use exactly these fields,
                or could render two keys alike. Names the template, the field and the remedy.
        """
        if len(text) > MAX_URI_BYTES:
            problem = f"the template is {len(text)} characters long"
            raise DeclarationError(problem, "", text[:80], f"Use at most {MAX_URI_BYTES}")
        tokens = read_tokens(text)
        specs = _specs(text, tokens, fields)
        codecs = {
            name: codec_for(KeyField(name, text), fields[name], used)
            if name in fields
            else VersionCodec.of(KeyField(name, text), used)
            for name, used in specs.items()
        }
        return cls(
            text=text,
            scheme=text.partition("://")[0],
            fields=tuple(fields),
            has_version=VERSION in specs,
            parts=_parts(text, expanded(text, tokens), codecs),
        )

    @property
    def prefix(self) -> str:
        """The literal text before the first placeholder: every URI starts with it."""
        return str(self.parts[0])  # the scheme and what follows: never a slot

    def render(self, key: Mapping[str, object], *, version: str = "") -> str:
        """Return the URI of a key.

        Args:
            key: A value of exactly the field's type for every field, and no others.
            version: Uid for `{version}`; not used where the template has none.

        Raises:
            InvalidKey: A value is refused, missing or unknown, or the URI grows too long.
        """
        self._check_names(key)
        values = {**key, VERSION: version}
        pieces = [
            part if isinstance(part, str) else part.codec.encode(values[part.name], part.place)
            for part in self.parts
        ]
        uri = "".join(pieces)
        # No check for segments of dots: each value in one would be `.` or `..`, which are refused.
        if len(uri) > MAX_URI_BYTES:
            raise self._too_long(pieces)
        return uri

    def outline(self, key: Mapping[str, object]) -> str:
        """Return the URI of a key with `{version}` left in, where the template has it.

        Raises:
            InvalidKey: As `render`, but for the length.
        """
        self._check_names(key)
        return "".join(
            part
            if isinstance(part, str)
            else f"{{{VERSION}}}"
            if part.name == VERSION
            else part.codec.encode(key[part.name], part.place)
            for part in self.parts
        )

    def check(self, name: str, value: object) -> None:
        """Check that some URI can hold this value of a field.

        Raises:
            InvalidKey: It has the wrong type, or is refused.
        """
        for part in self.parts:
            if isinstance(part, Slot) and part.name == name:
                part.codec.encode(value, part.place)

    def match(self, uri: str) -> TemplateMatch | None:
        """Return the key that renders as exactly this URI, or None if there is none.

        Other spellings of the same values, such as `007` for `{n:02d}` or `%2f`, do not match.
        """
        texts = self._split(uri)
        if texts is None:
            return None
        codecs = {part.name: part.codec for part in self.parts if isinstance(part, Slot)}
        try:
            values = {name: codec.decode(texts[name]) for name, codec in codecs.items()}
            key = {name: values[name] for name in self.fields}
            version = str(values.get(VERSION, ""))
            # One comparison holds every rule: canonical spelling, repeated fields, refused values.
            if self.render(key, version=version) != uri:
                return None
        except (ValueError, OverflowError):
            return None
        return TemplateMatch(key, version)

    def _split(self, uri: str) -> dict[str, dict[str, str]] | None:
        """Return the text of each field at its first place of each spec."""
        texts: dict[str, dict[str, str]] = {}
        start = 0
        if len(uri) > MAX_URI_BYTES:
            return None
        for part in self.parts:
            if isinstance(part, str):
                if not uri.startswith(part, start):
                    return None
                start += len(part)
                continue
            end = part.end(uri, start)
            if end < 0:
                return None
            texts.setdefault(part.name, {}).setdefault(part.place.spec, uri[start:end])
            start = end
        return texts if start == len(uri) else None

    def _check_names(self, key: Mapping[str, object]) -> None:
        missing = [name for name in self.fields if name not in key]
        unknown = [name for name in key if name not in self.fields]
        if missing or unknown:
            name = (missing or unknown)[0]
            problem = "has no value" if missing else "is not in the template"
            remedy = f"Pass exactly the fields {', '.join(self.fields) or '(none)'}"
            raise InvalidKey(f"field {str(name)[:80]!a} {problem}", "", self.text, remedy)

    def _too_long(self, pieces: Sequence[str]) -> InvalidKey:
        places = zip(self.parts, pieces, strict=True)
        _, name = max((len(piece), part.name) for part, piece in places if isinstance(part, Slot))
        total = sum(map(len, pieces))
        problem = f"its URI would be {total} bytes long, and field {name!r} takes the most of it"
        remedy = f"Use shorter values: {MAX_URI_BYTES} bytes are allowed"
        return InvalidKey(problem, "", self.text, remedy)


def _specs(
    text: str, tokens: Sequence[str | Placeholder], fields: Mapping[str, Any]
) -> dict[str, list[str]]:
    """Return the specs used for each field, and for `version` where it stands.

    Raises:
        DeclarationError: A placeholder is no field, or a field has no placeholder.
    """
    if VERSION in fields:
        remedy = "Give it another name"
        raise DeclarationError(f"a field may not be called {VERSION!r}", "", text, remedy)
    specs: dict[str, list[str]] = {}
    for token in tokens:
        if isinstance(token, Placeholder):
            specs.setdefault(token.name, []).append(token.spec)
    for name in specs:
        if name not in fields and name != VERSION:
            remedy = f"Declare the field, or use one of {', '.join(fields) or '(none)'}"
            raise DeclarationError(f"{{{name}}} is not a field", "", text, remedy)
    for name in fields:
        if name not in specs:
            raise DeclarationError(
                f"field {name!r} is not in the template, so that its values would share a URI",
                "",
                text,
                f"Add {{{name}}}",
            )
    return specs


def _parts(
    text: str, atoms: Sequence[str | Placeholder], codecs: Mapping[str, Codec]
) -> tuple[str | Slot, ...]:
    """Return the template's parts: each placeholder with its codec and where it ends.

    Raises:
        DeclarationError: The end of a value could not be told.
    """
    followers = [*atoms[1:], ""]
    return tuple(
        atom if isinstance(atom, str) else _slot(KeyField(atom.name, text), atom, follower, codecs)
        for atom, follower in zip(atoms, followers, strict=True)
    )


def _slot(
    known: KeyField, atom: Placeholder, follower: str | Placeholder, codecs: Mapping[str, Codec]
) -> Slot:
    codec = codecs[atom.name]
    following = follower if isinstance(follower, str) else ""
    # Letters and digits cannot be reserved: they stand in `%2F` themselves.
    place = Place(atom.spec, "" if following[:1].isalnum() else following[:1])
    shape = codec.shape(place)
    width = fixed_width(shape)
    if width is not None:
        return Slot(atom.name, codec, place, width, "")
    if isinstance(follower, Placeholder):
        problem = f"is followed directly by {{{follower.name}}}, and nothing tells where it ends"
        raise known.misdeclared(problem, "Put a literal such as / or _ between the two")
    terminator = _terminator(following, continuing(shape))
    if terminator is None:
        problem = f"is followed by {following!r}, which could continue its value"
        raise known.misdeclared(problem, _SEPARATE)
    return Slot(atom.name, codec, place, None, terminator)


def _terminator(following: str, continuing_characters: frozenset[str]) -> str | None:
    """Return the start of the literal that no value can hold or straddle; None if there is none."""
    if following[:1] not in continuing_characters:
        return following[:1]
    # Both characters are needed: `1.5.nc` ends at `.n`, since no number has an `n`.
    if following[0] == "." and following[1:2] not in {"", *continuing_characters}:
        return following[:2]
    return None
