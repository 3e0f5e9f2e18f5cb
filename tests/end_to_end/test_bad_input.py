"""Bad input: an error that names the artifact, the URI and the remedy, and nothing lost."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from grid_artifacts import Elsewhere, Frame, Lines, Total, Weather

from rootcellar import Artifact, Registry, Text
from rootcellar.catalog.migration import REVISION_TABLE
from rootcellar.schemas.errors import (
    AccessDenied,
    ArtifactNotFound,
    BindingError,
    CacheUnusable,
    CatalogTooNew,
    ContentError,
    DeclarationError,
    InvalidKey,
    MissingOutput,
    RootcellarError,
    StoreMissing,
)


def says(error: BaseException, *parts: str) -> bool:
    """Tell whether an error of ours names all of these, and a remedy."""
    assert isinstance(error, RootcellarError)
    missing = [part for part in parts if part not in str(error)]
    assert missing == [], str(error)
    return bool(error.remedy)


def test_unknown_placeholder():
    """A template that names a field the class does not have is refused where it stands."""
    with pytest.raises(DeclarationError) as raised:

        class Misspelt(Artifact, uri="raw://x/{staton}.txt", format=Text()):
            station: int

    assert says(raised.value, "Misspelt", "raw://x/{staton}.txt", "staton")


def test_missing_field():
    """A key field that no placeholder shows is refused: two keys would meet in one URI."""
    with pytest.raises(DeclarationError) as raised:

        class Forgetful(Artifact, uri="raw://x/all.txt", format=Text()):
            station: int

    assert says(raised.value, "Forgetful", "raw://x/all.txt", "station")


def test_two_types_in_one_uri():
    """A type whose URIs another type could render too is refused when it is registered."""
    registry = Registry("meeting")
    registry.register(Weather)

    class Rival(Artifact, uri="raw://weather/{name}.txt", format=Text()):
        name: str

    with pytest.raises(DeclarationError) as raised:
        registry.register(Rival)

    assert says(raised.value, "rival", "weather", "raw://weather/")


@pytest.mark.parametrize(
    ("args", "kwargs", "named"),
    [
        ((), {"tilt": 3}, "weather"),
        ((1,), {}, "tilt"),
        ((1, 2), {"slope": 3}, "slope"),
        ((1, 2, 3), {}, "too many"),
        (("one", 2), {}, "station"),
        ((True, 2), {}, "station"),
        ((None, 2), {}, "weather"),
        (([1, 2], 2), {}, "weather"),
        ((1, "steep"), {}, "tilt"),
        ((1, 2), {"generation": "x"}, "generation"),
    ],
)
def test_call_that_does_not_fit(grid, args, kwargs, named):
    """A missing, unknown or ill-typed argument raises in the caller, and nothing is sent."""
    from grid_app import simulate

    with grid.nothing_sent(), pytest.raises(BindingError) as raised:
        simulate.delay(*args, **kwargs)

    assert says(raised.value, "grid_app.simulate", named)


def test_hostile_key(grid):
    """A key that would climb out of its store is refused in the caller."""
    from grid_artifacts import Part

    with pytest.raises(InvalidKey) as raised:
        Part(station=1, name="../../etc/passwd")

    assert says(raised.value, "part", "derived://part/")


def test_missing_input(grid):
    """An input that is not there fails its run, which says what to do, and is not retried."""
    from grid_app import simulate

    result = simulate.delay(999, 1)
    error = grid.failed(result)
    (run,) = grid.runs(result)

    assert isinstance(error, ArtifactNotFound)
    assert says(error, "Weather(station=999)", "raw://weather/999.txt", "weather")
    assert (run.state, run.error.cause) == ("failed", "missing input")


@pytest.mark.parametrize(
    ("task", "kind", "artifact"),
    [
        ("writes_nothing", MissingOutput, Total),
        ("writes_empty", ContentError, Lines),
        ("writes_wrong_schema", ContentError, Frame),
        ("writes_nowhere", StoreMissing, Elsewhere),
    ],
)
def test_output_that_cannot_be_published(grid, task, kind, artifact):
    """No file, an empty one, another schema, no such store: a clear end, nothing visible."""
    import grid_app

    station = grid.station()
    result = getattr(grid_app, task).delay(station)
    error = grid.failed(result)
    (run,) = grid.runs(result)
    expected = artifact(station=station)

    assert isinstance(error, kind)
    assert says(error, str(expected), expected.uri)
    # That there is no place for it is known before the body has spent hours.
    phase = "stage in" if artifact is Elsewhere else "stage out"
    assert (run.state, run.error.phase) == ("failed", phase)
    assert artifact is Elsewhere or not grid.exists(expected)


def test_output_of_a_body_that_fails(any_grid):
    """What a failing body wrote is visible nowhere in the store."""
    from grid_app import trouble

    station = any_grid.station()
    before = any_grid.stored("derived")
    any_grid.failed(trouble.delay(station, "arithmetic"))

    assert any_grid.stored("derived") == before


def test_store_without_credentials(rootcellar_s3_server, eager):
    """A store that lets nobody in is named with the artifact, and is not tried again."""
    stores = {"raw": {"url": "s3://private/x", "options": {"endpoint_url": "http://127.0.0.1:1"}}}
    error = eager.failing(stores=stores)

    assert isinstance(error, AccessDenied)
    assert says(error, "Weather(station=1)", "raw://weather/001.txt", "redentials")


def test_bucket_that_does_not_exist(rootcellar_s3_server, eager):
    """A bucket that is not there is said to be missing, not its objects."""
    options = {"endpoint_url": rootcellar_s3_server, "key": "testing", "secret": "testing"}
    error = eager.failing(stores={"raw": {"url": "s3://no-such-bucket/x", "options": options}})

    assert isinstance(error, StoreMissing)
    assert says(error, "Weather(station=1)", "raw://weather/001.txt")


def test_store_that_no_setting_names(eager):
    """A misspelt store is said to be unknown, with those that are known."""
    error = eager.failing(stores={"wra": str(eager.folder / "raw")})

    assert isinstance(error, StoreMissing)
    assert says(error, "raw://weather/001.txt", "'raw'", "wra")


class _Refusing(BaseHTTPRequestHandler):
    """A store that knows the caller and lets it do nothing."""

    def do_GET(self):
        body = b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>"
        self.send_response(403)
        self.send_header("Content-Length", str(0 if self.command == "HEAD" else len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_PUT = do_POST = do_GET  # noqa: N815  the names that http.server looks for

    def log_message(self, *_args):
        pass


def test_store_without_permission(eager):
    """A store that refuses is named by its logical URI, with what to check, and not retried."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        options = {"endpoint_url": url, "key": "known", "secret": "but not allowed"}
        error = eager.failing(stores={"raw": {"url": "s3://closed/x", "options": options}})
        server.shutdown()

    assert isinstance(error, AccessDenied)
    assert not error.transient
    assert says(error, "Weather(station=1)", "raw://weather/001.txt")
    assert "closed" not in str(error)
    assert error.remedy


def test_catalog_of_a_newer_version(eager):
    """Where runs shall not go on without one, the error says that a newer rootcellar wrote it."""
    import sqlite3

    eager.prepare()
    with sqlite3.connect(eager.folder / "catalog.sqlite") as rows:
        rows.execute(f"UPDATE {REVISION_TABLE} SET version_num = '9999'")
    rows.close()
    error = eager.failing(catalog_away="fail")

    assert isinstance(error, CatalogTooNew)
    assert error.remedy


def test_unusable_cache_folder(eager):
    """A cache that cannot be written fails the run, which has its row all the same."""
    (eager.folder / "cache").write_text("a file, not a folder")
    error = eager.failing()
    (run,) = eager.catalog.runs()

    assert isinstance(error, CacheUnusable)
    assert "ROOTCELLAR_CACHE_DIR" in error.remedy
    assert (run.state, run.error.error) == ("failed", "rootcellar.schemas.errors.CacheUnusable")
