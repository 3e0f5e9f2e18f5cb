"""Equal means and other content."""

from __future__ import annotations

import pytest

from rootcellar.schemas.errors import NotInCatalog


def twice(lab, before=(), after=(), *, bodies=("x", "y"), task="lab.fit"):
    """A task twice, with these facts; returns what the catalog calls nondeterministic."""
    for facts, body in zip((before, after), bodies, strict=True):
        given = {"reads": [], **dict(facts)}
        lab.run(task, given.pop("reads"), [lab.version("fit", body)], **given)
    return lab.catalog.nondeterministic()


def test_the_same_means_with_other_content_are_found(lab):
    """Both versions and runs are told, and whether the environment was the same."""
    sky = lab.version("weather", "sun", origin="observed")
    same = {"reads": {"weather": [sky]}, "arguments": {"weather": 3, "tilt": 10}}

    (found,) = twice(lab, same, same)

    assert (1, 2, True) == (found.first.seq, found.second.seq, found.is_same_environment)
    assert "lab.fit made fit(n=1) version 2 with other content than version 1" == str(found)
    assert found.first.run_uid != found.second.run_uid


def test_other_names_for_equal_inputs_are_the_same(lab):
    """Inputs count by artifact and content: how the caller wrote them does not."""
    skies = [lab.version("weather", "sun", origin="observed") for _ in range(2)]
    before = {"reads": {"weather": [skies[0]]}, "arguments": {"weather": 3}}
    after = {"reads": {"weather": [skies[1]]}, "arguments": {"weather": {"station": 3}}}

    assert 1 == len(twice(lab, before, after))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"source": "a"}, {"source": "b"}),
        ({"arguments": {"tilt": 10}}, {"arguments": {"tilt": 30}}),
        ({"kind": "session"}, {"kind": "session"}),
        ({"arguments": {"token": "***"}}, {"arguments": {"token": "***"}}),
        ({"arguments": {"n": ["… 9 in all"]}}, {"arguments": {"n": ["… 9 in all"]}}),
    ],
)
def test_what_explains_a_difference_is_not_found(lab, before, after):
    """Other code, other arguments, code that is not recorded, and what may differ."""
    assert [] == list(twice(lab, before, after))


def test_another_content_of_an_input_explains_a_difference(lab):
    """The same artifact, and other bytes."""
    skies = [lab.version("weather", body, origin="observed") for body in ("sun", "rain")]

    assert [] == list(twice(lab, {"reads": [skies[0]]}, {"reads": [skies[1]]}))


def test_one_input_more_explains_a_difference(lab):
    """A fan-in of two is not the same as of one."""
    skies = [lab.version("w", "sun", origin="observed", key={"n": n}) for n in range(2)]

    assert [] == list(twice(lab, {"reads": skies[:1]}, {"reads": skies}))


def test_equal_content_is_as_it_should_be(lab):
    """Two runs that agree are no finding."""
    assert [] == list(twice(lab, bodies=("x", "x")))


def test_another_environment_is_told(lab):
    """It may well be the cause, and is not part of the means."""
    (found,) = twice(lab, {"packages": {"numpy": "2.0"}}, {"packages": {"numpy": "2.1"}})

    assert found.is_same_environment is False
    assert str(found).endswith(", in another environment")


def test_a_task_selects_and_a_limit_says_so(lab):
    """By the end of its name; a misspelt one is refused."""
    twice(lab)
    twice(lab, bodies=("a", "b"), task="lab.other")
    whole = lab.catalog.nondeterministic("other")
    cut = lab.catalog.nondeterministic(max_rows=1)

    assert ["lab.other"] == list(whole.column("task"))
    assert (1, "first 1 of more") == (len(cut), cut.note)
    with pytest.raises(NotInCatalog, match="misspelt"):
        lab.catalog.nondeterministic("misspelt")
