"""Formats: what files hold, and how objects become files and files objects."""

from rootcellar.schemas.formats.arrow_ipc import ArrowIpc
from rootcellar.schemas.formats.csv import Csv
from rootcellar.schemas.formats.discovery import BUILT_IN, GROUP, discover
from rootcellar.schemas.formats.file import File
from rootcellar.schemas.formats.folder import Folder
from rootcellar.schemas.formats.format import (
    Column,
    Description,
    Format,
    located,
    require_format,
)
from rootcellar.schemas.formats.json import Json
from rootcellar.schemas.formats.parquet import Parquet
from rootcellar.schemas.formats.preview import TextPreview
from rootcellar.schemas.formats.text import Text

__all__ = [
    "BUILT_IN",
    "GROUP",
    "ArrowIpc",
    "Column",
    "Csv",
    "Description",
    "File",
    "Folder",
    "Format",
    "Json",
    "Parquet",
    "Text",
    "TextPreview",
    "discover",
    "located",
    "require_format",
]
