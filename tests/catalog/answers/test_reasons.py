"""Why a version differs: each kind of cause, alone and behind others."""

from __future__ import annotations

import pytest

from rootcellar.catalog.answers.causes import CauseKind
from rootcellar.schemas.errors import CatalogError, NotInCatalog


def kinds(why):
    """The kinds of root causes, nearest first."""
    return [root.kind.value for root in why.roots]


def pair(lab, before, after):
    """The same task twice with other bytes and these facts; returns why they differ."""
    lab.run("lab.fit", before.pop("reads", []), [lab.version("fit", "x")], **before)
    newer = lab.version("fit", "y")
    lab.run("lab.fit", after.pop("reads", []), [newer], **after)
    return lab.catalog.why(newer.ref)


def text_of(why):
    """The lines between the heading and the limits."""
    return [line.strip() for line in str(why).splitlines()[1:-1]]


def test_other_code_is_a_cause(lab_file):
    """Another source of the body, whatever the commit says."""
    why = pair(lab_file, {"source": "a"}, {"source": "b", "commit": "c" * 40})

    assert ["code"] == kinds(why)
    assert text_of(why)[0].startswith("CODE  fit changed: source ")
    assert "fit(n=1) version 2 differs from version 1 because the code of fit changed" == (
        why.sentence
    )


def test_another_commit_alone_is_named_for_what_it_is(lab_file):
    """Only the repository changed: a cause if there is no other, told with its reach."""
    why = pair(lab_file, {"commit": "a" * 40}, {"commit": "b" * 40})

    assert [
        (
            "CODE  commit bbbbbbb, was aaaaaaa, though fit and what it calls in its package are "
            "the same"
        )
    ] == text_of(why)
    assert ["code"] == kinds(why)


def test_a_commit_is_no_cause_beside_others(lab_file):
    """Where arguments explain the difference, a new README does not."""
    why = pair(
        lab_file,
        {"commit": "a" * 40, "arguments": {"threshold": 5.0}},
        {"commit": "b" * 40, "arguments": {"threshold": 4.5}},
    )

    assert ["ARGUMENTS  threshold 4.5, was 5.0"] == text_of(why)
    assert why.sentence.endswith("because fit was called with threshold 4.5, was 5.0")


def test_other_packages_are_a_cause(lab_file):
    """Each that differs, came or went."""
    why = pair(
        lab_file,
        {"packages": {"numpy": "2.0", "pandas": "2.2"}},
        {"packages": {"numpy": "2.1", "scipy": "1.14"}},
    )

    assert [
        "ENVIRONMENT  numpy 2.1, was 2.0; pandas not there, was 2.2; scipy 1.14, was not there"
    ] == text_of(why)
    assert why.sentence.endswith("because fit ran with other numpy, pandas, scipy")


def test_other_inputs_are_a_cause(lab_file):
    """Another artifact in the place of one is no change of data."""
    lab = lab_file
    one = lab.version("weather", "sun", origin="observed", key={"s": 3})
    other = lab.version("weather", "sun", origin="observed", key={"s": 4})

    why = pair(lab, {"reads": {"weather": [one]}}, {"reads": {"weather": [other]}})

    assert ["INPUTS  weather weather(s=4) version 1, was weather(s=3) version 1"] == text_of(why)


def test_members_of_a_fan_in_come_and_go(lab_file):
    """What stayed is matched by artifact, not by position; what came and went is told."""
    lab = lab_file
    seen = [lab.version("w", f"{n}", origin="observed", key={"s": n}) for n in range(3)]

    why = pair(lab, {"reads": seen[:2]}, {"reads": seen[1:]})
    turned = pair(lab, {"reads": seen}, {"reads": seen[::-1]})

    assert [
        "INPUTS  source[1] w(s=2) version 1, was not there; source not there, was w(s=0) version 1"
    ] == text_of(why)
    assert ["INPUTS  source: the same, in another order"] == text_of(turned)


def test_data_is_followed_to_where_it_came_from(lab):
    """Down two runs to bytes that no run of ours made, with both sides' numbers."""
    skies = [lab.version("weather", body, origin="observed") for body in ("sun", "rain")]
    powers = [lab.version("generation", body) for body in ("1", "2")]
    totals = [lab.version("total", body) for body in ("10", "20")]
    for sky, power, total in zip(skies, powers, totals, strict=True):
        lab.run("simulate", {"weather": [sky]}, [power])
        lab.run("add", {"pv": [power]}, [total])

    why = lab.catalog.why(totals[1].ref)

    assert (
        "total(n=1) version 2 differs from version 1 because\n"
        "  DATA  pv: generation(n=1) version 2, was version 1\n"
        "        DATA  weather: weather(n=1) version 2, was version 1; "
        "seen in its store, made by no run of ours\n"
        "  not examined: 0; unrecorded inputs cannot be excluded"
    ) == str(why)
    assert why.sentence.endswith(
        "because weather(n=1) has other content, seen in its store, made by no run of ours"
    )
    assert (3, ["data"]) == (why.examined, kinds(why))


def test_one_change_behind_two_paths_is_one_root(lab):
    """In a diamond the common source is told once, and referred to after that."""
    skies = [lab.version("weather", body, origin="observed") for body in ("sun", "rain")]
    for number, sky in enumerate(skies):
        powers = [lab.version("pv", f"{number} {t}", key={"tilt": t}) for t in (10, 30)]
        for power in powers:
            lab.run("simulate", {"weather": [sky]}, [power])
        total = lab.version("total", f"{number}")
        lab.run("add", {"pv": powers}, [total])

    why = lab.catalog.why(total.ref)

    assert 1 == len(why.roots)
    assert ["told elsewhere"] == [one.note for one in why.table() if one.note]


def test_nothing_that_differs_is_called_nondeterminism(lab):
    """Or an input that is not recorded; both are said."""
    sky = lab.version("weather", "sun", origin="observed")

    why = pair(lab, {"reads": [sky]}, {"reads": [sky]})

    assert [CauseKind.NONDETERMINISM] == [root.kind for root in why.roots]
    assert [
        (
            "NONDETERMINISM  nothing recorded differs: fit is not deterministic, or read what is "
            "not recorded"
        )
    ] == text_of(why)


def test_code_that_is_not_recorded_is_said(lab_file):
    """A session has no code on record: no conclusion is drawn from that."""
    why = pair(lab_file, {"kind": "session"}, {"kind": "session"})

    assert text_of(why)[0].endswith("not recorded; its code cannot be compared")


def test_a_push_is_where_records_end(lab_file):
    """What a person published came from a file that is not recorded."""
    lab = lab_file
    for body in ("sun", "rain"):
        pushed = lab.version("weather", body)
        lab.run("push", [], [pushed], kind="push")

    why = lab.catalog.why(pushed.ref)

    assert ["DATA  pushed by hand"] == text_of(why)


def test_unread_bytes_may_differ(lab_file):
    """Another state of an object is not called another content."""
    lab = lab_file
    seen = [lab.unread("weather", state) for state in ("etag 1", "etag 2")]

    why = pair(lab, {"reads": [seen[0]]}, {"reads": [seen[1]]})

    assert [
        (
            "DATA  source: weather(n=1) version 2, was version 1; its bytes are not known; "
            "seen in its store, made by no run of ours"
        )
    ] == text_of(why)
    assert "weather(n=1) may have other content" in why.sentence
    assert lab.catalog.why(seen[1].ref, seen[0].ref).is_same is None


def test_equal_content_has_no_causes(lab_file):
    """Made again with equal bytes, whatever else differs: there is nothing to explain."""
    lab = lab_file
    versions = [lab.version("fit", "same") for _ in range(2)]
    for number, one in enumerate(versions):
        lab.run("fit", [], [one], source=f"{number}")

    why = lab.catalog.why(versions[1].ref, versions[0].ref)

    assert ("fit(n=1) version 2 has the same content as version 1.", 0) == (str(why), why.examined)
    assert lab.catalog.why(versions[1].ref, versions[1].ref).sentence.endswith(
        "is that version itself"
    )


def chain(lab, length):
    """Two states of a file that updates itself, so many steps apart from a common past."""
    made = []
    for side in ("old", "new"):
        reads = [lab.version("seed", side, origin="observed")]
        for n in range(length):
            one = lab.version("state", f"{side} {n}")
            lab.run("step", {"state": reads}, [one])
            reads = [one]
        made.append(reads[0])
    return made


def test_a_limit_leaves_inputs_unexamined_and_says_which(lab_file):
    """Compared are the nearest; what is left is counted and named, and is no root."""
    old, new = chain(lab_file, 4)

    why = lab_file.catalog.why(new.ref, old.ref, max_nodes=2)

    assert (2, ["state(n=1)"]) == (why.examined, [o.version.artifact for o in why.not_examined])
    assert str(why).endswith(
        "(not examined)\n  not examined: 1 (state(n=1)); unrecorded inputs cannot be excluded"
    )
    assert () == why.roots
    assert why.sentence.endswith("why was not examined")
    with pytest.raises(CatalogError, match="max_nodes"):
        lab_file.catalog.why(new.ref, old.ref, max_nodes=0)


def test_a_deep_chain_needs_no_deep_stack(lab_file):
    """Four hundred steps are walked, told and drawn; the text stops after sixty lines."""
    old, new = chain(lab_file, 400)

    why = lab_file.catalog.why(new.ref, old.ref)

    assert ["data"] == kinds(why)
    assert "seed" == why.roots[0].version.type
    assert "… 340 more causes; see table()" in str(why)
    assert 400 == len(why.table())


def test_the_graph_marks_what_differs(lab_file):
    """Changed versions with their earlier numbers, unchanged inputs beside them."""
    lab = lab_file
    probe = lab.version("probe", "p", origin="observed")
    skies = [lab.version("weather", body, origin="observed") for body in ("sun", "rain")]
    why = pair(
        lab,
        {"reads": {"weather": [skies[0]], "probe": [probe]}},
        {"reads": {"weather": [skies[1]], "probe": [probe]}, "source": "b"},
    )

    nodes = {node.title: (node.detail, node.state) for node in why.graph().nodes}

    assert {
        "fit(n=1)": ("version 2, was 1", "focus"),
        "weather(n=1)": ("version 2, was 1", "changed"),
        "probe(n=1)": ("version 1", "present"),
        "lab.fit": ("differs in code", "succeeded"),
    } == nodes
    assert why.graph().to_svg().startswith("<svg")


def test_the_forms_of_an_answer_agree(lab_file):
    """Table, HTML and text hold the same causes."""
    why = pair(lab_file, {"source": "a"}, {"source": "b", "arguments": {"n": 1}})

    assert ["code", "arguments"] == list(why.table().column("cause"))
    assert [True, True] == list(why.table().column("is_root"))
    assert "fit changed" in why._repr_html_()
    assert str(why) == repr(why)


def test_there_must_be_something_to_compare_with(lab_file):
    """A first version has nothing before it."""
    first = lab_file.version("fit", "x")
    lab_file.run("fit", [], [first])

    with pytest.raises(NotInCatalog, match="no earlier version of it has other content"):
        lab_file.catalog.why(first.ref)
