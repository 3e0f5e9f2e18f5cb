"""`config`: every setting, its value and where it came from, with secrets hidden."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from rootcellar.cli.options import common_options, print_json
from rootcellar.cli.project import Project
from rootcellar.cli.terminal import Column, Terminal
from rootcellar.settings import Settings, find_settings_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["COMMANDS"]

_HIDDEN = "***"
_NOTHING = "\N{EN DASH}"
_PASSWORD = re.compile(r"(://[^/@:\s]*):[^/\s]*@")
_PREFIX = "ROOTCELLAR_"
_UNITS = (
    ("B", 1),
    *((f"{letter}B", 1000**power) for power, letter in enumerate("kMGT", start=1)),
    *((f"{letter}iB", 1024**power) for power, letter in enumerate("KMGT", start=1)),
)


class Setting(NamedTuple):
    """One setting as it is shown."""

    name: str
    value: Any
    source: str


@click.command("config")
@common_options
@click.pass_context
def config(ctx: click.Context) -> None:
    """Show every setting, its value and where it came from.

    Passwords in URLs and the options of stores are hidden.
    """
    project = Project(ctx)
    file = find_settings_file(Path.cwd())
    shown = list(_settings(project.settings, file))
    if project.is_json:
        print_json(
            {
                "file": None if file is None else str(file),
                "settings": [one._asdict() for one in shown],
            }
        )
        return
    columns = (
        Column("setting", style="bold"),
        Column("value", least=20),
        Column("from", least=16, style="dim"),
    )
    Terminal().table(columns, [[one.name, _spelled(one), one.source] for one in shown])


def _spelled(setting: Setting) -> str:
    value = setting.value
    if value in (None, "", [], {}):
        return _NOTHING
    if setting.name.endswith("_bytes"):
        return _amount(value)
    return ", ".join(value) if isinstance(value, list) else str(value)


def _amount(size_bytes: int) -> str:
    """Return it to the byte, in the unit that makes it shortest, as it may be set."""
    whole = [f"{size_bytes // step} {unit}" for unit, step in _UNITS if not size_bytes % step]
    return min(whole, key=len)


def _settings(settings: Settings, file: Path | None) -> Iterator[Setting]:
    usual, sources = Settings.read(), _Sources(file)
    for name in Settings.model_fields:
        value = getattr(settings, name)
        given = "argument of install" if value != getattr(usual, name) else ""
        if name == "stores" and value:
            for store, where in value.items():
                source = given or sources.of("stores", store)
                yield Setting(f"stores.{store}", _without_password(where.url), source)
                for option, secret in where.options.items():
                    yield Setting(f"stores.{store}.{option}", _option(secret), source)
        else:
            yield Setting(name, _shown(value), given or sources.of(name))


class _Sources:
    """Where settings came from: a variable, the file, or neither."""

    def __init__(self, file: Path | None) -> None:
        self._variables = {name.upper(): name for name in os.environ}
        self._file = file
        self._table: Mapping[str, Any] = {}
        if file is not None:
            content = tomllib.loads(file.read_text(encoding="utf-8"))
            is_ours = file.name == "rootcellar.toml"
            self._table = content if is_ours else content["tool"]["rootcellar"]

    def of(self, name: str, member: str = "") -> str:
        """Return the source of a setting, or of one member of a mapping."""
        whole = f"{_PREFIX}{name}".upper()
        if member:
            nested = f"{whole}__{member}".upper()
            for variable, spelled in self._variables.items():
                if variable == nested or variable.startswith(f"{nested}__"):
                    return spelled
            if whole in self._variables and member in os.environ[self._variables[whole]]:
                return self._variables[whole]
        elif whole in self._variables:
            return self._variables[whole]
        return self._file.name if self._file is not None and name in self._table else "default"


def _shown(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple):
        return list(value)
    return _without_password(value) if isinstance(value, str) else value


def _without_password(url: str) -> str:
    """Return the URL with its password and its query, which may hold one, hidden."""
    hidden = _PASSWORD.sub(rf"\1:{_HIDDEN}@", url)
    bare, mark, _ = hidden.partition("?")
    return f"{bare}?{_HIDDEN}" if mark and "://" in bare else hidden


def _option(value: Any) -> str:
    """Return `env:NAME`, which is no secret, or stars."""
    return value if isinstance(value, str) and value.startswith("env:") else _HIDDEN


COMMANDS = {"config": config}
