"""Outputs: paths for the body to write to, and what becomes of them when it ends."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

from rootcellar.about import about
from rootcellar.schemas.errors import BindingError, MissingOutput, RootcellarError, StoreMissing
from rootcellar.schemas.formats.folder import Folder
from rootcellar.schemas.handle import Outputs, Staged
from rootcellar.schemas.interface import Delivery
from rootcellar.schemas.record import OutputRecord, VersionRecord, new_uid
from rootcellar.schemas.ref import Ref
from rootcellar.staging.publication.output import Output, check_written

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from rootcellar.schemas.artifact import Artifact
    from rootcellar.schemas.binding import BoundOutput
    from rootcellar.schemas.formats.folder import Members
    from rootcellar.schemas.formats.format import Description
    from rootcellar.staging.publication.publication import Published
    from rootcellar.staging.session import StagingSession

__all__ = ["OutputDesk", "refs_of"]


@dataclass(frozen=True, slots=True)
class _Reserved:
    """One artifact to be written: its version uid, where it will live, and the local path."""

    argument: str
    ordinal: int
    artifact: Artifact
    version: str
    uri: str
    path: Path
    journal: str
    members: Members | None


class OutputDesk:
    """The outputs of one run: reserve, hand to the body, check, upload, then publish together."""

    def __init__(
        self, outputs: Sequence[BoundOutput], session: StagingSession, *, task_id: str = ""
    ) -> None:
        self._outputs = outputs
        self._session = session
        # Where attempts of one task find what earlier ones handed over.
        self._journal = _journal_of(task_id) if task_id and outputs else ""
        self._reserved: list[_Reserved] = []
        self._described: list[Description] = []

    @property
    def is_empty(self) -> bool:
        """Whether the run declares no outputs at all."""
        return not self._outputs

    def arguments(self) -> dict[str, Any]:
        """Return what the body gets for each output argument."""
        return {bound.spec.argument: self._argument(bound) for bound in self._outputs}

    def _argument(self, bound: BoundOutput) -> Any:
        if bound.spec.many:
            return Outputs(lambda key: self._handle(bound, bound.member(key)))
        if bound.artifact is None:
            raise BindingError(
                f"nothing settles the key of the output {bound.spec.argument!r}",
                bound.spec.type.type_name,
                bound.spec.type.declaration.template.text,
                "The selection names no artifact; make its inputs first",
            )
        handle = self._handle(bound, bound.artifact)
        return handle if bound.spec.delivery is Delivery.HANDLE else handle.path

    def _handle(self, bound: BoundOutput, artifact: Artifact) -> Staged[Artifact]:
        if any(other.artifact == artifact for other in self._reserved):
            raise BindingError(
                "two outputs of one run cannot be the same artifact",
                str(artifact),
                artifact.uri,
                "Give each a key of its own",
            )
        ordinal = sum(other.argument == bound.spec.argument for other in self._reserved)
        version = new_uid()
        uri = artifact.uri_for(version)
        path = self._path(bound, artifact, uri, ordinal)
        if artifact.declaration.format.kind == "folder":
            path.mkdir()
        one = _Reserved(
            argument=bound.spec.argument,
            ordinal=ordinal,
            artifact=artifact,
            version=version,
            uri=uri,
            path=path,
            journal=self._journal,
            members=_members_of(artifact),
        )
        self._reserved.append(one)
        return Staged(artifact, path, writable=True, adder=self._adder(one))

    def _path(self, bound: BoundOutput, artifact: Artifact, uri: str, ordinal: int) -> Path:
        """Return where the body may write it, if there is a store for it, or hours are in vain."""
        argument, name = bound.spec.argument, uri.rpartition("/")[2]
        try:
            return self._session.reserve_output(argument, name, ordinal=ordinal, uri=uri)
        except StoreMissing as error:
            raise about(error, artifact, doing=f"the output {argument!r}") from error

    def _adder(self, one: _Reserved) -> Callable[[Path], None] | None:
        """Return what hands members over; None where the format cannot check them one by one."""
        members = one.members
        if members is None:
            return None

        def add(path: Path) -> None:
            try:
                handover = self._session.handover(_output(one))
                handover.add(path, lambda name: members.add(name, one.path / name))
            except RootcellarError as error:
                raise about(error, one.artifact, doing=f"the output {one.argument!r}") from error

        return add

    def save(self, result: object) -> bool:
        """Save a returned object as the only output, if it can be; tell whether it was.

        What the body wrote itself stays: then a returned object is only the task's result.
        """
        if result is None or len(self._outputs) != 1 or self._outputs[0].spec.many:
            return False
        only = self._reserved[0]
        if _is_written(only) or not only.artifact.declaration.format.can_save(result):
            return False
        try:
            Staged(only.artifact, only.path, writable=True).save(result)
        except RootcellarError as error:
            raise about(error, only.artifact) from error
        return True

    def prepare(self) -> None:
        """Check what was written and upload it; nothing becomes visible.

        Raises:
            MissingOutput: The body did not write it.
            ContentError: It is not what its format says.
        """
        outputs = [_output(one) for one in self._reserved]
        try:
            # Or what was handed over would be looked at and removed at once.
            self._session.finish_handovers()
        except RootcellarError as error:
            raise self._about(error) from error
        self._described = [
            self._describe(*both) for both in zip(self._reserved, outputs, strict=True)
        ]
        self._session.expect(sum(described.size_bytes for described in self._described))
        try:
            self._session.prepare_output(*outputs)
        except RootcellarError as error:
            raise self._about(error) from error

    def _describe(self, one: _Reserved, output: Output) -> Description:
        file_format = one.artifact.declaration.format
        if not one.path.exists() and not one.path.is_symlink():
            raise MissingOutput(
                f"the body ended without writing the output {one.argument!r}",
                str(one.artifact),
                one.uri,
                f"Write to the path it gets as {one.argument!r}, or return an object that "
                f"{type(file_format).__name__} can save",
            )
        try:
            # Before a format opens it: not all would see that it is a link, or a FIFO.
            names = check_written(output)
            if one.members is not None:
                for name in names:
                    one.members.add(name, one.path / name)
                return one.members.checked()
            file_format.validate(one.path)
            return file_format.describe(one.path)
        except RootcellarError as error:
            raise about(error, one.artifact, doing=f"the output {one.argument!r}") from error

    def publish(self) -> list[OutputRecord]:
        """Make all of them visible, and return their records.

        Raises:
            ContentError, StoreError: See `StagingSession.publish`.
        """
        try:
            published = self._session.publish()
        except RootcellarError as error:
            raise self._about(error) from error
        return [
            _record(*one) for one in zip(self._reserved, published, self._described, strict=True)
        ]

    def _about(self, error: RootcellarError) -> RootcellarError:
        """Return an error of several outputs with the one it concerns, as its URI shows.

        A store's own error leaves the first of its outputs.
        """
        concerned = [one for one in self._reserved if _concerns(error, one)]
        one = max(concerned, key=lambda one: len(one.uri), default=self._reserved[0])
        return about(error, one.artifact, doing=f"the output {one.argument!r}")


def _journal_of(task_id: str) -> str:
    return f"v-{uuid5(NAMESPACE_URL, f'rootcellar:task:{task_id}')}"


def _is_written(one: _Reserved) -> bool:
    if one.members is not None and one.members.files:
        return True  # handed over
    path = one.path
    return any(path.iterdir()) if path.is_dir() else path.exists() or path.is_symlink()


def _concerns(error: RootcellarError, one: _Reserved) -> bool:
    return error.uri.startswith(one.uri) or one.uri.startswith(error.uri)


def _output(one: _Reserved) -> Output:
    """Return what staging wants to know of an output."""
    declaration = one.artifact.declaration
    is_plain = declaration.format.kind == "file" or declaration.template.has_version
    return Output(
        uri=one.uri,
        path=one.path,
        kind=declaration.format.kind,
        root="" if is_plain else f"v-{one.version}",
        artifact=str(one.artifact),
        journal="" if is_plain else one.journal,
    )


def _members_of(artifact: Artifact) -> Members | None:
    """Return what checks the members of a folder one by one, if its format offers that."""
    file_format = artifact.declaration.format
    return file_format.members() if isinstance(file_format, Folder) else None


def _record(one: _Reserved, published: Published, described: Description) -> OutputRecord:
    file_format = one.artifact.declaration.format
    ref = Ref(
        type=one.artifact.type_name,
        key=one.artifact.key,
        uri=one.uri,
        version=one.version,
        kind=file_format.kind,
        digest=published.digest,
        size_bytes=published.size_bytes,
        pin=published.pin,
    )
    version = VersionRecord(
        ref=ref,
        origin="run",
        media_type=file_format.media_type,
        recorded_at=datetime.now(UTC),
        members=published.members,
        row_count=described.row_count,
        schema_fingerprint=described.schema_fingerprint,
        columns=described.columns,
        statistics=described.statistics,
    )
    return OutputRecord(
        argument=one.argument,
        ordinal=one.ordinal,
        version=version,
        transferred_bytes=published.transferred_bytes,
        seconds=published.seconds,
    )


def refs_of(outputs: Sequence[BoundOutput], records: Sequence[OutputRecord]) -> Any:
    """Return what a staged task returns: a ref, a list of refs, or those by argument name."""
    by_argument: dict[str, Any] = {}
    for bound in outputs:
        name = bound.spec.argument
        mine = sorted((r for r in records if r.argument == name), key=lambda r: r.ordinal)
        refs = [record.version.ref.__json__() for record in mine]
        by_argument[name] = refs if bound.spec.many else refs[0]
    if not by_argument:
        return None
    return by_argument if len(by_argument) > 1 else next(iter(by_argument.values()))
