"""TaskInterface: which parameters of a body are staged, and in which form the body wants them."""

from __future__ import annotations

import builtins
import inspect
import os
import types
from collections import abc
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self, Union, get_args, get_origin, get_type_hints

from rootcellar.schemas.artifact import Artifact
from rootcellar.schemas.calling import CallPlan
from rootcellar.schemas.errors import DeclarationError
from rootcellar.schemas.handle import NOT_STAGED, OUTPUT, OUTPUTS, STREAMED, Mark, Outputs, Staged

if TYPE_CHECKING:
    from collections.abc import Callable

    from rootcellar.schemas.registry import Registry

__all__ = ["Delivery", "InputSpec", "OutputSpec", "Shape", "TaskInterface"]


class Delivery(Enum):
    """What the body receives for one artifact."""

    PATH = "path"
    HANDLE = "handle"
    LOADED = "loaded"
    ARTIFACT = "artifact"
    KEY = "key"


class Shape(Enum):
    """How several artifacts of one argument are arranged."""

    ONE = "one"
    LIST = "list"
    DICT = "dict"


@dataclass(frozen=True, slots=True)
class InputSpec:
    """One staged input parameter.

    Attributes:
        target: The type to load, for `Delivery.LOADED`; otherwise None.
        optional: The body accepts None for an artifact that is not there.
        streamed: Pinned, but read from its store while the body runs; a handle.
    """

    argument: str
    type: type[Artifact]
    delivery: Delivery
    shape: Shape = Shape.ONE
    optional: bool = False
    target: Any = None
    streamed: bool = False


@dataclass(frozen=True, slots=True)
class OutputSpec:
    """One declared output parameter.

    Attributes:
        many: The body makes any number of members, through an `Outputs`.
    """

    argument: str
    type: type[Artifact]
    delivery: Delivery
    many: bool = False


@dataclass(frozen=True, slots=True)
class TaskInterface:
    """What a body reads and writes, derived from its signature and a registry.

    Attributes:
        name: The task, for messages.
        plain: Names of the parameters that are left alone.
        plan: How a call's arguments get their names.
    """

    name: str
    signature: inspect.Signature
    inputs: tuple[InputSpec, ...]
    outputs: tuple[OutputSpec, ...]
    plain: tuple[str, ...]
    plan: CallPlan = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "plan", CallPlan.of(self.signature))

    @property
    def is_staged(self) -> bool:
        """Whether any parameter touches the registry."""
        return bool(self.inputs or self.outputs)

    @classmethod
    def of(
        cls,
        body: Callable[..., object],
        registry: Registry,
        *,
        name: str = "",
        skip_first: bool = False,
    ) -> Self:
        """Read the interface of a function.

        Args:
            body: The function as written.
            skip_first: Its first parameter is the task itself (`bind=True`).

        Raises:
            DeclarationError: An output that is not keyword-only or of no known type, or an
                annotation that the type's format cannot deliver.
        """
        signature = inspect.signature(body)
        parameters = list(signature.parameters.values())[1 if skip_first else 0 :]
        signature = signature.replace(parameters=parameters)
        label = name or getattr(body, "__qualname__", repr(body))
        hints = _Hints(body, label)
        inputs: list[InputSpec] = []
        outputs: list[OutputSpec] = []
        plain: list[str] = []
        for parameter in parameters:
            if parameter.default is OUTPUT or parameter.default is OUTPUTS:
                outputs.append(_output(parameter, hints, registry))
            elif _is_staged(parameter, hints, registry):
                annotation = hints.of(parameter)
                spec = _input(
                    parameter.name, registry.for_argument(parameter.name), annotation, label
                )
                inputs.append(_streamed(spec, label) if _marked(annotation, STREAMED) else spec)
            else:
                plain.append(parameter.name)
        return cls(label, signature, tuple(inputs), tuple(outputs), tuple(plain))


_FAN_INS = (list, tuple, dict, abc.Sequence, abc.Mapping)
_UNRESOLVED = (NameError, TypeError, AttributeError, SyntaxError)


class _Hints:
    """Annotations of a body, resolved one by one so that only a staged one must resolve."""

    def __init__(self, body: Callable[..., object], label: str) -> None:
        self.label = label
        self._function = inspect.unwrap(body)
        try:
            self._resolved = get_type_hints(self._function, include_extras=True)
        except _UNRESOLVED:
            self._resolved = {}

    def of(self, parameter: inspect.Parameter) -> Any:
        if parameter.name in self._resolved:
            return self._resolved[parameter.name]
        annotation = parameter.annotation
        if not isinstance(annotation, str):
            return annotation
        try:
            return eval(annotation, getattr(self._function, "__globals__", {}))  # noqa: S307 - as get_type_hints does
        except _UNRESOLVED as error:
            raise DeclarationError(
                f"the annotation {annotation!r} cannot be resolved: {error}",
                f"{self.label}({parameter.name})",
                "",
                "Import its names at run time, not under TYPE_CHECKING",
            ) from error


def _is_staged(parameter: inspect.Parameter, hints: _Hints, registry: Registry) -> bool:
    variadic = parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}
    if variadic or not registry.serves(parameter.name):
        return False
    return not _marked(hints.of(parameter), NOT_STAGED)


def _marked(annotation: Any, mark: Mark) -> bool:
    """Tell whether a mark stands in an annotation, in a part of its union, or in a fan-in's."""
    if get_origin(annotation) is Annotated:
        kind, *metadata = get_args(annotation)
        return any(one is mark for one in metadata) or _marked(kind, mark)
    is_inside = _is_union(annotation) or (mark is STREAMED and get_origin(annotation) in _FAN_INS)
    return is_inside and any(_marked(part, mark) for part in get_args(annotation))


def _streamed(spec: InputSpec, label: str) -> InputSpec:
    if spec.delivery is Delivery.HANDLE:
        return replace(spec, streamed=True)
    raise DeclarationError(
        f"the input {spec.argument!r} is marked STREAMED, and only a handle can stream",
        label,
        spec.type.declaration.template.text,
        f"Annotate it as Annotated[Staged[{spec.type.__name__}], STREAMED]",
    )


def _output(parameter: inspect.Parameter, hints: _Hints, registry: Registry) -> OutputSpec:
    name, label = parameter.name, hints.label
    if not registry.serves(name):
        raise DeclarationError(
            f"the output {name!r} is of no known type",
            label,
            "",
            f"Register a type for the argument name {name!r} in {registry!r}",
        )
    if parameter.kind is not parameter.KEYWORD_ONLY:
        raise DeclarationError(
            f"the output {name!r} could be passed by position",
            label,
            "",
            "Put a * before it in the signature",
        )
    if _marked(hints.of(parameter), STREAMED):
        raise DeclarationError(
            f"the output {name!r} is marked STREAMED, and only inputs stream",
            label,
            "",
            "Drop STREAMED from its annotation",
        )
    many = parameter.default is OUTPUTS
    annotation, _ = _without_none(hints.of(parameter))
    origin = get_origin(annotation) or annotation
    if many and (origin is Outputs or origin is inspect.Parameter.empty):
        return OutputSpec(name, registry.for_argument(name), Delivery.HANDLE, many=True)
    if not many and origin is Staged:
        return OutputSpec(name, registry.for_argument(name), Delivery.HANDLE)
    if not many and _is_path(origin):
        return OutputSpec(name, registry.for_argument(name), Delivery.PATH)
    raise DeclarationError(
        f"an output cannot be delivered as {annotation!r:.80}",
        f"{label}({name})",
        "",
        f"Annotate {name!r} as {'Outputs[…]' if many else 'Path or Staged[…]'}",
    )


def _input(name: str, artifact_type: type[Artifact], annotation: Any, label: str) -> InputSpec:
    annotation, optional = _without_none(annotation)
    one = _delivery(artifact_type, annotation)
    if one is not None:
        target = annotation if one is Delivery.LOADED else None
        return InputSpec(name, artifact_type, one, Shape.ONE, optional, target)
    shape, element = _fan_in(artifact_type, annotation)
    if shape is not Shape.ONE:
        element, member_optional = _without_none(element)
        delivery = _delivery(artifact_type, element)
        if delivery is not None:
            target = element if delivery is Delivery.LOADED else None
            either = optional or member_optional
            return InputSpec(name, artifact_type, delivery, shape, either, target)
    file_format = type(artifact_type.declaration.format).__name__
    raise DeclarationError(
        f"{artifact_type.type_name}, a {file_format}, cannot be delivered as {annotation!r:.80}",
        f"{label}({name})",
        artifact_type.declaration.template.text,
        "Annotate it as Path, Staged[…], a type its format loads, or a list or dict of those",
    )


def _delivery(  # noqa: PLR0911 - a table of cases, in order of precedence
    artifact_type: type[Artifact], annotation: Any
) -> Delivery | None:
    """Return how one artifact becomes this annotation; None if it cannot."""
    origin = get_origin(annotation) or annotation
    if origin is Staged:
        return Delivery.HANDLE
    if _is_path(origin):
        return Delivery.PATH
    if isinstance(origin, type) and issubclass(origin, Artifact):
        return Delivery.ARTIFACT if issubclass(artifact_type, origin) else None
    # A list of what one member can be is always a fan-in, though a folder or a JSON document could
    # be loaded as one, unless the format declares that very list as its content.
    file_format = artifact_type.declaration.format
    shape, element = _fan_in(artifact_type, annotation)
    if (
        shape is not Shape.ONE
        and getattr(file_format, "model", None) != annotation
        and _delivery(artifact_type, _without_none(element)[0]) not in {None, Delivery.KEY}
    ):
        return None
    if file_format.can_load(annotation):
        return Delivery.LOADED
    fields = list(artifact_type.model_fields.values())
    if len(fields) == 1 and fields[0].annotation == annotation:
        return Delivery.KEY
    return None


def _fan_in(artifact_type: type[Artifact], annotation: Any) -> tuple[Shape, Any]:
    """Split `list[X]`, `tuple[X, ...]` and `dict[Weather, X]` into shape and element."""
    match get_origin(annotation), get_args(annotation):
        case (builtins.list | abc.Sequence, (element,)):
            return Shape.LIST, element
        case (builtins.tuple, (element, end)) if end is ...:
            return Shape.LIST, element
        case (builtins.dict | abc.Mapping, (key, element)):
            if (
                isinstance(key, type)
                and issubclass(key, Artifact)
                and issubclass(artifact_type, key)
            ):
                return Shape.DICT, element
    return Shape.ONE, annotation


def _is_path(origin: Any) -> bool:
    known = (inspect.Parameter.empty, Any, object, os.PathLike)
    # By identity: an annotation may be anything, also what cannot be hashed or compared.
    return any(origin is one for one in known) or (
        isinstance(origin, type) and issubclass(origin, Path)
    )


def _is_union(annotation: Any) -> bool:
    origin = get_origin(annotation)
    return origin is Union or origin is types.UnionType


def _without_none(annotation: Any) -> tuple[Any, bool]:
    """Return the annotation without `Annotated` and without `None`, and whether None was in it."""
    if get_origin(annotation) is Annotated:
        return _without_none(get_args(annotation)[0])
    if _is_union(annotation):
        rest = [part for part in get_args(annotation) if part is not type(None)]
        if len(rest) < len(get_args(annotation)):
            kind = _without_none(rest[0])[0] if len(rest) == 1 else Union[tuple(rest)]  # noqa: UP007 - built at run time
            return kind, True
    return annotation, False
