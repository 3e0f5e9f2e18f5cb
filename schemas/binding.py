"""Binding: from the arguments of one call to the artifacts it reads and writes. No network."""

from __future__ import annotations

import functools
import inspect
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json, to_json

from rootcellar.schemas.artifact import Artifact, Selection
from rootcellar.schemas.errors import BindingError, InvalidKey
from rootcellar.schemas.interface import InputSpec, OutputSpec, Shape, TaskInterface
from rootcellar.schemas.ref import MAPPING, TYPE_TAG, Ref
from rootcellar.schemas.results import Call, spread
from rootcellar.schemas.shown import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["Binding", "BoundInput", "BoundOutput", "Wanted", "bind"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """One artifact that a run reads.

    Attributes:
        ref: Pins it, if the caller passed a version. Shared: give bodies one that is `apart`.
    """

    artifact: Artifact
    ref: Ref | None = None


@dataclass(frozen=True, slots=True)
class BoundInput:
    """One input argument with what it stands for.

    Attributes:
        wanted: In the caller's order.
        selection: Set while it is not yet known which artifacts it names; `wanted` is empty then.
        absent: The caller passed None.
    """

    spec: InputSpec
    wanted: tuple[Wanted, ...] = ()
    selection: Selection | None = None
    absent: bool = False


@dataclass(frozen=True, slots=True)
class BoundOutput:
    """One output argument.

    Attributes:
        artifact: None for an `Outputs`, and while a selection leaves its key open.
        known: The key fields that are settled, as values of the fields' types.
    """

    spec: OutputSpec
    artifact: Artifact | None
    known: Mapping[str, Any]

    def member(self, key: Mapping[str, object]) -> Artifact:
        """Return the member of an `Outputs` with these key fields.

        Raises:
            BindingError: A field contradicts the call, is unknown or missing.
        """
        for name, value in key.items():
            here = self.spec.type.decode_field(name, value)
            if name in self.known and not _is_same(self.known[name], here):
                raise BindingError(
                    f"key field {name!r} is {shown(self.known[name])} by the call, "
                    f"and {shown(here)} here",
                    self.spec.type.type_name,
                    self.spec.type.declaration.template.text,
                    "Leave it out, or make it agree",
                )
        return self.spec.type.from_key({**self.known, **key})


@dataclass(frozen=True, slots=True)
class Binding:
    """One call, bound: arguments by name, the artifacts they name, the outputs they settle."""

    interface: TaskInterface
    arguments: dict[str, Any]
    inputs: tuple[BoundInput, ...]
    outputs: tuple[BoundOutput, ...]

    @property
    def plain(self) -> dict[str, Any]:
        """The arguments that are not staged, by name; those of `**kwargs` among them."""
        return _plain(self.interface, self.arguments)

    @property
    def is_open(self) -> bool:
        """Whether a selection still has to be resolved."""
        for item in self.inputs:  # noqa: SIM110  no generator: asked of every run
            if item.selection is not None:
                return True
        return False

    def resolved(self, resolve: Callable[[Selection], Sequence[Artifact]]) -> Binding:
        """Return the binding with every selection replaced by the artifacts it names now.

        Raises:
            BindingError: An output's key is still not settled.
        """
        inputs = tuple(
            replace(
                item,
                wanted=tuple(Wanted(artifact) for artifact in resolve(item.selection)),
                selection=None,
            )
            if item.selection is not None
            else item
            for item in self.inputs
        )
        outputs = _bind_outputs(self.arguments, inputs, self.interface)
        return replace(self, inputs=inputs, outputs=outputs)


def bind(interface: TaskInterface, args: Sequence[object], kwargs: Mapping[str, object]) -> Binding:
    """Bind one call as Celery makes it: chains and chords prepend results by position.

    Raises:
        BindingError: Missing, unknown or surplus arguments; a value that is no key, artifact or ref
            of the argument's type; an output passed by the caller; an output's key field that two
            sources settle differently, or none at all.
        InvalidKey: A key value is refused; a BindingError too.
    """
    if args and isinstance(args[0], (list, tuple, dict)) and not Ref.is_ref(args[0]):
        call = spread(interface, Call(args, kwargs))
        args, kwargs = call.args, call.kwargs
    try:
        given = interface.plan.given(args, kwargs)
    except TypeError as error:
        raise BindingError(
            str(error), interface.name, "", f"Its signature is {interface.signature}"
        ) from error
    for output in interface.outputs:
        if output.argument in given:
            raise BindingError(
                f"the output {output.argument!r} was passed by the caller",
                interface.name,
                "",
                "Leave it out: the task makes it",
            )
    arguments = interface.plan.with_defaults(given)
    inputs = tuple(
        [_bind_input(spec, arguments[spec.argument], interface.name) for spec in interface.inputs]
    )
    outputs = _bind_outputs(arguments, inputs, interface) if interface.outputs else ()
    return Binding(interface, arguments, inputs, outputs)


def _plain(interface: TaskInterface, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that are not staged, by name; those of `**kwargs` among them."""
    if interface.plan.is_plain:
        return {name: arguments[name] for name in interface.plain}
    found: dict[str, Any] = {}
    for name, value in arguments.items():
        if interface.signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD:
            found |= value
        elif name in interface.plain:
            found[name] = value
    return found


def _bind_input(spec: InputSpec, value: object, task: str) -> BoundInput:
    if value is None:
        if not spec.optional:
            raise BindingError(
                f"the argument {spec.argument!r} is None but not optional",
                task,
                spec.type.declaration.template.text,
                f"Pass a key of {spec.type.type_name}, or annotate it as … | None",
            )
        return BoundInput(spec, absent=True)
    if Ref.is_ref(value):
        return BoundInput(spec, (_wanted_ref(spec, value, task),))
    selection = _selection(spec, value, task)
    if selection is not None:
        _require_fan_in(spec, task)
        return BoundInput(spec, selection=selection)
    if isinstance(value, list | tuple):
        _require_fan_in(spec, task)
        wanted = tuple(_wanted(spec, one, task) for one in value)
        return BoundInput(spec, wanted)
    # A chord with a single header task hands over the bare result: one and many have one shape.
    return BoundInput(spec, (_wanted(spec, value, task),))


def _require_fan_in(spec: InputSpec, task: str) -> None:
    if spec.shape is Shape.ONE:
        raise BindingError(
            f"the argument {spec.argument!r} takes one {spec.type.type_name}, not several",
            task,
            spec.type.declaration.template.text,
            "Annotate the parameter as list[…], or pass one key",
        )


def _wanted(spec: InputSpec, value: object, task: str) -> Wanted:
    # Refs, artifacts, and a catalog's versions, which this room does not know by name.
    if hasattr(value, "__json__"):
        value = value.__json__()
    if Ref.is_ref(value):
        return _wanted_ref(spec, value, task)
    if isinstance(value, MAPPING) and TYPE_TAG in value:
        _require_type(spec, str(value[TYPE_TAG]), task)
        value = value.get("key", value)
    try:
        return Wanted(spec.type.from_key(value))
    except InvalidKey as error:
        raise _of_argument(spec, error, task) from error


def _wanted_ref(spec: InputSpec, tagged: Mapping[str, Any], task: str) -> Wanted:
    _require_type(spec, str(tagged[TYPE_TAG]), task)
    try:
        return _pinned(spec.type, tagged)
    except InvalidKey as error:
        raise _of_argument(spec, error, task) from error
    except BindingError as error:
        raise BindingError(
            f"argument {spec.argument!r}: {error.problem}", task, error.uri, error.remedy
        ) from error


def _pinned(artifact_type: type[Artifact], tagged: Mapping[str, Any]) -> Wanted:
    try:
        text = to_json(tagged)
    except ValueError:  # nothing that a message could hold
        return _read(artifact_type, tagged)
    return _pinned_by(artifact_type, text)


@functools.lru_cache(maxsize=1_000)
def _pinned_by(artifact_type: type[Artifact], text: bytes) -> Wanted:
    """Return what a ref in a message stands for: one input is often that of many tasks.

    By its JSON, in which `1`, `1.0` and `true` are three.
    """
    return _read(artifact_type, from_json(text))


def _read(artifact_type: type[Artifact], tagged: Mapping[str, Any]) -> Wanted:
    ref = Ref.from_json(tagged)
    return Wanted(artifact_type.from_key(ref.key), ref)


def _of_argument(spec: InputSpec, error: InvalidKey, task: str) -> InvalidKey:
    problem = f"argument {spec.argument!r}: {error.problem}"
    return InvalidKey(problem, task, error.uri, error.remedy)


def _require_type(spec: InputSpec, name: str, task: str) -> None:
    if name != spec.type.type_name:
        raise BindingError(
            f"the argument {spec.argument!r} stands for {spec.type.type_name}, not {shown(name)}",
            task,
            spec.type.declaration.template.text,
            "Pass it under the name that serves its type",
        )


def _selection(spec: InputSpec, value: object, task: str) -> Selection | None:
    if isinstance(value, Selection):
        value = value.__json__()
    if not (isinstance(value, MAPPING) and TYPE_TAG in value and "where" in value):
        return None
    _require_type(spec, str(value[TYPE_TAG]), task)
    where = value["where"]
    if not isinstance(where, MAPPING):
        raise BindingError(
            f"the selection for {spec.argument!r} is damaged",
            task,
            spec.type.declaration.template.text,
            f"Pass what {spec.type.__name__}.where() returns",
        )
    try:
        return spec.type.where(**{str(name): part for name, part in where.items()})
    except InvalidKey as error:
        raise _of_argument(spec, error, task) from error


def _bind_outputs(
    arguments: Mapping[str, object], inputs: Sequence[BoundInput], interface: TaskInterface
) -> tuple[BoundOutput, ...]:
    plain = _plain(interface, arguments)
    outputs = tuple(_bind_output(spec, plain, inputs, interface) for spec in interface.outputs)
    makers: dict[Artifact, str] = {}
    for output in outputs:
        if output.artifact is None:
            continue
        other = makers.setdefault(output.artifact, output.spec.argument)
        if other != output.spec.argument:
            raise BindingError(
                f"the outputs {other!r} and {output.spec.argument!r} would both be "
                f"{output.artifact}",
                interface.name,
                output.artifact.uri,
                "Use an Outputs parameter, whose keys the body settles",
            )
    return outputs


def _is_same(one: object, other: object) -> bool:
    """Compare key values: 1, True and 1.0 are three."""
    return type(one) is type(other) and one == other


def _bind_output(
    spec: OutputSpec,
    plain: Mapping[str, object],
    inputs: Sequence[BoundInput],
    interface: TaskInterface,
) -> BoundOutput:
    known: dict[str, Any] = {}
    for name in spec.type.model_fields:
        sources = dict(_sources(spec.type, name, plain, inputs))
        values = list(sources.values())
        if not all(_is_same(value, values[0]) for value in values):
            told = " and ".join(
                f"{shown(value)} from {source}" for source, value in sources.items()
            )
            raise BindingError(
                f"the output {spec.argument!r} gets its key field {name!r} as {told}",
                interface.name,
                spec.type.declaration.template.text,
                "Make them agree, or give one of the two key fields another name",
            )
        if values:
            known[name] = values[0]
    if spec.many:
        return BoundOutput(spec, None, known)
    required = [n for n, f in spec.type.model_fields.items() if f.is_required()]
    missing = [name for name in required if name not in known]
    if missing and any(item.selection is not None for item in inputs):
        return BoundOutput(spec, None, known)
    if missing:
        raise BindingError(
            f"nothing settles the key field {missing[0]!r} of the output {spec.argument!r}",
            interface.name,
            spec.type.declaration.template.text,
            f"Add an argument {missing[0]!r}, or an input with that key field",
        )
    try:
        return BoundOutput(spec, spec.type.from_key(known), known)
    except InvalidKey as error:
        raise InvalidKey(
            f"output {spec.argument!r}: {error.problem}", interface.name, error.uri, error.remedy
        ) from error


def _sources(
    artifact_type: type[Artifact],
    name: str,
    plain: Mapping[str, object],
    inputs: Sequence[BoundInput],
) -> list[tuple[str, object]]:
    """Return who settles a key field: the plain argument of that name, and inputs' keys."""
    found: list[tuple[str, object]] = []
    if plain.get(name) is not None:
        found.append((f"the argument {name!r}", artifact_type.decode_field(name, plain[name])))
    for item in inputs:
        if name not in item.spec.type.model_fields:
            continue
        values = [getattr(wanted.artifact, name) for wanted in item.wanted]
        if item.selection is not None and len(item.selection.where.get(name, ())) == 1:
            values = [item.spec.type.decode_field(name, item.selection.where[name][0])]
        # A fan-in over different values settles nothing.
        if values and all(_is_same(value, values[0]) for value in values):
            found.append((f"the input {item.spec.argument!r}", values[0]))
    return found
