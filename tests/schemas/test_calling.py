"""calling: the plan binds as `inspect` does, whatever the signature and the call."""

from __future__ import annotations

import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rootcellar.schemas.calling import CallPlan


def none():
    pass


def plain(weather, tilt=30, *, note="", pv):
    pass


def places(first, second=2, /, third=3):
    pass


def surplus(first, *rest, tilt=1, **others):
    pass


FUNCTIONS = [none, plain, places, surplus]
NAMES = ["weather", "tilt", "note", "pv", "first", "second", "third", "rest", "others", "unknown"]
calls = st.tuples(
    st.sampled_from(FUNCTIONS),
    st.lists(st.integers(), max_size=4),
    st.dictionaries(st.sampled_from(NAMES), st.integers(), max_size=4),
)


def outcome(work):
    """What a call gives, or what it says."""
    try:
        return work()
    except TypeError as error:
        return str(error)


@given(calls)
def test_binds_as_inspect_does(call):
    """The same names, the same values, the same order, the same words for what does not fit."""
    function, args, kwargs = call
    signature = inspect.signature(function)
    plan = CallPlan.of(signature)

    assert outcome(lambda: list(signature.bind(*args, **kwargs).arguments.items())) == outcome(
        lambda: list(plan.given(args, kwargs).items())
    )
    assert outcome(
        lambda: list(signature.bind_partial(*args, **kwargs).arguments.items())
    ) == outcome(lambda: list(plan.given(args, kwargs, partial=True).items()))


@given(calls)
def test_passes_on_as_inspect_does(call):
    """Defaults are filled in, and the body gets what a direct call would give it."""
    function, args, kwargs = call
    signature = inspect.signature(function)
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError:
        return
    bound.apply_defaults()
    plan = CallPlan.of(signature)
    arguments = plan.with_defaults(plan.given(args, kwargs))
    by_position, by_name = plan.call(arguments)

    assert list(bound.arguments.items()) == list(arguments.items())
    assert (bound.args, bound.kwargs) == (tuple(by_position), dict(by_name))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_only_plain_signatures_are_planned(function):
    """What takes any number of arguments is left to `inspect`."""
    assert (function is not surplus) == CallPlan.of(inspect.signature(function)).is_plain
