"""What it takes to make a version once more."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace

import pytest

from rootcellar.catalog.answers.recipe import OtherPackage
from rootcellar.schemas.errors import NotInCatalog
from rootcellar.schemas.record import CodeIdentity, Environment
from rootcellar.schemas.ref import Ref

HERE = Environment(python="3.12.1", platform="linux", packages={"numpy": "2.1", "pip": "25"})


def made(catalog, records, inputs, *, arguments, **fields):
    """A version by a run with this call."""
    one = records.version("pv", {"s": 1}, "power")
    start = replace(records.started(task="grid.simulate"), arguments=arguments, **fields)
    catalog.start_run(start)
    catalog.finish_run(records.ended(start.uid, inputs, [one]))
    return one.ref


def code(records, **fields):
    """Code of a commit."""
    return CodeIdentity(
        qualname="grid.tasks:simulate", source_digest=records.CODE.source_digest, **fields
    )


def test_inputs_are_pinned_to_what_was_read(catalog, records):
    """One is a ref, several are a list of refs; what is no input stays as it was."""
    [one, two] = [records.version("w", {"s": n}, f"{n}", origin="observed") for n in (1, 2)]
    single = made(catalog, records, [one], arguments={"source": {"$type": "w"}, "tilt": 30})
    several = made(catalog, records, [one, two], arguments={"source": {"$type": "w", "where": {}}})

    call = catalog.reproduce(single).arguments

    assert (one.ref, 30) == (Ref.from_json(call["source"]), call["tilt"])
    assert [one.ref, two.ref] == [
        Ref.from_json(ref) for ref in catalog.reproduce(several).arguments["source"]
    ]


def test_a_fan_in_of_one_stays_a_list(catalog, records):
    """As the body expects it."""
    one = records.version("w", {"s": 1}, "1", origin="observed")
    ref = made(catalog, records, [one], arguments={"source": [{"$type": "w"}]})

    assert 1 == len(catalog.reproduce(ref).arguments["source"])


def test_commands_can_be_typed(catalog, records):
    """Commit, packages, and a call that a shell hands on as it stands."""
    one = records.version("w", {"s": "it's"}, "1", origin="observed")
    ref = made(
        catalog,
        records,
        [one],
        arguments={"source": {"$type": "w"}},
        code=code(records, git_commit="abc123", git_dirty=False),
        environment=replace(records.ENVIRONMENT, image="ghcr.io/grid:1"),
    )
    recipe = catalog.reproduce(ref, here=HERE)
    *before, call = recipe.commands()

    assert [
        "# in the image ghcr.io/grid:1",
        "git checkout abc123",
        "# with Python 3.11.9; here it is 3.12.1",
        "python -m pip install numpy==2.0",
    ] == before
    words = shlex.split(call)
    assert ["celery", "-A", "grid.tasks", "call", "grid.simulate", "--kwargs"] == words[:-1]
    assert recipe.arguments == json.loads(words[-1])
    assert "-A other" in recipe.commands("other")[-1]
    assert (OtherPackage("numpy", "2.0", "2.1"), OtherPackage("pip", None, "25")) == recipe.packages


def test_what_stands_in_the_way_is_said(catalog, records):
    """Changes without a commit, secrets, absent inputs, and bytes that were replaced."""
    old = records.version("w", {"s": 1}, "1", origin="observed")
    new = records.version("w", {"s": 1}, "2", origin="observed", recorded_at=records.START)
    ref = made(
        catalog,
        records,
        [old, None],
        arguments={"source": {"$type": "w"}, "login": {"password": "***"}},
        code=code(records, git_commit="abc123", git_dirty=True),
    )
    records.record(catalog, [new])

    said = "\n".join(catalog.reproduce(ref).caveats)

    for part in (
        "changes that are in no commit",
        "login holds a secret",
        "source was optional and absent",
        "w(s=1) version 1 is no longer at its URI",
        "not compared",
    ):
        assert part in said


def test_an_unknown_commit_is_said(catalog, records):
    """Rather than leaving the line out and no more."""
    ref = made(catalog, records, [], arguments={})

    assert "no commit was recorded" in str(catalog.reproduce(ref))
    assert "git checkout" not in str(catalog.reproduce(ref))


def test_a_recipe_is_one_json_value(catalog, records):
    """With everything that the text says."""
    ref = made(catalog, records, [], arguments={"tilt": 30}, code=None, environment=None)
    document = json.loads(json.dumps(catalog.reproduce(ref, here=HERE).to_json()))

    assert ("grid.simulate", {"tilt": 30}, "", "3.12.1") == tuple(
        document[name] for name in ("task", "arguments", "commit", "python_here")
    )
    assert "the environment was not recorded" in document["caveats"]


def test_what_was_made_by_hand_has_no_call(catalog, records):
    """Its inputs can be pulled; the rest a person did."""
    one = records.version("w", {"s": 1}, "1", origin="observed")
    ref = made(catalog, records, [one], arguments={}, kind="session")
    recipe = catalog.reproduce(ref)

    assert (f"rootcellar pull {one.ref.version}",) == recipe.commands()
    assert "made by hand (session)" in recipe.text()


def test_a_call_that_no_shell_takes_is_not_printed(catalog, records):
    """It is there as a value."""
    ref = made(catalog, records, [], arguments={"text": "x" * 200_000})
    recipe = catalog.reproduce(ref)

    assert not any("reuses" in caveat for caveat in recipe.caveats)
    assert "too long to type" in recipe.commands()[-1]
    assert 200_000 == len(recipe.arguments["text"])


def test_a_task_that_reuses_says_so(catalog, records):
    """It would take over what is there, instead of running."""
    one = records.version("pv", {"s": 1}, "power")
    start = records.started()
    catalog.start_run(start)
    catalog.finish_run(records.ended(start.uid, [], [one], reuse_key="same"))

    assert "its task reuses" in catalog.reproduce(one.ref).text()


def test_a_run_whose_start_is_still_on_its_way_is_told(catalog, records):
    """Its call is not known yet."""
    one = records.version("pv", {"s": 1}, "power")
    catalog.finish_run(records.ended("some-run", [], [one]))

    assert "only the end of its run is recorded yet" in catalog.reproduce(one.ref).text()


def test_found_bytes_cannot_be_made_again(catalog, records):
    """No run of ours made them."""
    sky = records.version("w", {}, "sun", origin="observed")
    records.record(catalog, [sky])

    with pytest.raises(NotInCatalog, match="no run of ours made it"):
        catalog.reproduce(sky.ref)
