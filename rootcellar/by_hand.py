"""What people do outside a task: the same engine as a context manager and as single calls.

Each records a run of its own kind, so that what was made by hand has lineage too.
"""

from __future__ import annotations

import filecmp
import inspect
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from celery import current_app

from rootcellar.arguments import recordable
from rootcellar.attempt import Attempt
from rootcellar.catalog.drawing.arrow import is_arrow_table
from rootcellar.catalog.drawing.table import table_of
from rootcellar.environment import environment
from rootcellar.installation import installation_of
from rootcellar.run_bounds import RunStart
from rootcellar.runtime import Runtime, current_runtime
from rootcellar.schemas.artifact import Artifact, Selection
from rootcellar.schemas.binding import bind
from rootcellar.schemas.errors import BindingError, TargetExists
from rootcellar.schemas.handle import OUTPUT, Staged
from rootcellar.schemas.interface import Delivery, InputSpec, OutputSpec, Shape, TaskInterface
from rootcellar.schemas.record import RunStarted, RunState, new_uid
from rootcellar.schemas.ref import Ref
from rootcellar.schemas.registry import Registry
from rootcellar.staging.host.temp_file import temp_name

if TYPE_CHECKING:
    from pyarrow.dataset import Dataset

__all__ = ["StagedFiles", "dataset", "load", "opened", "preview", "pull", "push", "staged"]

RunKind = Literal["session", "pull", "push"]


class StagedFiles(Mapping[str, Any]):
    """The handles of a `staged` block by argument name, as attributes and as items.

    An argument that was given several artifacts holds a list of handles.
    """

    def __init__(self, handles: dict[str, Any]) -> None:
        self._handles = handles

    def __getitem__(self, name: str) -> Any:
        return self._handles[name]

    def __getattr__(self, name: str) -> Any:
        try:
            return self._handles[name]
        except KeyError:
            raise AttributeError(name) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._handles)

    def __len__(self) -> int:
        return len(self._handles)

    def __repr__(self) -> str:
        return f"<StagedFiles: {', '.join(self._handles) or 'none'}>"


@contextmanager
def staged(
    *artifacts: Artifact, registry: Registry | None = None, **arguments: Any
) -> Iterator[StagedFiles]:
    """Stage files for the length of a `with` block, as a task would for its body.

    Outputs are published when the block ends without an error; after an error nothing is.

    Args:
        artifacts: To be read; each is found under its type's name.
        registry: Says what the argument names stand for; the one installed on the current Celery
            app if left out.
        arguments: By name, as a caller of a task passes them; `OUTPUT` marks what the block
            writes. Other names give key fields to outputs.

    Raises:
        BindingError: A name that no registry serves, or a value that does not fit.
    """
    named = {**{one.type_name: one for one in artifacts}, **arguments}
    interface = _interface(named, registry, {one.type_name: type(one) for one in artifacts})
    given = {name: value for name, value in named.items() if value is not OUTPUT}
    runtime = _runtime(registry)
    attempt = Attempt(runtime, _started("session", runtime, given))
    with _recorded(attempt):
        binding = bind(interface, (), given)
        with attempt.session() as session:
            binding = attempt.pin(binding, session)
            handles = attempt.stage_in(binding, session)
            attempt.enter("body")
            yield StagedFiles({n: h for n, h in handles.items() if n not in interface.plain})
            attempt.stage_out(None, session)
            attempt.commit(binding)


def pull(artifact: Artifact | Ref, to: Path, *, overwrite: bool, kind: type[Artifact]) -> Path:
    """Copy an artifact to a local path of the caller's own.

    Args:
        to: A folder that exists, or the final name. The copy appears at once and whole.
        kind: The artifact's type.

    Raises:
        ArtifactNotFound: Nothing is there.
        TargetExists: A different file is, and `overwrite` is false.
    """
    with _reading(artifact, kind, "pull") as handle:
        target = to / handle.path.name if to.is_dir() else to
        if not target.parent.is_dir():
            raise BindingError(
                f"there is no local folder {target.parent.name!r} to pull into",
                str(handle.artifact),
                handle.artifact.uri,
                "Make the folder, or choose another target",
            )
        _copy_whole(handle, target, overwrite=overwrite)
        return target


def load(artifact: Artifact, target: Any) -> Any:
    """Return an artifact's content as `target`, or as its format's own choice.

    Raises:
        BindingError: The content would be read from a file that is gone by then.
    """
    reads_later = getattr(target, "__name__", "") == "Dataset"
    if reads_later or artifact.declaration.format.kind == "folder":
        raise BindingError(
            "what is loaded from it reads its files later, when they are no longer staged",
            str(artifact),
            artifact.uri,
            "Use staged(…) around the reading, or pull() and read the copy",
        )
    with _reading(artifact, type(artifact), "pull") as handle:
        return handle.load(target)


@contextmanager
def opened(artifact: Artifact, member: str) -> Iterator[BinaryIO]:
    """Yield an artifact as a file that is read from its store, for the length of a `with` block."""
    with (
        _reading(artifact, type(artifact), "pull", streamed=True) as handle,
        handle.open(member) as file,
    ):
        yield file


@contextmanager
def dataset(artifact: Artifact) -> Iterator[Dataset]:
    """Yield an artifact as a dataset that reads from its store, for the length of a `with` block.

    Raises:
        BindingError: The format is no table.
    """
    with _reading(artifact, type(artifact), "pull", streamed=True) as handle:
        yield handle.dataset()


def preview(artifact: Artifact, rows: int) -> Any:
    """Return something that shows the beginning of an artifact in a notebook."""
    with _reading(artifact, type(artifact), "pull") as handle:
        shown = artifact.declaration.format.preview(handle.path, rows)
    # pyarrow's own tables show themselves in a notebook as columns of text.
    return table_of(shown) if is_arrow_table(shown) else shown


def push(artifact: Artifact, source: object) -> Ref:
    """Publish a local file, a folder, or an object that the format can save.

    Raises:
        ContentError: It is not what the type's format says.
        BindingError: The format cannot save such an object.
    """
    interface = TaskInterface(
        "push",
        inspect.Signature(),
        (),
        (OutputSpec(artifact.type_name, type(artifact), Delivery.HANDLE, many=True),),
        (),
    )
    runtime = _runtime(None)
    attempt = Attempt(runtime, _started("push", runtime, {artifact.type_name: artifact}))
    with _recorded(attempt):
        binding = bind(interface, (), {})
        with attempt.session() as session:
            outputs = attempt.stage_in(binding, session)[artifact.type_name]
            attempt.enter("body")
            _fill(outputs.new(**artifact.model_dump()), source)
            attempt.stage_out(None, session)
            return Ref.from_json(attempt.commit(binding)[0])


def _fill(handle: Staged[Artifact], source: object) -> None:
    if not isinstance(source, str | os.PathLike):
        handle.save(source)
        return
    path = Path(source)
    if path.is_dir():
        shutil.copytree(path, handle.path, dirs_exist_ok=True, symlinks=True)
    elif path.exists():
        shutil.copyfile(path, handle.path)
    else:
        raise BindingError(
            f"there is no local file {path.name!r} to push",
            str(handle.artifact),
            handle.artifact.uri,
            "Check the path, relative to the working folder",
        )


@contextmanager
def _reading(
    artifact: Artifact | Ref, kind: type[Artifact], run_kind: RunKind, *, streamed: bool = False
) -> Iterator[Staged[Artifact]]:
    """Stage one artifact for reading, as a run of its own."""
    name = kind.type_name
    interface = TaskInterface(
        run_kind,
        inspect.Signature([inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY)]),
        (InputSpec(name, kind, Delivery.HANDLE, streamed=streamed),),
        (),
        (),
    )
    runtime = _runtime(None)
    attempt = Attempt(runtime, _started(run_kind, runtime, {name: artifact}))
    with _recorded(attempt):
        binding = bind(interface, (), {name: artifact})
        with attempt.session() as session:
            binding = attempt.pin(binding, session)
            arguments = attempt.stage_in(binding, session)
            attempt.enter("body")
            yield arguments[name]
            attempt.commit(binding)


@contextmanager
def _recorded(attempt: Attempt) -> Iterator[None]:
    attempt.begin()
    try:
        yield
    except BaseException as error:
        attempt.fail(error, state=RunState.FAILED)
        raise


def _started(kind: RunKind, runtime: Runtime, arguments: Mapping[str, object]) -> RunStart:
    record = RunStarted(
        uid=new_uid(),
        kind=kind,
        task=kind,
        started_at=datetime.now(UTC),
        arguments={name: recordable(value, name=name) for name, value in arguments.items()},
        environment=environment(runtime.settings.image),
        host=runtime.host,
        pid=os.getpid(),
    )
    return RunStart.of(record)


def _runtime(registry: Registry | None) -> Runtime:
    installation = installation_of(current_app)
    runtime = installation.runtime() if installation else current_runtime()
    if registry is not None:
        runtime.declare(registry)
    return runtime


def _interface(
    named: Mapping[str, object],
    registry: Registry | None,
    types: Mapping[str, type[Artifact]],
) -> TaskInterface:
    installation = installation_of(current_app)
    names = registry or (installation.registry if installation else Registry("none"))
    inputs: list[InputSpec] = []
    outputs: list[OutputSpec] = []
    for name, value in named.items():
        found = types.get(name) or (names.for_argument(name) if names.serves(name) else None)
        if value is OUTPUT and found is None:
            raise BindingError(
                f"no registry serves the output name {name!r}",
                "staged",
                "",
                "Pass registry=…, or install one on the Celery app",
            )
        if value is OUTPUT and found is not None:
            outputs.append(OutputSpec(name, found, Delivery.HANDLE))
        elif found is not None:
            several = isinstance(value, list | tuple | Selection)
            shape = Shape.LIST if several else Shape.ONE
            inputs.append(InputSpec(name, found, Delivery.HANDLE, shape))
    parameters = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=_default(value))
        for name, value in named.items()
    ]
    staged_names = {spec.argument for spec in inputs} | {spec.argument for spec in outputs}
    plain = tuple(name for name in named if name not in staged_names)
    return TaskInterface(
        "staged", inspect.Signature(parameters), tuple(inputs), tuple(outputs), plain
    )


def _default(value: object) -> object:
    return OUTPUT if value is OUTPUT else inspect.Parameter.empty


def _copy_whole(handle: Staged[Artifact], target: Path, *, overwrite: bool) -> None:
    if target.exists() and not overwrite and not _is_same(handle.path, target):
        raise TargetExists(
            f"{target.name!r} exists here and differs",
            str(handle.artifact),
            handle.artifact.uri,
            "Pass overwrite=True (--overwrite), or another target",
        )
    aside = target.with_name(temp_name(target.name))
    try:
        if handle.path.is_dir():
            shutil.copytree(handle.path, aside, copy_function=shutil.copyfile)
            if target.exists():
                shutil.rmtree(target)
        else:
            shutil.copyfile(handle.path, aside)
        aside.replace(target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        aside.unlink(missing_ok=True)


def _is_same(one: Path, other: Path) -> bool:
    """Compare two files, or two folders with all they hold."""
    if one.is_dir() != other.is_dir():
        return False
    if not one.is_dir():
        return filecmp.cmp(one, other, shallow=False)
    names = {path.relative_to(one) for path in one.rglob("*")}
    if names != {path.relative_to(other) for path in other.rglob("*")}:
        return False
    return all(_is_same(one / name, other / name) for name in names if not (one / name).is_dir())
