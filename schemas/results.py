"""Results of earlier tasks, as Celery prepends them: refs, handed to the parameters they fit.

A chain prepends one result and a chord a list of them, always as the first positional argument.
Where that is a ref, or a list of refs of the type that the first parameter stands for, it is bound
there as Celery would. Where it is a bag of several types (a chord over different tasks, a task with
several outputs), each ref goes to the input that serves its type; see docs/decisions/0005.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rootcellar.schemas.errors import BindingError
from rootcellar.schemas.interface import InputSpec, Shape, TaskInterface
from rootcellar.schemas.ref import TYPE_TAG, Ref

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Call", "spread"]


@dataclass(frozen=True, slots=True)
class Call:
    """The arguments of one call."""

    args: Sequence[object]
    kwargs: Mapping[str, object]


def spread(interface: TaskInterface, call: Call) -> Call:
    """Return the call with a bag of refs in its first place handed to the inputs they fit.

    A ref goes to the input of its type. Where there are several, to the one named as the output it
    was returned under, else to the only one without a default. Refs of types that no open input
    stands for are passed over, as a result that the next task does not need. Any other call comes
    back as it is.

    Raises:
        BindingError: Several refs for an input that takes one, inputs that a ref fits alike, or
            none that any fits.
    """
    if not call.args or not _is_first_an_input(interface) or not _is_bag(call.args[0]):
        return call
    refs = list(_leaves(call.args[0]))
    taken: dict[str, list[Mapping[str, Any]]] = {}
    for made in refs:
        spec = _home(interface, made, call.kwargs)
        if spec is not None:
            taken.setdefault(spec.argument, []).append(made.ref)
    if not taken:
        kinds = sorted({made.type_name for made in refs})
        raise BindingError(
            f"none of its open inputs stands for what the tasks before it made: {', '.join(kinds)}",
            interface.name,
            "",
            f"Its inputs are {', '.join(spec.argument for spec in interface.inputs)}",
        )
    values = {
        spec.argument: _arranged(spec, taken[spec.argument], interface)
        for spec in interface.inputs
        if spec.argument in taken
    }
    return _placed(interface, call, values)


def _is_first_an_input(interface: TaskInterface) -> bool:
    first = next(iter(interface.signature.parameters), None)
    return any(spec.argument == first for spec in interface.inputs)


def _ref_in(value: object) -> Mapping[str, Any] | None:
    """Return a ref as it stands in a message; None for anything else."""
    if isinstance(value, Ref):
        return value.__json__()
    return value if isinstance(value, Mapping) and Ref.is_ref(value) else None


def _is_bag(value: object) -> bool:
    """Tell whether a value is a list or mapping of refs, however deep, and nothing else."""
    if not isinstance(value, list | tuple | dict) or not value or Ref.is_ref(value):
        return False
    parts = value.values() if isinstance(value, dict) else value
    return all(_ref_in(part) is not None or _is_bag(part) for part in parts)


@dataclass(frozen=True, slots=True)
class _Made:
    """One ref, with the output argument it was returned under, if its task had several."""

    ref: Mapping[str, Any]
    argument: str

    @property
    def type_name(self) -> str:
        return str(self.ref[TYPE_TAG])


def _leaves(value: Any, argument: str = "") -> Iterator[_Made]:
    ref = _ref_in(value)
    if ref is not None:
        yield _Made(ref, argument)
    elif isinstance(value, dict):
        for name, part in value.items():
            yield from _leaves(part, str(name))
    else:
        for part in value:
            yield from _leaves(part, argument)


def _home(
    interface: TaskInterface, made: _Made, by_keyword: Mapping[str, object]
) -> InputSpec | None:
    """Return the input that a ref goes to; None if it fits none that is open."""
    fitting = [
        spec
        for spec in interface.inputs
        if spec.type.type_name == made.type_name and spec.argument not in by_keyword
    ]
    parameters = interface.signature.parameters
    required = [s for s in fitting if parameters[s.argument].default is inspect.Parameter.empty]
    for some in ([s for s in fitting if s.argument == made.argument], fitting, required):
        if len(some) == 1:
            return some[0]
    if not fitting:
        return None
    names = ", ".join(spec.argument for spec in fitting)
    raise BindingError(
        f"a {made.type_name} of the tasks before it could go to {names}",
        interface.name,
        fitting[0].type.declaration.template.text,
        "Pass all but one of them by keyword",
    )


def _arranged(spec: InputSpec, refs: list[Mapping[str, Any]], interface: TaskInterface) -> object:
    if spec.shape is not Shape.ONE:
        return refs
    if len(refs) == 1:
        return refs[0]
    raise BindingError(
        f"the argument {spec.argument!r} takes one {spec.type.type_name}, not {len(refs)}",
        interface.name,
        spec.type.declaration.template.text,
        "Annotate the parameter as list[…]",
    )


def _placed(interface: TaskInterface, call: Call, values: Mapping[str, object]) -> Call:
    """Return the call with the inputs in their places and its other positional arguments between.

    Those go to the parameters that are left, in order, as if the inputs were not there.
    """
    rest = list(call.args[1:])
    args: list[object] = []
    kwargs = dict(call.kwargs)
    is_by_position = True
    for name, parameter in interface.signature.parameters.items():
        if parameter.kind is parameter.VAR_POSITIONAL and is_by_position:
            args += rest
            rest.clear()
        elif name in values or (rest and _takes_position(parameter) and name not in kwargs):
            value = values[name] if name in values else rest.pop(0)
            if is_by_position and _takes_position(parameter):
                args.append(value)
            else:
                kwargs[name] = value
        else:
            is_by_position = False
    if rest:
        raise BindingError(
            "too many positional arguments beside the results of the tasks before it",
            interface.name,
            "",
            f"Its signature is {interface.signature}",
        )
    return Call(tuple(args), kwargs)


def _takes_position(parameter: inspect.Parameter) -> bool:
    return parameter.kind in {parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD}
