"""What is needed to make a version once more, taken from the record of its run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rootcellar.catalog.answers.recipe import OtherPackage, Recipe
from rootcellar.schemas.ref import TYPE_TAG

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rootcellar.catalog.values import Run, RunInput, Version
    from rootcellar.schemas.record import CodeIdentity, Environment

__all__ = ["recipe_of"]

_REDACTED = "***"


def recipe_of(
    one: Version, run: Run, inputs: Sequence[RunInput], here: Environment | None
) -> Recipe:
    """Return how a version was made, its inputs pinned to what was read.

    Args:
        run: That made it.
        inputs: What that read.
        here: The environment to compare with; None if nobody knows it.
    """
    return Recipe(
        version=one,
        run=run,
        inputs=tuple(inputs),
        arguments=_pinned(run.arguments, inputs),
        packages=_differences(run.environment, here),
        here=here,
        caveats=tuple(_caveats(run, inputs, here)),
    )


def _pinned(arguments: Mapping[str, Any], inputs: Sequence[RunInput]) -> dict[str, Any]:
    """Return the call's arguments, each input as the ref of the version that was read."""
    by_argument: dict[str, list[RunInput]] = {}
    for one in inputs:
        by_argument.setdefault(one.argument, []).append(one)
    pinned = dict(arguments)
    for name, read in by_argument.items():
        refs = [one.version.ref.__json__() for one in read if one.version is not None]
        recorded = arguments.get(name)
        if len(read) > 1 or _is_several(recorded):
            pinned[name] = refs
        elif refs:
            pinned[name] = refs[0]
    return pinned


def _is_several(recorded: object) -> bool:
    if isinstance(recorded, Mapping):
        return TYPE_TAG in recorded and "where" in recorded
    return isinstance(recorded, list)


def _differences(then: Environment | None, here: Environment | None) -> tuple[OtherPackage, ...]:
    if then is None or here is None:
        return ()
    names = sorted(then.packages.keys() | here.packages.keys())
    found = [OtherPackage(name, then.packages.get(name), here.packages.get(name)) for name in names]
    return tuple(one for one in found if one.then != one.here)


def _caveats(run: Run, inputs: Sequence[RunInput], here: Environment | None) -> Iterator[str]:
    if run.kind == "task":
        yield from _of_code(run.code)
    if run.environment is None:
        yield "the environment was not recorded"
    elif here is None:
        yield "its packages were not compared with those here"
    for name, value in run.arguments.items():
        if _REDACTED in _texts(value):
            yield f"{name} holds a secret, which was not recorded: write it in"
    yield from _of_inputs(inputs)
    yield from _of_call(run)


def _of_call(run: Run) -> Iterator[str]:
    if run.kind == "task":
        yield "running it publishes new versions at the same URIs"
        if run.reuse_key:
            yield "its task reuses: as long as its outputs still stand, it takes those over"
    elif not run.kind:
        yield "only the end of its run is recorded yet: the call may still come"
    else:
        yield f"it was made by hand ({run.kind}), which left no code to run again"


def _of_code(code: CodeIdentity | None) -> Iterator[str]:
    if code is None or not code.git_commit:
        yield "no commit was recorded: the code that ran is known by its digest only"
    elif code.git_dirty:
        yield "the working tree had changes that are in no commit"
    elif code.git_dirty is None:
        yield "whether the working tree had changes is not known"


def _of_inputs(inputs: Sequence[RunInput]) -> Iterator[str]:
    for one in inputs:
        if one.version is None:
            yield f"{one.argument} was optional and absent; it may be there now"
        elif not one.version.is_present:
            where = "only a cache, or a store that keeps old versions, has it"
            yield f"{one.version} is no longer at its URI: {where}"


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)
