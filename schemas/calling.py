"""Arguments by name, as a signature binds them, read once per signature instead of per call."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["CallPlan"]

_MISSING = inspect.Parameter.empty
_VARIADIC = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
_BY_POSITION = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}


@dataclass(frozen=True, slots=True)
class CallPlan:
    """What `inspect.Signature.bind` finds out on every call anew.

    Attributes:
        signature: Also what words the error of a call that does not fit.
        defaults: Of all parameters in order; `inspect.Parameter.empty` where there is none.
        positional: Names that may be given by position, in order.
        position_only: How many of them may not be given by name.
        is_plain: No `*args` and no `**kwargs`; otherwise the signature itself binds.
    """

    signature: inspect.Signature
    defaults: tuple[tuple[str, Any], ...]
    positional: tuple[str, ...]
    position_only: int
    is_plain: bool

    @classmethod
    def of(cls, signature: inspect.Signature) -> Self:
        """Read a signature."""
        parameters = signature.parameters.values()
        return cls(
            signature,
            tuple((one.name, one.default) for one in parameters),
            tuple(one.name for one in parameters if one.kind in _BY_POSITION),
            sum(one.kind is one.POSITIONAL_ONLY for one in parameters),
            all(one.kind not in _VARIADIC for one in parameters),
        )

    def given(
        self, args: Sequence[object], kwargs: Mapping[str, object], *, partial: bool = False
    ) -> dict[str, Any]:
        """Return the arguments of a call by name, in the order of the parameters, no defaults.

        Args:
            partial: Some may be missing.

        Raises:
            TypeError: The call does not fit; worded as by `inspect`.
        """
        names = self.positional
        if self.is_plain and not kwargs and len(args) == len(names) == len(self.defaults):
            return dict(zip(names, args, strict=True))  # as most calls are
        found = self._given(args, kwargs, partial=partial) if self.is_plain else None
        if found is None:
            bind = self.signature.bind_partial if partial else self.signature.bind
            found = bind(*args, **kwargs).arguments
        return found

    def _given(
        self, args: Sequence[object], kwargs: Mapping[str, object], *, partial: bool
    ) -> dict[str, Any] | None:
        """Return the arguments, or None where the signature itself must decide."""
        if len(args) > len(self.positional):
            return None
        values: dict[str, Any] = dict(zip(self.positional, args, strict=False))
        if kwargs:
            if not values.keys().isdisjoint(kwargs):
                return None
            values.update(kwargs)
            if self.position_only and not kwargs.keys().isdisjoint(
                self.positional[: self.position_only]
            ):
                return None
        found = {}
        for name, default in self.defaults:
            if name in values:
                found[name] = values[name]
            elif default is _MISSING and not partial:
                return None
        return found if len(found) == len(values) else None

    def with_defaults(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments by name, with the defaults of those that were not given."""
        if self.is_plain:
            if len(given) == len(self.defaults):
                return dict(given)
            return {name: given.get(name, default) for name, default in self.defaults}
        bound = inspect.BoundArguments(self.signature, dict(given))
        bound.apply_defaults()
        return bound.arguments

    def call(self, arguments: Mapping[str, Any]) -> tuple[Sequence[Any], Mapping[str, Any]]:
        """Return positional and keyword arguments that pass all of these on to a function."""
        if not self.is_plain:
            bound = inspect.BoundArguments(self.signature, dict(arguments))
            return bound.args, bound.kwargs
        by_position = [arguments[name] for name in self.positional]
        if len(arguments) == len(by_position):
            return by_position, {}
        by_name = {name: value for name, value in arguments.items() if name not in self.positional}
        return by_position, by_name
