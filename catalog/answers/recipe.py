"""Recipe: commit, environment and call of a run, as a value, as commands and as JSON."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rootcellar.catalog.drawing.lettering import readable
from rootcellar.catalog.drawing.lines import html_lines
from rootcellar.catalog.wording import minute

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rootcellar.catalog.values import Run, RunInput, Version
    from rootcellar.schemas.record import Environment

__all__ = ["OtherPackage", "Recipe"]

_LONGEST_WORD = 128 * 1024


@dataclass(frozen=True, slots=True)
class OtherPackage:
    """A package that has another version here; None where it is not installed."""

    name: str
    then: str | None
    here: str | None


@dataclass(frozen=True, kw_only=True, repr=False)
class Recipe:
    """How a version was made, and what to do to make it once more.

    Attributes:
        run: That made it.
        inputs: What that read.
        arguments: Of the call, by name, as JSON values: inputs are refs, which pin the version.
        packages: That differ from here.
        here: The environment they were compared with.
        caveats: What the record does not hold, and what may stand in the way.
    """

    version: Version
    run: Run
    inputs: tuple[RunInput, ...]
    arguments: dict[str, Any]
    packages: tuple[OtherPackage, ...]
    here: Environment | None
    caveats: tuple[str, ...]

    @property
    def commit(self) -> str:
        """The git commit of the code; empty if none was recorded."""
        return "" if self.run.code is None else self.run.code.git_commit

    @property
    def is_dirty(self) -> bool | None:
        """Whether the working tree differed from the commit; None if unknown."""
        return None if self.run.code is None else self.run.code.git_dirty

    @property
    def image(self) -> str:
        """The container image; empty if none was recorded."""
        return "" if self.run.environment is None else self.run.environment.image

    @property
    def python(self) -> str:
        """The version of Python; empty if it was not recorded."""
        return "" if self.run.environment is None else self.run.environment.python

    def commands(self, app: str = "") -> tuple[str, ...]:
        """Return what to type, line by line; lines that begin with `#` are for the reader.

        Args:
            app: The Celery app, as `celery -A` takes it; the module of the body if left out.
        """
        return tuple(self._commands(app))

    def to_json(self) -> dict[str, Any]:
        """Return everything as one JSON value."""
        code = self.run.code
        return {
            "version": self.version.uid,
            "artifact": self.version.artifact,
            "run": self.run.uid,
            "kind": self.run.kind,
            "task": self.run.task,
            "commit": self.commit,
            "is_dirty": self.is_dirty,
            "qualname": "" if code is None else code.qualname,
            "source_digest": None if code is None else str(code.source_digest),
            "image": self.image,
            "python": self.python,
            "python_here": None if self.here is None else self.here.python,
            "packages": [asdict(one) for one in self.packages],
            "arguments": self.arguments,
            "inputs": [
                {"argument": one.argument, "version": one.version.uid if one.version else None}
                for one in self.inputs
            ],
            "caveats": list(self.caveats),
        }

    def text(self, app: str = "") -> str:
        """Return `commands` with what they make, and the caveats, as comments."""
        by = self.run.task or "an unknown task"
        lines = [
            readable(f"# {self.version}, made by {by} at {minute(self.run.started_at)}"),
            *self.commands(app),
            *(readable(f"# note: {caveat}") for caveat in self.caveats),
        ]
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return html_lines(str(self))

    def _commands(self, app: str) -> Iterator[str]:
        if self.image:
            yield f"# in the image {self.image}"
        if self.commit:
            yield f"git checkout {shlex.quote(self.commit)}"
        if self.python and self.here is not None and self.python != self.here.python:
            yield f"# with Python {self.python}; here it is {self.here.python}"
        wanted = [f"{one.name}=={one.then}" for one in self.packages if one.then is not None]
        if wanted:
            yield f"python -m pip install {' '.join(map(shlex.quote, wanted))}"
        if self.run.kind == "task":
            yield self._call(app or self._module)
        else:
            yield from (f"rootcellar pull {one.version.uid}" for one in self.inputs if one.version)

    @property
    def _module(self) -> str:
        return "" if self.run.code is None else self.run.code.qualname.partition(":")[0]

    def _call(self, app: str) -> str:
        call = json.dumps(self.arguments)
        if len(call) >= _LONGEST_WORD:
            return (
                f"# call {self.run.task} with the arguments in Recipe.arguments: too long to type"
            )
        named = f"-A {shlex.quote(app)} " if app else ""
        return f"celery {named}call {shlex.quote(self.run.task)} --kwargs {shlex.quote(call)}"
