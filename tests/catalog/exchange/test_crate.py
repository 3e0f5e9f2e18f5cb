"""Process Run Crates: read by the package `rocrate`, and held to what the profile demands."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from rocrate.rocrate import ROCrate

from rootcellar.schemas.digest import Digest
from rootcellar.schemas.errors import CatalogError, TargetExists
from rootcellar.schemas.record import ErrorRecord, RunState
from rootcellar.schemas.ref import Pin

PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
TOOLS = {"SoftwareApplication", "SoftwareSourceCode", "ComputationalWorkflow"}


@pytest.fixture
def history(catalog, records):
    """Weather, rewritten once; a folder made of both states; a report made of the folder."""
    at = [records.START.replace(minute=n) for n in (1, 2)]
    sky = [
        records.version("weather", {"station": 3}, f"sky {n}", origin="observed", recorded_at=at[n])
        for n in (0, 1)
    ]
    plain = records.version("grid", {"name": "a b"}, "members")
    folder = replace(plain, ref=plain.ref.model_copy(update={"kind": "folder"}), members=3)
    report = records.version("report", {}, "all")
    start = records.started(task="grid.collect", arguments={"tilt": 30, "at": {"x": None}})
    catalog.finish_run(records.ended(start.uid, sky, [folder]), start)
    records.record(catalog, [folder], [report], task="grid.report")
    return {"sky": sky, "folder": folder, "report": report, "run": start}


def entities(folder):
    """Everything in a crate, by identifier."""
    document = json.loads((folder / "ro-crate-metadata.json").read_text())
    found = {one["@id"]: one for one in document["@graph"]}

    assert len(found) == len(document["@graph"]), "two entities have one identifier"
    return found


def ids(references):
    """What is referred to."""
    return [one["@id"] for one in references]


def test_the_package_reads_the_crate(catalog, history, tmp_path):
    """Its data entities are the versions of the history, its actions the runs."""
    written = catalog.to_crate(history["report"].ref, tmp_path / "crate")
    crate = ROCrate(written.path)
    actions = crate.get_by_type("CreateAction")
    uids = {one["identifier"].removeprefix("urn:uuid:") for one in crate.data_entities}
    report = catalog.find(history["report"].ref)

    assert {report.uid, *catalog.upstream(report).column("version")} == uids
    assert ["grid.collect", "grid.report"] == [one["instrument"]["name"] for one in actions]
    assert "raw://report/" == crate.mainEntity.id
    assert (4, 2, "") == (written.versions, written.runs, written.note)


def test_the_profile_is_kept(catalog, history, tmp_path):
    """Everything that RO-Crate 1.1 and Process Run Crate 0.5 demand is there."""
    catalog.to_crate(history["report"].ref, tmp_path / "crate")
    found = entities(tmp_path / "crate")
    descriptor, root = found["ro-crate-metadata.json"], found["./"]
    actions = [one for one in found.values() if one["@type"] == "CreateAction"]

    assert ("CreativeWork", "./") == (descriptor["@type"], descriptor["about"]["@id"])
    assert "https://w3id.org/ro/crate/1.1" == descriptor["conformsTo"]["@id"]
    assert PROFILE == root["conformsTo"]["@id"]
    assert ("CreativeWork", "0.5") == (found[PROFILE]["@type"], found[PROFILE]["version"])
    assert "Dataset" == root["@type"]
    assert all(root[name] for name in ("name", "description", "datePublished"))
    assert ids(root["mentions"]) == [one["@id"] for one in actions]
    for action in actions:
        assert found[action["instrument"]["@id"]]["@type"] in TOOLS
        assert action["startTime"] < action["endTime"]
        for one in ids(action["object"] + action["result"]):
            kinds = (
                {found[one]["@type"]}
                if isinstance(found[one]["@type"], str)
                else set(found[one]["@type"])
            )

            assert kinds <= {"File", "Dataset", "Collection", "PropertyValue"}
            assert "PropertyValue" in kinds or one in ids(root["hasPart"])


def test_files_and_folders_have_size_and_digest(catalog, history, tmp_path):
    """A file stands under its URI with its sha256; a folder is a collection, with a slash."""
    catalog.to_crate(history["report"].ref, tmp_path / "crate")
    found = entities(tmp_path / "crate")
    sky, folder = found["raw://weather/station=3"], found["raw://grid/name=a%20b/"]
    digest = history["sky"][1].ref.digest

    assert ("File", "5", digest.removeprefix("sha256:")) == (
        sky["@type"], sky["contentSize"], sky["sha256"]
    )  # fmt: skip
    assert ["Dataset", "Collection"] == folder["@type"]
    assert "3 files" == folder["description"]


def test_two_versions_at_one_uri_are_two_entities(catalog, history, tmp_path):
    """The newest has the URI, the one before it the URI with its uid."""
    catalog.to_crate(history["report"].ref, tmp_path / "crate")
    older = entities(tmp_path / "crate")[f"raw://weather/station=3#{history['sky'][0].ref.version}"]

    assert history["sky"][0].ref.digest == f"sha256:{older['sha256']}"


def test_arguments_are_objects_of_the_action(catalog, history, tmp_path):
    """Numbers and texts as they are, other values as JSON."""
    catalog.to_crate(history["report"].ref, tmp_path / "crate")
    found = entities(tmp_path / "crate")
    action = found[f"urn:uuid:{history['run'].uid}"]
    values = {found[one]["name"]: found[one]["value"] for one in ids(action["object"][2:])}

    assert {"tilt": 30, "at": '{"x": null}'} == values
    assert action["actionStatus"]["@id"].endswith("CompletedActionStatus")


def test_a_failed_run_says_why(catalog, records, tmp_path):
    """What a failed run left behind has an action with status and error."""
    made = records.version("pv", {}, "x")
    error = ErrorRecord(phase="record", error="OSError", message="disk", traceback="")
    uid = records.record(catalog, [], [made], state=RunState.FAILED, error=error)
    catalog.to_crate(made.ref, tmp_path / "crate")
    action = entities(tmp_path / "crate")[f"urn:uuid:{uid}"]

    assert action["actionStatus"]["@id"].endswith("FailedActionStatus")
    assert "OSError: disk" == action["error"]


def test_other_digests_are_identifiers(catalog, records, tmp_path):
    """A blake3 digest is no sha256; one that nobody knows is left out."""
    made = records.version("pv", {}, "x")
    blake = made.ref.model_copy(update={"digest": Digest(f"blake3:{'0' * 64}")})
    unread = Digest.unread("raw://x", "etag:1")
    sky = records.version("weather", {}, "", origin="observed", pin=Pin(size_bytes=0, etag="1"))
    sky = replace(sky, ref=sky.ref.model_copy(update={"digest": unread}))
    records.record(catalog, [sky], [replace(made, ref=blake)])
    catalog.to_crate(blake, tmp_path / "crate")
    found = entities(tmp_path / "crate")

    assert f"blake3:{'0' * 64}" in found["raw://pv/"]["identifier"]
    assert not {"sha256"} & (found["raw://pv/"].keys() | found["raw://weather/"].keys())


def test_an_earlier_crate_is_replaced_and_nothing_else(catalog, history, tmp_path):
    """A folder with other things in it is left alone."""
    report = catalog.find(history["report"].ref)
    report.to_crate(tmp_path / "crate")
    report.to_crate(tmp_path / "crate")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("years")

    assert ["ro-crate-metadata.json"] == [one.name for one in (tmp_path / "crate").iterdir()]
    with pytest.raises(TargetExists, match="holds other things than a crate"):
        report.to_crate(tmp_path / "other")
    with pytest.raises(TargetExists, match="is a file"):
        report.to_crate(tmp_path / "other" / "thesis.tex")
    with pytest.raises(CatalogError, match="cannot be written"):
        report.to_crate(tmp_path / "other" / "thesis.tex" / "crate")


def test_a_limit_is_said_in_the_crate(catalog, history, tmp_path):
    """In the description of the whole, and of the run whose inputs are left out."""
    written = catalog.to_crate(history["report"].ref, tmp_path / "crate", max_nodes=1)
    found = entities(tmp_path / "crate")
    action = found[f"urn:uuid:{history['run'].uid}"]

    assert "stopped after 1 versions; there are more" == written.note
    assert written.note in found["./"]["description"]
    assert "inputs were left out" in action["description"]
