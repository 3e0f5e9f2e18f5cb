"""From staged files to what the body's annotations ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rootcellar.about import about
from rootcellar.schemas.errors import RootcellarError
from rootcellar.schemas.handle import Staged
from rootcellar.schemas.interface import Delivery, InputSpec, Shape
from rootcellar.schemas.streamed import Streamed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rootcellar.inputs import Reading
    from rootcellar.schemas.artifact import Artifact
    from rootcellar.schemas.binding import BoundInput

__all__ = ["deliver"]


def deliver(bound: BoundInput, arrived: Sequence[Reading]) -> Any:
    """Return the value the body gets for one input argument.

    Raises:
        ContentError: A file is not what its format says.
    """
    spec = bound.spec
    if bound.absent:
        return None
    if spec.shape is Shape.ONE:
        return _one(spec, arrived[0])
    if spec.shape is Shape.DICT:
        return {item.artifact: _one(spec, item) for item in arrived}
    return [_one(spec, item) for item in arrived]


def _one(spec: InputSpec, item: Reading) -> Any:
    path = item.path
    if path is None:
        return _stream(item)
    if spec.delivery is Delivery.PATH:
        return path
    if spec.delivery is Delivery.ARTIFACT:
        return item.artifact
    if spec.delivery is Delivery.KEY:
        return getattr(item.artifact, next(iter(spec.type.model_fields)))
    if spec.delivery is Delivery.HANDLE:
        return Staged(item.artifact, path, item.ref and item.ref.apart())
    try:
        return spec.type.declaration.format.load(path, spec.target)
    except RootcellarError as error:
        raise about(error, item.artifact, doing=f"the argument {spec.argument!r}") from error


def _stream(item: Reading) -> Streamed[Artifact] | None:
    stream, ref = item.stream, item.ref
    return None if stream is None or ref is None else Streamed(item.artifact, stream, ref.apart())
