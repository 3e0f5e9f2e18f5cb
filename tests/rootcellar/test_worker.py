"""install and uninstall."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  the annotations of bodies are read

import pytest
from celery import Celery, Task
from grid_words import registry

from rootcellar import install, uninstall
from rootcellar.installation import installation_of
from rootcellar.schemas.errors import DeclarationError
from rootcellar.task import ArtifactTask


@pytest.fixture
def app():
    return Celery("fresh", set_as_current=False)


def test_tasks_made_after_install_are_staged(app):
    """Their class is ours, and the app knows its registry."""
    installation = install(app, registry)

    @app.task
    def named(text: Path) -> None: ...

    assert isinstance(named, ArtifactTask)
    assert installation_of(app) is installation
    assert named.interface().is_staged


def test_install_opens_nothing(app, tmp_path, monkeypatch):
    """No folder, no database, no settings are needed before the first run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROOTCELLAR_PROGRESS", "nonsense")
    install(app, registry)

    assert list(tmp_path.iterdir()) == []


def test_install_twice_is_refused(app):
    """The second registry would be silently ignored otherwise."""
    install(app, registry)

    with pytest.raises(DeclarationError, match="installed on this app already"):
        install(app, registry)


def test_install_after_tasks_is_refused(app):
    """Tasks that were made before would not be staged, so they are named."""

    @app.task(name="early")
    def early() -> None: ...

    early.run()  # made now, not when the app is finalized

    with pytest.raises(DeclarationError, match="early"):
        install(app, registry)


def test_uninstall_restores(app):
    """The app's task class is back, and tasks of both times run as if nothing had been."""
    before = app.task_cls
    install(app, registry)

    @app.task
    def named(text: str) -> str:
        return text

    uninstall(app)
    uninstall(app)

    @app.task
    def later(text: str) -> str:
        return text

    assert before == app.task_cls
    assert installation_of(app) is None
    assert not isinstance(later, ArtifactTask)
    assert [task.apply(args=["as it is"]).get() for task in (named, later)] == ["as it is"] * 2


def test_apps_own_task_class_is_kept():
    """What the app's own base class does still happens."""

    class Marked(Task):
        abstract = True
        mark = "kept"

    app = Celery("own", set_as_current=False, task_cls=Marked)
    install(app, registry)

    @app.task
    def named(text: Path) -> None: ...

    assert isinstance(named, ArtifactTask)
    assert named.mark == "kept"
