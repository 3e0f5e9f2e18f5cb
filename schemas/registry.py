"""Registry: which types there are, and which argument names stand for them."""

from __future__ import annotations

import json
from keyword import iskeyword
from typing import TYPE_CHECKING, Any, TypeVar, overload

from rootcellar.schemas.artifact import Artifact, snake_case
from rootcellar.schemas.digest import Digest
from rootcellar.schemas.errors import DeclarationError, InvalidKey, NotInCatalog
from rootcellar.schemas.record import TypeRecord
from rootcellar.schemas.shown import shown
from rootcellar.schemas.templates.overlap import meeting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["Registry"]

T = TypeVar("T", bound=type[Artifact])


class Registry:
    """The artifact types of one project. Declare it next to them and hand it to `install`.

    Args:
        name: Shown in the catalog and on the command line.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._types: dict[str, type[Artifact]] = {}
        self._arguments: dict[str, type[Artifact]] = {}
        self._fingerprint: Digest | None = None

    @overload
    def register(self, artifact_type: T, /) -> T: ...

    @overload
    def register(self, /, *, arguments: Iterable[str]) -> Callable[[T], T]: ...

    def register(
        self, artifact_type: T | None = None, /, *, arguments: Iterable[str] = ()
    ) -> T | Callable[[T], T]:
        """Add a type; a class decorator, with or without `arguments`.

        Args:
            artifact_type: The class.
            arguments: The argument names it serves; `snake_case` of the class name if left out. A
                single text is one name.

        Raises:
            DeclarationError: Not a declared type, a name or an argument name taken already, or a
                template that could render the same URI as another type's.
        """
        if artifact_type is not None:
            self._add(artifact_type, ())
            return artifact_type
        names = (arguments,) if isinstance(arguments, str) else tuple(arguments)

        def decorate(decorated: T) -> T:
            self._add(decorated, names)
            return decorated

        return decorate

    def _add(self, artifact_type: Any, arguments: tuple[Any, ...]) -> None:
        if not (isinstance(artifact_type, type) and issubclass(artifact_type, Artifact)):
            name = getattr(artifact_type, "__name__", None) or shown(artifact_type)
            raise DeclarationError(f"{name} is no artifact type", "", "", "Subclass Artifact")
        name = artifact_type.type_name
        if not name:
            raise DeclarationError(
                "this class declares no artifact type",
                artifact_type.__name__,
                "",
                "Give it uri=… and format=…",
            )
        taken = self._types.get(name) or self._arguments.get(name)
        if taken is not None:
            what = "this name" if name in self._types else "this name, as an argument's,"
            raise DeclarationError(
                f"{what} is registered already",
                name,
                taken.declaration.template.text,
                "Pass name=… in the class statement",
            )
        names = arguments or (snake_case(artifact_type.__name__),)
        for argument in names:
            self._check_argument(argument, artifact_type)
        self._check_meeting(artifact_type)
        self._types[name] = artifact_type
        self._arguments |= dict.fromkeys(names, artifact_type)
        self._fingerprint = None

    def _check_argument(self, argument: Any, artifact_type: type[Artifact]) -> None:
        if not (isinstance(argument, str) and argument.isidentifier()) or iskeyword(argument):
            raise DeclarationError(
                f"{shown(argument)} cannot name an argument",
                artifact_type.type_name,
                "",
                "Use a Python identifier",
            )
        # A type's own name finds it too, in `named`; no name may lead to two types.
        other = self._arguments.get(argument) or self._types.get(argument)
        if other is not None:
            raise DeclarationError(
                f"the argument name {argument!r} already stands for {other.type_name}",
                artifact_type.type_name,
                artifact_type.declaration.template.text,
                "Pass other names: register(arguments=[…])",
            )

    def _check_meeting(self, artifact_type: type[Artifact]) -> None:
        mine = artifact_type.declaration
        for other in self._types.values():
            theirs = other.declaration
            uri = meeting(
                mine.template,
                theirs.template,
                first_is_folder=mine.format.kind == "folder",
                second_is_folder=theirs.format.kind == "folder",
            )
            if uri is not None:
                raise DeclarationError(
                    f"{artifact_type.type_name} and {other.type_name} could both live at {uri}",
                    artifact_type.type_name,
                    mine.template.text,
                    "Give one of them a literal part of its own",
                )

    def serves(self, argument: str) -> bool:
        """Tell whether an argument of this name is staged."""
        return argument in self._arguments

    def for_argument(self, argument: str) -> type[Artifact]:
        """Return the type that an argument name stands for.

        Raises:
            KeyError: It stands for none, as `serves` tells.
        """
        return self._arguments[argument]

    def named(self, name: str) -> type[Artifact]:
        """Return a type by its name or one of its argument names.

        Raises:
            NotInCatalog: There is none.
        """
        found = self._types.get(name) or self._arguments.get(name)
        if found is None:
            raise NotInCatalog(
                f"the registry {self.name!r} declares no type of that name",
                name,
                "",
                f"It has {', '.join(sorted(self._types)) or 'none'}",
            )
        return found

    def arguments_of(self, name: str) -> tuple[str, ...]:
        """Return the argument names that a type serves, sorted."""
        return tuple(sorted(a for a, t in self._arguments.items() if t.type_name == name))

    def at(self, uri: str) -> Artifact | None:
        """Return the artifact that lives at a logical URI, of whichever type; None if none does."""
        for artifact_type in self._types.values():
            try:
                return artifact_type.parse(uri)
            except InvalidKey:  # of another template, or beyond a constraint of the key
                continue
        return None

    def __iter__(self) -> Iterator[type[Artifact]]:
        return iter(self._types.values())

    def __len__(self) -> int:
        return len(self._types)

    def __contains__(self, name: object) -> bool:
        return name in self._types

    def records(self) -> tuple[TypeRecord, ...]:
        """Return what the catalog mirrors of each type."""
        return tuple(
            TypeRecord(
                name=t.type_name,
                registry=self.name,
                arguments=self.arguments_of(t.type_name),
                uri_template=t.declaration.template.text,
                media_type=t.declaration.format.media_type,
                kind=t.declaration.format.kind,
                definition=t.definition(),
            )
            for t in self
        )

    def fingerprint(self) -> Digest:
        """Return the digest of name, definitions and argument names, whatever their order.

        Kept until the next registration: it is asked for with every message.
        """
        if self._fingerprint is None:
            types = {
                r.name: {"arguments": r.arguments, "definition": r.definition}
                for r in self.records()
            }
            content = {"name": self.name, "types": types}
            self._fingerprint = Digest.of(json.dumps(content, sort_keys=True).encode())
        return self._fingerprint

    def __repr__(self) -> str:
        return f"<Registry {self.name!r}: {', '.join(self._types) or 'empty'}>"
