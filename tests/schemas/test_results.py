"""Results of earlier tasks, handed to the parameters they fit."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rootcellar.schemas.artifact import Artifact
from rootcellar.schemas.binding import bind
from rootcellar.schemas.digest import Digest
from rootcellar.schemas.errors import BindingError
from rootcellar.schemas.formats import Text
from rootcellar.schemas.handle import OUTPUT
from rootcellar.schemas.interface import TaskInterface
from rootcellar.schemas.ref import Pin, Ref
from rootcellar.schemas.registry import Registry
from rootcellar.schemas.results import Call, spread


class Solar(Artifact, uri="out://solar/{n}.txt", format=Text()):
    n: int


class Wind(Artifact, uri="out://wind/{n}.txt", format=Text()):
    n: int


class Other(Artifact, uri="out://other/{n}.txt", format=Text()):
    n: int


REGISTRY = Registry("grid")
REGISTRY.register(arguments=["solar", "reference"])(Solar)
REGISTRY.register(Wind)
REGISTRY.register(Other)


def ref_object(artifact):
    return Ref(
        type=artifact.type_name,
        key=artifact.key,
        uri=artifact.uri,
        version=f"v-{artifact.uri}",
        kind="file",
        digest=Digest.of(b"x"),
        size_bytes=1,
        pin=Pin(size_bytes=1),
    )


def ref(kind, n):
    return ref_object(kind(n=n)).__json__()


S1, S2, W1, W2, O1 = ref(Solar, 1), ref(Solar, 2), ref(Wind, 1), ref(Wind, 2), ref(Other, 1)


def one(solar, tilt=0): ...
def many(solar: list[Path], tilt=0): ...
def both(solar, wind, tilt=0, *, other=OUTPUT): ...
def fan_in(solar: list[Path], wind: list[Path], tilt=0): ...
def twice(solar, reference): ...
def twice_open(solar, reference=7): ...
def plain_first(tilt, solar): ...
def nothing(): ...
def positional(solar, tilt, wind, /, *rest): ...
def variadic(solar, wind, *rest): ...
def by_keyword(*, solar: list[Path], wind): ...
def gap(solar, tilt=0, wind=7, *rest): ...


def spread_over(body, *args, **kwargs):
    return spread(TaskInterface.of(body, REGISTRY), Call(args, kwargs))


@pytest.mark.parametrize(
    ("body", "args"),
    [
        (one, (S1,)),
        (one, (3,)),
        (one, ()),
        (many, ([3, 4],)),
        (many, ([S1, 3],)),
        (many, ([],)),
        (many, ({"n": 3},)),
        (plain_first, ([S1, W1], 3)),
        (nothing, ([S1],)),
        (nothing, ()),
    ],
)
def test_any_other_call_is_left_alone(body, args):
    """Keys, single refs, mixtures, and whatever comes to a parameter that is not staged."""
    call = Call(args, {})

    assert call is spread(TaskInterface.of(body, REGISTRY), call)


@pytest.mark.parametrize(
    ("body", "args", "kwargs", "expected"),
    [
        (many, ([S1, S2],), {}, Call(([S1, S2],), {})),
        (many, ([[S1], [S2]],), {}, Call(([S1, S2],), {})),
        (many, (([S1], S2), 5), {}, Call(([S1, S2], 5), {})),
        (many, ([S1, W1, O1],), {}, Call(([S1],), {})),
        (one, ([S1],), {}, Call((S1,), {})),
        (both, ([W1, S1],), {}, Call((S1, W1), {})),
        (both, ([W1, S1], 5), {}, Call((S1, W1, 5), {})),
        (both, ([W1, S1],), {"tilt": 5}, Call((S1, W1), {"tilt": 5})),
        (both, ([W1, S1],), {"wind": 7}, Call((S1,), {"wind": 7})),
        (both, ([S1],), {"wind": 7}, Call((S1,), {"wind": 7})),
        (both, ([S1], 7), {}, Call((S1, 7), {})),
        (both, ([W1], 7), {}, Call((7, W1), {})),
        (both, ({"solar": S1, "wind": W1},), {}, Call((S1, W1), {})),
        (both, ({"made": S1, "blown": W1},), {}, Call((S1, W1), {})),
        (both, ([{"a": S1}, {"b": [W1]}],), {}, Call((S1, W1), {})),
        (fan_in, ([S1, W1, S2, W2],), {}, Call(([S1, S2], [W1, W2]), {})),
        (fan_in, ([{"a": S1, "b": W1}, {"a": S2, "b": W2}],), {}, Call(([S1, S2], [W1, W2]), {})),
        (twice, ({"reference": S1, "solar": S2},), {}, Call((S2, S1), {})),
        (twice, ([S1],), {"reference": 7}, Call((S1,), {"reference": 7})),
        (twice, ([S1],), {"solar": 7}, Call((), {"solar": 7, "reference": S1})),
        (twice_open, ([S1],), {}, Call((S1,), {})),
        (twice_open, ([S1, O1],), {}, Call((S1,), {})),
        (twice_open, ({"reference": S1, "x": S2},), {}, Call((S2, S1), {})),
        (positional, ([W1, S1], 5), {}, Call((S1, 5, W1), {})),
        (positional, ([W1, S1], 5, 6, 7), {}, Call((S1, 5, W1, 6, 7), {})),
        (variadic, ([W1, S1], 6, 7), {}, Call((S1, W1, 6, 7), {})),
        (by_keyword, ([W1, S1],), {}, Call((), {"solar": [S1], "wind": W1})),
        (gap, ([W1, S1],), {}, Call((S1,), {"wind": W1})),
        (gap, ([W1, S1],), {"tilt": 5}, Call((S1,), {"tilt": 5, "wind": W1})),
        (gap, ([W1, S1], 5, 6), {}, Call((S1, 5, W1, 6), {})),
    ],
)
def test_a_bag_is_spread(body, args, kwargs, expected):
    """Each ref by its type, or by the name it was returned under; the rest fill what is left."""
    assert expected == spread_over(body, *args, **kwargs)


def test_refs_may_be_objects():
    """As a task that is called in this process gets them."""
    solar, wind = ref_object(Solar(n=1)), ref_object(Wind(n=1))

    assert Call((S1, W1), {}) == spread_over(both, [wind, solar])


@pytest.mark.parametrize(
    ("body", "args", "kwargs", "problem"),
    [
        (one, ([S1, S2],), {}, "'solar' takes one solar, not 2. Annotate the parameter as list"),
        (
            one,
            ([W1, O1],),
            {},
            "none of its open inputs .* made: other, wind. Its inputs are solar",
        ),
        (one, ([S1, S1],), {}, "takes one solar, not 2"),
        (one, ([S1],), {"solar": 7}, "none of its open inputs"),
        (twice, ([S1],), {}, "a solar of the tasks before it could go to solar, reference. Pass"),
        (twice, ([S1, S2],), {}, "could go to solar, reference"),
        (both, ([S1, W1], 5, 6), {}, "too many positional arguments beside"),
        (gap, ([S1, W1], 5, 6), {"tilt": 1}, "too many positional arguments beside"),
    ],
)
def test_what_fits_nowhere_is_refused(body, args, kwargs, problem):
    """With the task's name and a remedy; nothing is guessed, nothing goes to two inputs."""
    with pytest.raises(BindingError, match=problem) as caught:
        spread_over(body, *args, **kwargs)

    assert body.__name__ == caught.value.artifact
    assert caught.value.remedy


@given(st.recursive(st.sampled_from([S1, S2, W1, W2]), lambda inner: st.lists(inner, min_size=1)))
def test_nesting_does_not_matter(bag):
    """However deep, every ref arrives once and in order."""

    def leaves(value):
        return [value] if isinstance(value, dict) else [x for part in value for x in leaves(part)]

    if isinstance(bag, dict):
        return
    call = spread_over(fan_in, bag)
    given_by_name = dict(zip(["solar", "wind"], call.args, strict=False)) | call.kwargs

    for name in ("solar", "wind"):
        assert [x for x in leaves(bag) if x["$type"] == name] == given_by_name.get(name, [])


def test_a_chord_of_one_binds_like_a_chord_of_many():
    """Celery hands over the bare result of a single header task."""
    interface = TaskInterface.of(many, REGISTRY)

    for bag, expected in ((S1, [1]), ([S1], [1]), ([S1, S2], [1, 2]), ([[S1, S2]], [1, 2])):
        (item,) = bind(interface, (bag,), {}).inputs
        assert expected == [wanted.artifact.n for wanted in item.wanted]
