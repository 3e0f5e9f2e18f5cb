"""Inputs: which exact version each wanted artifact is, and what the catalog knows of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rootcellar.about import about
from rootcellar.schemas.digest import Digest
from rootcellar.schemas.errors import (
    ArtifactNotFound,
    InputModified,
    ObjectChanged,
    RootcellarError,
)
from rootcellar.schemas.record import InputRecord, VersionRecord, new_uid
from rootcellar.schemas.ref import Ref
from rootcellar.staging.staged import Located, StagedFile
from rootcellar.staging.streams.streaming import StreamedInput, StreamRequest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rootcellar.catalog.catalog import Catalog
    from rootcellar.schemas.artifact import Artifact
    from rootcellar.schemas.binding import BoundInput, Wanted
    from rootcellar.staging.session import StagingSession

__all__ = ["Pinned", "Reading", "check_inputs", "pin_input", "stage", "stage_known"]


@dataclass(frozen=True, slots=True)
class Pinned:
    """One wanted artifact, held to one version before a byte moves.

    Attributes:
        located: Where its bytes are; None if nothing is there and the input is optional.
        ref: The version, if the caller passed it or the catalog knows it; None for bytes that
            nothing of ours has recorded, until their digest is known.
        streamed: Its bytes are read from the store while the body runs.
        uid: Of the version, if this is the first time that it is seen.
    """

    argument: str
    ordinal: int
    wanted: Wanted
    located: Located | None
    ref: Ref | None = None
    streamed: bool = False
    uid: str = field(default_factory=new_uid)

    @property
    def digest(self) -> Digest | None:
        """The digest, if it is known before the bytes are here."""
        return None if self.ref is None or self.ref.digest.is_unread else self.ref.digest

    def record(
        self, staged: StagedFile | StreamedInput | None, version: VersionRecord | None
    ) -> InputRecord:
        """Return what the catalog keeps of it; `staged` is None if the body never got it."""
        if staged is None:
            return InputRecord(argument=self.argument, ordinal=self.ordinal, version=version)
        if isinstance(staged, StreamedInput):
            read = staged.amount
            return InputRecord(
                argument=self.argument,
                ordinal=self.ordinal,
                version=version,
                cache="streamed",
                transferred_bytes=read.transferred_bytes,
                seconds=read.seconds,
                hits=read.hits,
                misses=read.misses,
                requests=read.requests,
            )
        return InputRecord(
            argument=self.argument,
            ordinal=self.ordinal,
            version=version,
            cache="hit" if staged.hit else "miss",
            transferred_bytes=staged.transferred_bytes,
            seconds=staged.seconds,
            hits=staged.hits,
            misses=staged.misses,
        )

    def version(self, staged: StagedFile | StreamedInput | None, at: datetime) -> VersionRecord:
        """Return the version: the known one, or a sighting of the staged bytes at that time."""
        ref, is_learned = self.ref, False
        if ref is not None and staged is not None and staged.digest not in (None, ref.digest):
            is_learned = ref.digest.is_unread and staged.pin.token == ref.pin.token
            # Else it was replaced between being located and being read.
            ref = ref.model_copy(update={"digest": staged.digest}) if is_learned else None
        if ref is None and staged is not None:
            ref = self._sighting(staged)
        if ref is None:
            msg = "neither known nor staged"
            raise AssertionError(msg)
        return VersionRecord(
            ref=ref,
            origin="observed",  # of a version the catalog has, only the uid counts
            media_type=self.wanted.artifact.declaration.format.media_type,
            recorded_at=at,
            members=staged.members if staged else None,
            is_learned=is_learned,
        )

    def _sighting(self, staged: StagedFile | StreamedInput) -> Ref:
        artifact, pin = self.wanted.artifact, staged.pin
        uri = artifact.uri if self.located is None else self.located.uri
        # A size alone says nothing about the bytes; then no two sightings are of the same.
        token = pin.token if pin.etag or pin.version_id else self.uid
        return Ref(
            type=artifact.type_name,
            key=artifact.key,
            uri=uri,
            version=self.uid,
            kind=staged.kind,
            digest=staged.digest or Digest.unread(uri, token),
            size_bytes=staged.size_bytes,
            pin=pin,
        )


class Reading:
    """One input of a run, from when it is pinned until the body has read what it wants of it.

    Attributes:
        staged: None before it is staged, and if nothing is there.
    """

    __slots__ = ("_at", "_version", "pinned", "staged")

    def __init__(self, pinned: Pinned) -> None:
        self.pinned = pinned
        self.staged: StagedFile | StreamedInput | None = None
        self._at: datetime | None = None
        self._version: VersionRecord | None = None

    def begin(self, staged: StagedFile | StreamedInput) -> None:
        """Take down what the body gets."""
        self.staged, self._at = staged, datetime.now(UTC)
        ref = self.pinned.ref
        if ref is None or staged.digest != ref.digest:
            self._known()  # a version not seen before: if it cannot be one, the body is not run

    @property
    def artifact(self) -> Artifact:
        """What is read."""
        return self.pinned.wanted.artifact

    @property
    def path(self) -> Path | None:
        """Where it is on this host; None if it is streamed, or nothing is there."""
        return self.staged.path if isinstance(self.staged, StagedFile) else None

    @property
    def stream(self) -> StreamedInput | None:
        """Reads it from its store, if that is wanted."""
        return self.staged if isinstance(self.staged, StreamedInput) else None

    @property
    def ref(self) -> Ref | None:
        """The version that the body gets; None if nothing is there."""
        return None if self.staged is None else self._known().ref

    def record(self) -> InputRecord | None:
        """Return what the catalog keeps of it: of a stream, what was read until now.

        None while it is not known which version it is.
        """
        if self.pinned.located is None:
            return self.pinned.record(None, None)
        if self.staged is None and self.pinned.ref is None:
            return None
        return self.pinned.record(self.staged, self._known())

    def told(self) -> list[Any] | None:
        """Return what `input_values` gives of its record, which is not made for that.

        None if not all of it was known before the input was staged, or a stream may still be read.
        """
        pinned, staged = self.pinned, self.staged
        ref = pinned.ref
        if ref is None or self._version is not None or not isinstance(staged, StagedFile):
            return None
        cache = "hit" if staged.hit else "miss"
        moved, seconds = staged.transferred_bytes, staged.seconds
        counts = staged.hits, staged.misses, 0
        return [ref.version, pinned.argument, pinned.ordinal, cache, moved, seconds, *counts]

    def _known(self) -> VersionRecord:
        """Return the version; of most inputs nobody asks for it before the run has ended."""
        if self._at is None:
            return self.pinned.version(None, datetime.now(UTC))
        if self._version is None:
            self._version = self.pinned.version(self.staged, self._at)
        return self._version


def pin_input(bound: BoundInput, session: StagingSession, catalog: Catalog) -> list[Reading]:
    """Return one Reading for each wanted artifact, in the caller's order, pinned.

    Raises:
        ArtifactNotFound: Nothing is there and the input is not optional.
        StoreError: It could not be asked.
    """
    readings: list[Reading] = []
    for wanted in bound.wanted:
        readings.append(Reading(_pin(bound, len(readings), wanted, session, catalog)))
    return readings


def _pin(
    bound: BoundInput, ordinal: int, wanted: Wanted, session: StagingSession, catalog: Catalog
) -> Pinned:
    argument, artifact = bound.spec.argument, wanted.artifact
    ref = wanted.ref
    if ref is None and artifact.declaration.template.has_version:
        ref = catalog.head_ref(artifact.type_name, artifact.key)
        if ref is None:
            return _absent(bound, ordinal, wanted)
    if ref is not None:
        located = Located(uri=ref.uri, kind=ref.kind, pin=ref.pin)
        streamed = bound.spec.streamed
        return Pinned(argument, ordinal, wanted, located, ref, streamed, uid=ref.version)
    try:
        found = session.locate(artifact.uri, artifact.declaration.format.kind)
    except RootcellarError as error:
        raise about(error, artifact, doing=f"the input {argument!r}") from error
    if found is None:
        return _absent(bound, ordinal, wanted)
    known = catalog.ref_at(found.uri, found.pin)
    return Pinned(argument, ordinal, wanted, found, known, bound.spec.streamed)


def stage_known(pinned: Pinned, session: StagingSession) -> StagedFile | None:
    """Place one input if this host has its bytes, which takes no time; else None."""
    located = pinned.located
    if located is None:
        return None
    return session.stage_known(
        located,
        argument=pinned.argument,
        ordinal=pinned.ordinal,
        name=_name_of(located),
        expected=pinned.digest,
    )


def stage(pinned: Pinned, session: StagingSession) -> StagedFile | StreamedInput:
    """Bring one input to this host, or open its stream if it is not here already.

    What the caller pinned by a ref is staged as pinned or not at all. What was asked for by its key
    is whatever is there: if it is replaced at this very moment, the new bytes are as good.

    Raises:
        StoreError: See `StagingSession.stage_in`.
    """
    located = pinned.located
    if located is None:
        msg = "nothing to stage"
        raise AssertionError(msg)
    if pinned.streamed:
        request = StreamRequest(
            uri=located.uri,
            kind=located.kind,
            pin=located.pin,
            expected=pinned.digest,
            artifact=str(pinned.wanted.artifact),
            is_final=pinned.wanted.ref is not None,
        )
        if not session.on_host(request):
            return session.stream(request)
    staged = _bring(pinned, located, session)
    replaced = staged.pin is not located.pin and staged.pin.token != located.pin.token
    if replaced and pinned.wanted.ref is not None and pinned.digest is None:
        raise ArtifactNotFound(
            "this version was replaced since, and its bytes can no longer be read",
            "",
            located.uri,
            "Use the newest version, or keep versions in the store",
        )
    return staged


def _bring(pinned: Pinned, located: Located, session: StagingSession) -> StagedFile:
    name = _name_of(located)
    argument, ordinal = pinned.argument, pinned.ordinal
    try:
        return session.stage_in(
            located, argument=argument, ordinal=ordinal, name=name, expected=pinned.digest
        )
    except ArtifactNotFound:
        now = None if pinned.wanted.ref else session.locate(located.uri, located.kind)
        if now is None or pinned.digest is None:
            raise
        return session.stage_in(now, argument=argument, ordinal=ordinal, name=name)


def _name_of(located: Located) -> str:
    return located.uri.rstrip("/").rpartition("/")[2]


def _absent(bound: BoundInput, ordinal: int, wanted: Wanted) -> Pinned:
    if bound.spec.optional:
        return Pinned(bound.spec.argument, ordinal, wanted, None)
    artifact = wanted.artifact
    raise ArtifactNotFound(
        f"nothing is there for the input {bound.spec.argument!r}",
        str(artifact),
        artifact.uri,
        f"Run the task that makes {artifact.type_name} or push the file; "
        "a task that can do without annotates the parameter as … | None",
    )


def check_inputs(readings: Sequence[Reading], session: StagingSession) -> None:
    """Refuse what a body did to its inputs.

    Raises:
        InputModified: It changed some. The first is named.
        ObjectChanged: Another writer changed one where it lies.
    """
    try:
        session.check_inputs()
    except (InputModified, ObjectChanged) as error:
        for one in readings:
            located = one.pinned.located
            if located is not None and located.uri == error.uri:
                raise about(error, one.artifact) from error
        raise
