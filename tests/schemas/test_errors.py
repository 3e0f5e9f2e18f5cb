"""Errors: whole after every journey, and a sentence to read."""

import copy
import pickle

import pytest
from celery import Celery
from celery.backends.base import Backend
from kombu.utils import json as kombu_json

from rootcellar.schemas import errors
from rootcellar.schemas.errors import RootcellarError

TREE = [getattr(errors, name) for name in errors.__all__]
WHOLE = {
    "problem": "it is gone",
    "artifact": "Weather(station=3)",
    "uri": "raw://weather/03.dat",
    "remedy": "Look elsewhere",
}
TRANSIENT = {
    "CacheFull",
    "CacheUnavailable",
    "StoreUnavailable",
    "ObjectChanged",
    "CatalogUnavailable",
}


def parts(error):
    return {name: getattr(error, name) for name in WHOLE}


def through_celery(error):
    """Return an error as a caller gets it out of Celery's JSON results."""
    with Celery("test", set_as_current=False) as app:
        backend = Backend(app, serializer="json")
        stored = kombu_json.dumps(backend.prepare_exception(error))
        return backend.exception_to_python(kombu_json.loads(stored))


def test_the_tree_is_whole():
    """Every error class of the file is public and one of ours."""
    defined = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, Exception)
    }

    assert defined == set(errors.__all__)
    assert all(issubclass(kind, RootcellarError) for kind in TREE)


@pytest.mark.parametrize("kind", TREE)
@pytest.mark.parametrize(
    "journey",
    [lambda e: pickle.loads(pickle.dumps(e)), copy.copy, copy.deepcopy, through_celery],
    ids=["pickle", "copy", "deepcopy", "celery"],
)
def test_an_error_survives(kind, journey):
    """Class and all four parts are the same after pickling, copying and Celery's results."""
    error = kind(**WHOLE)

    arrived = journey(error)

    assert kind is type(arrived)
    assert WHOLE == parts(arrived)
    assert str(error) == str(arrived)


@pytest.mark.parametrize("kind", TREE)
def test_an_error_needs_only_its_problem(kind):
    """What is not known is empty, also for those that are OSErrors and take an errno."""
    error = kind("it is gone")

    assert {"problem": "it is gone", "artifact": "", "uri": "", "remedy": ""} == parts(error)
    assert "it is gone." == str(error)
    assert getattr(error, "errno", None) is None


@pytest.mark.parametrize("kind", TREE)
def test_transient_tells_what_may_pass(kind):
    """Only what time can heal is transient."""
    assert (kind.__name__ in TRANSIENT) == kind.transient


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            RootcellarError(**WHOLE),
            "Weather(station=3) at raw://weather/03.dat: it is gone. Look elsewhere.",
        ),
        (RootcellarError("it is gone", "", "raw://a"), "raw://a: it is gone."),
        (RootcellarError("it is gone", "Atlas()"), "Atlas(): it is gone."),
        (
            RootcellarError("not a table: No magic bytes.", remedy="Why?"),
            "not a table: No magic bytes. Why?",
        ),
    ],
)
def test_a_message_is_sentences(error, message):
    """Artifact, URI, problem and remedy, each sentence with one full stop."""
    assert message == str(error)


def test_an_error_is_also_the_nearest_builtin():
    """Code that knows nothing of us catches what it would catch anyway."""
    nearest = {
        "ArtifactNotFound": FileNotFoundError,
        "AccessDenied": PermissionError,
        "StoreUnavailable": ConnectionError,
        "CatalogUnavailable": ConnectionError,
        "InvalidKey": ValueError,
        "BindingError": TypeError,
        "MissingOutput": FileNotFoundError,
        "TargetExists": FileExistsError,
        "StoreMissing": LookupError,
        "NotInCatalog": LookupError,
    }

    assert all(issubclass(getattr(errors, name), kind) for name, kind in nearest.items())
