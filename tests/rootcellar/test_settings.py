"""Settings: where they come from, which wins, and what is said of wrong ones."""

from __future__ import annotations

import os

import pytest

from rootcellar.schemas.errors import SettingsError
from rootcellar.settings import Settings, StoreSettings, find_settings_file


@pytest.fixture(autouse=True)
def clean(monkeypatch, tmp_path):
    """No variables, and a working folder without settings files above it."""
    for name in [name for name in os.environ if name.startswith("ROOTCELLAR_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_without_settings_all_is_in_one_folder(tmp_path):
    """Stores, catalog and cache have a place though nobody named one."""
    settings = Settings.read()
    home = tmp_path / ".rootcellar"

    assert settings.home == home
    assert settings.catalog == f"sqlite:///{home}/catalog.sqlite"
    assert settings.cache_folder == home / "cache"
    assert settings.default_folder == home / "stores"
    assert not home.exists()


def test_first_source_wins(tmp_path, monkeypatch):
    """Arguments before variables before the file."""
    (tmp_path / "rootcellar.toml").write_text('image = "file"\nprogress = "log"\nregistry = "f:r"')
    monkeypatch.setenv("ROOTCELLAR_IMAGE", "variable")
    monkeypatch.setenv("ROOTCELLAR_PROGRESS", "bar")
    settings = Settings.read(image="argument")

    assert (settings.image, settings.progress, settings.registry) == ("argument", "bar", "f:r")


def test_nearest_file_counts(tmp_path, monkeypatch):
    """Files are looked for upwards; `rootcellar.toml` before `pyproject.toml` beside it."""
    inner = tmp_path / "inner"
    inner.mkdir()
    (tmp_path / "pyproject.toml").write_text('[tool.rootcellar]\nimage = "pyproject"')
    (inner / "pyproject.toml").write_text('[project]\nname = "no table of ours"')
    monkeypatch.chdir(inner)
    above = Settings.read().image
    (tmp_path / "rootcellar.toml").write_text('image = "toml"')

    assert above == "pyproject"
    assert Settings.read().image == "toml"
    assert find_settings_file(inner) == tmp_path / "rootcellar.toml"


def test_file_by_variable(tmp_path, monkeypatch):
    """A variable names the file, and then no other is read."""
    (tmp_path / "rootcellar.toml").write_text('image = "here"\nregistry = "h:r"')
    other = tmp_path / "other" / "settings.toml"
    other.parent.mkdir()
    other.write_text('image = "named"')
    monkeypatch.setenv("ROOTCELLAR_SETTINGS_FILE", str(other))
    settings = Settings.read()

    assert (settings.image, settings.registry) == ("named", "")
    assert settings.home == other.parent / ".rootcellar"


def test_file_by_variable_must_exist(tmp_path, monkeypatch):
    """A typo there would silently mean other stores."""
    monkeypatch.setenv("ROOTCELLAR_SETTINGS_FILE", str(tmp_path / "typo.toml"))

    with pytest.raises(SettingsError, match="ROOTCELLAR_SETTINGS_FILE"):
        Settings.read()


def test_folders_are_relative_to_the_file(tmp_path, monkeypatch):
    """Settings mean the same wherever below the file one stands."""
    (tmp_path / "rootcellar.toml").write_text(
        'home = "h"\ncache_dir = "c"\n[stores]\nraw = "data/raw"'
    )
    inner = tmp_path / "inner"
    inner.mkdir()
    monkeypatch.chdir(inner)
    settings = Settings.read()

    assert settings.home == tmp_path / "h"
    assert settings.cache_folder == tmp_path / "c"
    assert settings.stores["raw"].url == str(tmp_path / "data/raw")


def test_stores_by_variables(monkeypatch):
    """One store by a nested variable, with or without options."""
    monkeypatch.setenv("ROOTCELLAR_STORES__RAW__URL", "s3://bucket/raw")
    monkeypatch.setenv("ROOTCELLAR_STORES__RAW__OPTIONS", '{"anon": true}')
    monkeypatch.setenv("ROOTCELLAR_STORES__DERIVED", "s3://bucket/derived")
    stores = Settings.read().stores

    assert stores["raw"] == StoreSettings(url="s3://bucket/raw", options={"anon": True})
    assert stores["derived"].url == "s3://bucket/derived"


def test_secrets_by_reference(monkeypatch):
    """An option refers to a variable, which is read when the store is opened."""
    store = StoreSettings(url="s3://b", options={"secret": "env:GRID_SECRET", "inner": {"a": 1}})
    monkeypatch.setenv("GRID_SECRET", "hidden")

    assert store.resolved_options() == {"secret": "hidden", "inner": {"a": 1}}
    assert "hidden" not in repr(store)


def test_reference_to_nothing(monkeypatch):
    """The error names the variable."""
    store = StoreSettings(url="s3://b", options={"secret": "env:GRID_NOT_SET"})

    with pytest.raises(SettingsError, match="GRID_NOT_SET"):
        store.resolved_options()


def test_secrets_are_not_shown():
    """Neither options nor the catalog's password print."""
    settings = Settings.read(
        catalog="postgresql://me:hidden@host/db",
        stores={"raw": {"url": "s3://b", "options": {"secret": "hidden"}}},
    )

    assert "hidden" not in repr(settings)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"progress": "loud"}, "progress"),
        ({"catalogue": "x"}, "catalogue"),
        ({"stores": {"Raw": "x"}}, "Raw"),
        ({"stores": {"raw": {"uri": "x"}}}, "stores.raw"),
        ({"stores": "x"}, "stores"),
    ],
)
def test_wrong_settings(given, named):
    """An unknown or ill-typed setting is named."""
    with pytest.raises(SettingsError, match=named):
        Settings.read(**given)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"digest": "md5"}, "'digest': input should be 'sha256' or 'blake3', not 'md5'"),
        ({"prefetch": True}, "'prefetch': input should be 'on' or 'off', not True"),
        ({"cache_budget": "20 XB"}, "'cache_budget': not an amount of disk: '20 XB'"),
        ({"prefetch_bytes": "50%"}, "'prefetch_bytes': not a number of bytes: '50%'"),
        ({"prefetch_bytes": "-1"}, "'prefetch_bytes': not a number of bytes: '-1'; write '8 GiB'"),
        ({"cach_dir": "x"}, "there is no setting 'cach_dir'"),
    ],
)
def test_wrong_settings_are_explained(given, said):
    """The error says what was given, what may be, and where the setting is made."""
    with pytest.raises(SettingsError) as raised:
        Settings.read(**given)

    assert said in str(raised.value)
    assert "Correct" in raised.value.remedy
    assert "Value error" not in str(raised.value)


@pytest.mark.parametrize("name", ["STORES", "ALLOWED_PROTOCOLS"])
def test_a_variable_that_is_no_json(monkeypatch, name):
    """It is an error of ours, which names the variables and not their content."""
    monkeypatch.setenv(f"ROOTCELLAR_{name}", "[hidden")

    with pytest.raises(SettingsError, match=f"ROOTCELLAR_{name}") as raised:
        Settings.read()

    assert "hidden" not in str(raised.value)


@pytest.mark.parametrize("text", ["8 GiB", "8589934592", 8589934592])
def test_bytes_to_prefetch_are_spelled_as_other_amounts(text):
    """A number, or as people write it."""
    assert Settings.read(prefetch_bytes=text).prefetch_bytes == 8 * 1024**3


def test_wrong_settings_hide_their_values():
    """The error does not repeat what may be a secret."""
    with pytest.raises(SettingsError) as raised:
        Settings.read(stores={"raw": {"url": "s3://b", "options": "hidden"}})

    assert "hidden" not in str(raised.value)


@pytest.mark.parametrize("text", ["home = ", "\x00", "home = 'x'\nhome = 'y'"])
def test_file_that_is_no_toml(tmp_path, text):
    """The error names the file, not its place."""
    (tmp_path / "rootcellar.toml").write_text(text)

    with pytest.raises(SettingsError, match=r"rootcellar\.toml") as raised:
        Settings.read()

    assert str(tmp_path) not in str(raised.value)


def test_environment_of_a_child(monkeypatch, tmp_path):
    """The variables give another process the same settings."""
    settings = Settings.read(
        home=tmp_path / "h",
        stores={"raw": {"url": "s3://b", "options": {"anon": True}}},
        allowed_protocols=("s3",),
        catalog="postgresql://host/db",
        progress="off",
    )
    for name, value in settings.as_environment().items():
        monkeypatch.setenv(name, value)

    assert Settings.read() == settings


def test_constructor_is_as_good_as_read(tmp_path):
    """Settings that are made and not read have places for everything too."""
    settings = Settings(home=tmp_path)

    assert settings.catalog == f"sqlite:///{tmp_path}/catalog.sqlite"
    assert settings.cache_folder == tmp_path / "cache"
