from __future__ import annotations

import json
import shutil
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from rootcellar.cli import checks
from rootcellar.schemas.mounts import network_file_system

if TYPE_CHECKING:
    from pathlib import Path

SAFE = (
    "app.conf.update(task_acks_late=True, task_reject_on_worker_lost=True,"
    " worker_prefetch_multiplier=1)\n"
)
HASTY = "@app.task(name='hasty', shared=False, acks_late=False)\ndef hasty(): pass\n"
ODD = "@app.task(name='odd', shared=False)\ndef odd(weather: 'Nowhere'): pass\n"
FULL = SimpleNamespace(disk_usage=lambda path: SimpleNamespace(free=10**8, total=10**12))


def states(result) -> dict[str, str]:
    return {one["name"]: one["state"] for one in json.loads(result.stdout)["checks"]}


def finding(result, name: str) -> dict:
    return next(one for one in json.loads(result.stdout)["checks"] if one["name"] == name)


def append(project: Path, text: str) -> None:
    module = project / "cellar_grid.py"
    module.write_text(module.read_text() + text)


def test_healthy_project_has_no_problem(filled: Path, call) -> None:
    """All is ok, and the exit code says so."""
    result = call("doctor", "--json")

    assert result.exit_code == 0
    assert json.loads(result.stdout)["is_ok"]
    assert set(states(result).values()) == {"ok"}
    assert {"settings", "registry", "store raw", "store derived", "cache", "cache space",
            "catalog", "spool", "extras"} == set(states(result))  # fmt: skip


def test_problem_has_a_remedy_and_exit_code_1(project: Path, call) -> None:
    """A store that is not there is a problem; the other checks are made all the same."""
    (project / "rootcellar.toml").write_text('[stores]\nraw = "missing"\n')

    result = call("doctor", "--json")

    assert result.exit_code == 1
    assert finding(result, "store raw")["state"] == "problem"
    assert finding(result, "store raw")["remedy"].startswith("Create the folder")
    assert states(result)["catalog"] == "ok"
    shown = call("doctor").stdout
    assert "1 problem." in shown
    assert "Create the folder" in shown


def test_settings_that_cannot_be_read_are_the_only_finding(project: Path, call) -> None:
    """Without settings nothing else can be checked."""
    (project / "rootcellar.toml").write_text("x =")

    assert states(call("doctor", "--json")) == {"settings": "problem"}


def test_missing_variable_of_a_store_hides_nothing_else(project: Path, call) -> None:
    """An option that refers to no variable is a problem of the stores."""
    (project / "rootcellar.toml").write_text(
        '[stores.raw]\nurl = "x"\noptions = {auto_mkdir = "env:NOT_SET_HERE"}\n'
    )

    found = states(call("doctor", "--json"))

    assert (found["stores"], found["catalog"]) == ("problem", "ok")


def test_no_registry_is_a_note(project: Path, call) -> None:
    """Who only asks the catalog needs none."""
    (project / "rootcellar.toml").write_text("")

    result = call("doctor", "--json")

    assert (states(result)["registry"], result.exit_code) == ("note", 0)


def test_celery_settings_that_lose_work(project: Path, call) -> None:
    """Celery's defaults lose the run of a killed worker, and doctor says which setting helps."""
    result = call("doctor", "--json", "-A", "cellar_grid")

    assert result.exit_code == 1
    assert "task_acks_late" in finding(result, "acks late")["remedy"]
    assert "task_reject_on_worker_lost" in finding(result, "reject on worker lost")["remedy"]
    assert finding(result, "prefetch")["state"] == "note"


def test_celery_settings_that_keep_work(project: Path, call) -> None:
    """With the three settings nothing is left to say."""
    append(project, SAFE)

    result = call("doctor", "--json", "-A", "cellar_grid")

    assert result.exit_code == 0, result.stdout
    assert states(result)["prefetch"] == "ok"


def test_task_that_differs_is_named(project: Path, call) -> None:
    """One task without late acknowledgement is enough, and named."""
    append(
        project,
        SAFE + "@app.task(name='hasty', shared=False, acks_late=False)\ndef hasty():\n    pass\n",
    )

    detail = finding(call("doctor", "--json", "-A", "cellar_grid"), "acks late")["detail"]

    assert detail.startswith("off for hasty:")


@pytest.mark.parametrize(
    ("options", "state"),
    [
        ("", "problem"),
        ("app.conf.task_time_limit = 3599\n", "ok"),
        ("app.conf.task_time_limit = 3600\n", "problem"),
        (
            (
                "app.conf.update(task_time_limit=7200,"
                " broker_transport_options={'visibility_timeout': 7300})\n"
            ),
            "ok",
        ),
    ],
)
def test_visibility_is_held_against_time_limits(
    project: Path, call, options: str, state: str
) -> None:
    """On Redis a run longer than the visibility timeout is delivered twice."""
    append(project, SAFE + "app.conf.broker_url = 'redis://localhost/0'\n" + options)

    result = call("doctor", "--json", "-A", "cellar_grid")

    assert states(result)["visibility"] == state


def test_task_that_cannot_be_staged_is_a_problem(project: Path, call) -> None:
    """A signature that asks for what its type cannot give is found before the first run."""
    append(
        project, SAFE + "@app.task(name='odd', shared=False)\ndef odd(weather: 'Nowhere'): pass\n"
    )

    result = call("doctor", "--json", "-A", "cellar_grid")

    assert states(result)["task odd"] == "problem"


def test_catalog_that_cannot_be_reached(project: Path, call) -> None:
    """A database that is away is a problem, its password hidden."""
    result = call("doctor", "--json", ROOTCELLAR_CATALOG="postgresql://me:tell@127.0.0.1:1/x")

    assert finding(result, "catalog")["state"] == "problem"
    assert "tell" not in result.stdout


def test_catalog_of_a_newer_version(filled: Path, call) -> None:
    """A revision that is not ours is a problem."""
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(filled / ".rootcellar/catalog.sqlite")) as database:
        database.execute("UPDATE catalog_revision SET version_num = '9999'")
        database.commit()

    found = finding(call("doctor", "--json"), "catalog")

    assert (found["state"], "9999" in found["detail"]) == ("problem", True)


def test_extra_that_is_needed_and_missing(
    project: Path, call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing extra is a problem only where the settings need it."""
    find = checks.importlib.util.find_spec
    monkeypatch.setattr(
        checks.importlib.util,
        "find_spec",
        lambda name, *rest: None if name in {"psycopg", "redis"} else find(name, *rest),
    )

    result = call("doctor", "--json", ROOTCELLAR_CATALOG="postgresql://127.0.0.1:1/x")

    assert finding(result, "extra postgres")["remedy"] == "Install rootcellar[postgres]"
    assert "extra redis" not in states(result)


@pytest.mark.parametrize(
    ("name", "replacement", "check"),
    [
        ("network_file_system", lambda path: "nfs4", "cache disk"),
        ("_links_work", lambda folder: False, "cache disk"),
        ("shutil", FULL, "cache space"),
    ],
    ids=["network", "links", "space"],
)  # fmt: skip
def test_cache_on_an_unfit_disk(
    project: Path, call, monkeypatch: pytest.MonkeyPatch, name: str, replacement, check: str
) -> None:
    """A network file system, a disk without hard links or without room is a problem."""
    monkeypatch.setattr(checks, name, replacement)

    result = call("doctor", "--json")

    assert (states(result)[check], result.exit_code) == ("problem", 1)


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("ROOTCELLAR_CACHE_FLOOR", "100%", "cache_floor keeps"),
        ("ROOTCELLAR_CACHE_BUDGET", "12", "the budget is 12 B"),
    ],
)
def test_cache_whose_settings_leave_no_room(
    project: Path, call, variable: str, value: str, said: str
) -> None:
    """Room that the settings keep from downloads is none, however much is free."""
    result = call("doctor", "--json", **{variable: value})

    assert said in finding(result, "cache space")["detail"]
    assert result.exit_code == 1


def test_cache_that_others_may_write(filled: Path, call) -> None:
    """A cache folder open to other users is a problem."""
    (filled / ".rootcellar/cache").chmod(0o777)

    assert states(call("doctor", "--json"))["cache"] == "problem"


def test_links_are_tried_for_real(tmp_path: Path) -> None:
    """The probe leaves nothing behind."""
    assert checks._links_work(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert network_file_system(tmp_path) == ""
    assert shutil.disk_usage(tmp_path).free > 0
