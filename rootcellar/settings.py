"""Settings: read once per process, handed down, never looked up elsewhere."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from pydantic_settings import SettingsError as UnreadableVariable

from rootcellar.schemas.amount import Amount
from rootcellar.schemas.errors import SettingsError
from rootcellar.schemas.shown import shown

__all__ = ["Settings", "StoreSettings", "find_settings_file"]

_FILE = "rootcellar.toml"
_PYPROJECT = "pyproject.toml"
_PREFIX = "ROOTCELLAR_"
_FILE_VARIABLE = f"{_PREFIX}SETTINGS_FILE"
_MAY_HOLD_SECRETS = frozenset({"stores", "catalog"})


class StoreSettings(BaseModel):
    """Where a store's name leads.

    Attributes:
        url: `s3://bucket/prefix`, `file:///data`, a folder, `memory://name`, or any other fsspec
            protocol.
        options: Passed to the file system. A value `env:NAME` is read from the environment when
            the store is opened, so that no secret stands in a file.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str
    options: dict[str, Any] = Field(default_factory=dict, repr=False)

    def below(self, base: Path) -> Self:
        """Return the settings with a relative folder taken from `base` on."""
        is_folder = "://" not in self.url
        return self.model_copy(update={"url": str(base / self.url)}) if is_folder else self

    def resolved_options(self) -> dict[str, Any]:
        """Return the options with every `env:NAME` read from the environment.

        Raises:
            SettingsError: A variable is not set.
        """
        return {name: _from_environment(value) for name, value in self.options.items()}


def _from_environment(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _from_environment(part) for name, part in value.items()}
    if not (isinstance(value, str) and value.startswith("env:")):
        return value
    name = value.removeprefix("env:")
    if name not in os.environ:
        raise SettingsError(
            f"a store's option refers to the variable {name}, which is not set",
            remedy=f"Set {name} where this process runs",
        )
    return os.environ[name]


def find_settings_file(start: Path) -> Path | None:
    """Return the nearest `rootcellar.toml`, or `pyproject.toml` with our table, at or above.

    The variable `ROOTCELLAR_SETTINGS_FILE` names another one, and then none is looked for.

    Raises:
        SettingsError: That one is not there.
    """
    named = os.environ.get(_FILE_VARIABLE)
    if named:
        if not Path(named).is_file():
            raise SettingsError(
                f"{_FILE_VARIABLE} names a file that is not there", remedy="Correct or unset it"
            )
        return Path(named)
    for folder in (start, *start.parents):
        if (folder / _FILE).is_file():
            return folder / _FILE
        pyproject = folder / _PYPROJECT
        if pyproject.is_file() and "rootcellar" in _toml(pyproject).get("tool", {}):
            return pyproject
    return None


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path.name} cannot be read: {error}", remedy="Mend it") from error


class Settings(BaseSettings):
    """What may differ between a laptop, a test and production.

    Read in this order, first wins: arguments, `ROOTCELLAR_*` variables (nested with `__`),
    `rootcellar.toml`, `[tool.rootcellar]` in `pyproject.toml`; the files are looked for in the
    working folder and above, unless `ROOTCELLAR_SETTINGS_FILE` names one. Without any, everything
    lies in one folder, `home`.

    Attributes:
        home: Where everything goes that has no place of its own: `.rootcellar` beside the settings
            file, or in the working folder.
        stores: Names used as URI schemes. Without any, every name is a folder below `home`.
        allowed_protocols: fsspec protocols that templates may address directly, besides stores.
        catalog: Database URL, `sqlite:///…` or `postgresql://…`.
        catalog_away: What runs do while the catalog is away: `spool` is to go on, and to keep their
            records in `spool_dir` until it is back; `fail` is to fail, and to be tried again.
        spool_dir: Where records wait, on a disk that outlives the worker: `spool` in `home`.
        cache_dir: The host's cache, on a local disk.
        cache_budget: The most that the cache may hold: `200 GB`, or `80%` of the file system.
        cache_floor: What it leaves free of the file system.
        digest: The algorithm of new digests; those there are stay what they are.
        link_local: Which inputs of folder stores are linked into workdirs instead of copied: `auto`
            are those that a body cannot make writable, `read-only` those without a write bit.
        registry: Where the command line finds the types, as `package.module:name`.
        prefetch: Whether a worker brings the inputs of messages it has reserved into the cache
            while other tasks run.
        prefetch_bytes: At most so much for tasks that have not begun: bytes, or `8 GiB`.
        progress: `auto` is a bar on a terminal and a log line elsewhere.
        git_commit: For images without a repository: the commit the code was built from, with
            `-dirty` at the end if the tree differed from it.
        git_remote: For images without a repository: where the code's repository is published.
        image: The container image the code runs in.
        openlineage: Whether workers tell OpenLineage of runs; the client's own configuration says
            whom.
        openlineage_namespace: Of jobs in its events: one for each deployment.
        openlineage_datasets: Whether a type is one dataset in its events, or each `artifact`.
    """

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, env_nested_delimiter="__", frozen=True, extra="forbid"
    )

    home: Path = Path(".rootcellar")
    stores: dict[str, StoreSettings] = Field(default_factory=dict)
    allowed_protocols: tuple[str, ...] = ()
    catalog: str = Field(default="", repr=False)
    catalog_away: Literal["spool", "fail"] = "spool"
    spool_dir: Path | None = None
    cache_dir: Path | None = None
    cache_budget: str = "80%"
    cache_floor: str = "2%"
    digest: Literal["sha256", "blake3"] = "sha256"
    link_local: Literal["auto", "read-only", "always", "off"] = "auto"
    registry: str = ""
    prefetch: Literal["on", "off"] = "on"
    prefetch_bytes: int = Field(default=8 * 1024**3, ge=0)
    progress: Literal["auto", "bar", "log", "off"] = "auto"
    git_commit: str = ""
    git_remote: str = ""
    image: str = ""
    openlineage: Literal["on", "off"] = "off"
    openlineage_namespace: str = Field(default="rootcellar", min_length=1)
    openlineage_datasets: Literal["type", "artifact"] = "type"

    @field_validator("stores", mode="before")
    @classmethod
    def _bare_urls(cls, stores: object) -> object:
        if not isinstance(stores, dict):
            return stores
        return {n: {"url": s} if isinstance(s, str | Path) else s for n, s in stores.items()}

    @field_validator("stores")
    @classmethod
    def _known_names(cls, stores: dict[str, StoreSettings]) -> dict[str, StoreSettings]:
        for name in stores:
            if not name.isascii() or not name.replace("-", "").isalnum() or name != name.lower():
                msg = f"{name!r} cannot name a store: use lower-case letters, digits and dashes"
                raise ValueError(msg)
        return stores

    @field_validator("prefetch_bytes", mode="before")
    @classmethod
    def _spelled_bytes(cls, amount: object) -> object:
        if not isinstance(amount, str):
            return amount
        msg = f"not a number of bytes: {amount!r}; write '8 GiB' or '500 MB'"
        try:
            parsed = Amount.parse(amount)
        except ValueError as error:
            raise ValueError(msg) from error
        if parsed.share is not None:
            raise ValueError(msg)
        return parsed.size_bytes

    @field_validator("cache_budget", "cache_floor", mode="before")
    @classmethod
    def _known_amounts(cls, amount: object) -> object:
        if isinstance(amount, bool) or not isinstance(amount, str | int):
            return amount
        Amount.parse(amount)
        return str(amount)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic's signature
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Put the settings file after arguments and environment."""
        return init_settings, env_settings, InitSettingsSource(settings_cls, _file_table())

    @classmethod
    def read(cls, **given: Any) -> Self:
        """Read the settings.

        Raises:
            SettingsError: An unknown or ill-typed setting, or a file that is no TOML.
        """
        try:
            return cls(**given)
        except ValidationError as error:
            raise _wrong(error) from error
        except UnreadableVariable as error:
            raise SettingsError(
                f"one of the variables {_PREFIX}STORES and {_PREFIX}ALLOWED_PROTOCOLS is no JSON",
                remedy='Write it as in ROOTCELLAR_STORES=\'{"raw": "s3://bucket/raw"}\'',
            ) from error

    @model_validator(mode="after")
    def _settle(self) -> Self:
        """Give everything its place: folders are relative to the settings file."""
        file = find_settings_file(Path.cwd())
        base = file.parent if file else Path.cwd()
        home = base / self.home
        settled = {
            "home": home,
            "stores": {name: store.below(base) for name, store in self.stores.items()},
            "catalog": self.catalog or f"sqlite:///{home / 'catalog.sqlite'}",
            "spool_dir": base / self.spool_dir if self.spool_dir else home / "spool",
            "cache_dir": base / self.cache_dir if self.cache_dir else home / "cache",
        }
        self.__dict__.update(settled)  # frozen, but not made yet
        return self

    @property
    def cache_folder(self) -> Path:
        """Where the host's cache lies."""
        return self.cache_dir or self.home / "cache"

    @property
    def spool_folder(self) -> Path:
        """Where records wait while the catalog is away."""
        return self.spool_dir or self.home / "spool"

    @property
    def default_folder(self) -> Path | None:
        """Where stores without a setting lie; None once any is set, so that typos are seen."""
        return None if self.stores else self.home / "stores"

    def as_environment(self) -> dict[str, str]:
        """Return the `ROOTCELLAR_*` variables that give another process these settings."""
        stores = {n: s.model_dump(mode="json") for n, s in self.stores.items()}
        return {
            "ROOTCELLAR_HOME": str(self.home),
            "ROOTCELLAR_STORES": json.dumps(stores),
            "ROOTCELLAR_ALLOWED_PROTOCOLS": json.dumps(self.allowed_protocols),
            "ROOTCELLAR_CATALOG": self.catalog,
            "ROOTCELLAR_CATALOG_AWAY": self.catalog_away,
            "ROOTCELLAR_SPOOL_DIR": str(self.spool_dir),
            "ROOTCELLAR_CACHE_DIR": str(self.cache_dir),
            "ROOTCELLAR_CACHE_BUDGET": self.cache_budget,
            "ROOTCELLAR_CACHE_FLOOR": self.cache_floor,
            "ROOTCELLAR_DIGEST": self.digest,
            "ROOTCELLAR_LINK_LOCAL": self.link_local,
            "ROOTCELLAR_REGISTRY": self.registry,
            "ROOTCELLAR_PREFETCH": self.prefetch,
            "ROOTCELLAR_PREFETCH_BYTES": str(self.prefetch_bytes),
            "ROOTCELLAR_PROGRESS": self.progress,
            "ROOTCELLAR_GIT_COMMIT": self.git_commit,
            "ROOTCELLAR_GIT_REMOTE": self.git_remote,
            "ROOTCELLAR_IMAGE": self.image,
            "ROOTCELLAR_OPENLINEAGE": self.openlineage,
            "ROOTCELLAR_OPENLINEAGE_NAMESPACE": self.openlineage_namespace,
            "ROOTCELLAR_OPENLINEAGE_DATASETS": self.openlineage_datasets,
        }


def _wrong(error: ValidationError) -> SettingsError:
    """Say in one sentence what pydantic found first, and where that setting is made."""
    first = error.errors(include_url=False, include_context=False)[0]
    name, top = ".".join(str(part) for part in first["loc"]), str(first["loc"][0])
    if first["type"] == "extra_forbidden":
        names = ", ".join(Settings.model_fields)
        problem = f"there is no setting {name!r}"
        return SettingsError(problem, remedy=f"Correct or remove it; the settings are {names}")
    # What our own checks say holds the value, if it may be shown.
    is_ours = first["type"] == "value_error"
    said = first["msg"].removeprefix("Value error, ")
    said = said if is_ours else f"{said[:1].lower()}{said[1:]}"
    given = "" if is_ours or top in _MAY_HOLD_SECRETS else f", not {shown(first['input'])}"
    return SettingsError(
        f"the setting {name!r}: {said}{given}",
        remedy=f"Correct it in {_FILE}, or in the variable {_PREFIX}{top.upper()} if that is set",
    )


def _file_table() -> dict[str, Any]:
    """Return our table of the nearest settings file; empty without one."""
    file = find_settings_file(Path.cwd())
    if file is None:
        return {}
    content = _toml(file)
    if file.name == _PYPROJECT:
        return dict(content.get("tool", {}).get("rootcellar", {}))
    return content
