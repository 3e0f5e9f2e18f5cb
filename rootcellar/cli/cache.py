"""`cache`: what this host keeps, why, and what may go."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rootcellar.cli import wording
from rootcellar.cli.documents import holding_document
from rootcellar.cli.options import common_options, print_json
from rootcellar.cli.project import Project
from rootcellar.cli.terminal import Column, Terminal
from rootcellar.runtime import cache_of
from rootcellar.schemas.amount import Amount
from rootcellar.schemas.errors import InvalidKey, NotInCatalog
from rootcellar.staging.holdings import Holding, holdings, prune, usage, verify

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from rootcellar.schemas.digest import Digest
    from rootcellar.staging.cache.cache import Cache

__all__ = ["COMMANDS"]

_NOTHING = "Nothing is cached on this host yet."
_LEAST_DIGITS = 6
_MOST_KEPT = 20
_PRUNED = {
    "downloads": "unfinished download",
    "workdirs": "dead run's folder",
    "sources": "unused note",
    "quarantined": "quarantined file",
    "layouts": "older cache",
}


@click.group("cache")
@common_options
def cache() -> None:
    """List, verify and evict what this host keeps.

    It is one folder for all processes of this user on this host (cache_dir).
    """


@cache.command("ls")
@click.option("--limit", default=50, show_default=True, help="At most so many; 0 is all.")
@common_options
@click.pass_context
def ls(ctx: click.Context, *, limit: int) -> None:
    """List entries, the last released first."""
    project, opened = _opened(ctx, entries=[], quarantined=[])
    found = sorted(holdings(opened), key=lambda one: one.released_at, reverse=True)
    shown = found[: limit or None]
    bad = opened.quarantine.listed()
    if project.is_json:
        print_json(
            {
                "entries": [holding_document(one) for one in shown],
                "quarantined": [asdict(one) for one in bad],
            }
        )
        return
    if not found:
        click.echo(_NOTHING)
    else:
        more = len(found) - len(shown)
        note = f"{more} more; --limit 0 lists all" if more else ""
        _print_holdings(shown, note)
    for one in bad:
        Terminal().cut_line(("quarantined ", "red"), (f"{one.digest.short}  {one.reason}", ""))


def _print_holdings(shown: Sequence[Holding], note: str) -> None:
    columns = (
        Column("digest", style="bold"),
        Column("size", right=True),
        Column("released", rank=2),
        Column("state", rank=3, style=lambda state: "" if state == "good" else "yellow"),
        Column("leased by", least=8, rank=1, style="cyan"),
        Column("uri", least=20, keeps_end=True, style="dim"),
    )
    rows = [
        [
            one.digest.short,
            wording.size(one.size_bytes),
            wording.age(one.released_at),
            one.state,
            _holders(one),
            ", ".join(one.uris),
        ]
        for one in shown
    ]
    Terminal().table(columns, rows, note=note)


def _holders(one: Holding) -> str:
    if not one.is_leased:
        return ""
    return ", ".join(wording.short(uid) for uid in one.leased_by) or "a process"


@cache.command("usage")
@common_options
@click.pass_context
def show_usage(ctx: click.Context) -> None:
    """Show how much is used, by what, and how much is left."""
    project, opened = _opened(ctx, entries=0, used_bytes=0)
    found = usage(opened)
    if project.is_json:
        print_json({"folder": str(project.settings.cache_folder), **asdict(found)})
        return
    share = f"{100 * found.used_bytes / found.budget_bytes:.0f} %" if found.budget_bytes else "all"
    size = wording.size
    free = f"{size(found.free_bytes)} of {size(found.disk_bytes)} are free"
    Terminal().facts(
        (
            ("folder", str(project.settings.cache_folder)),
            ("used", f"{size(found.used_bytes)} of {size(found.budget_bytes)} ({share})"),
            ("entries", f"{found.entries}, {size(found.entry_bytes)}"),
            ("leased", f"{found.leased}, {size(found.leased_bytes)}" if found.leased else ""),
            ("unverified", f"{found.unverified}" if found.unverified else ""),
            ("reserved", size(found.reserved_bytes) if found.reserved_bytes else ""),
            (
                "quarantine",
                f"{found.quarantined}, {size(found.quarantined_bytes)}"
                if found.quarantined
                else "",
            ),
            (
                "disk",
                f"{free}, of which {size(found.floor_bytes)} stay free",
            ),
        )
    )


@cache.command("verify")
@common_options
@click.pass_context
def verify_all(ctx: click.Context) -> None:
    """Read every entry again. Ends with 1 if one was bad; it is in quarantine then."""
    project, opened = _opened(ctx, entries=0, size_bytes=0, bad=[])
    found = verify(opened)
    if project.is_json:
        print_json({"entries": found.entries, "size_bytes": found.size_bytes, "bad": found.bad})
    else:
        click.echo(
            f"{found.entries} entries read, {wording.size(found.size_bytes)}; "
            f"{len(found.bad)} bad{', now in quarantine' if found.bad else ''}."
        )
        for digest in found.bad:
            click.echo(digest)
    ctx.exit(1 if found.bad else 0)


@cache.command("evict")
@click.argument("words", metavar="[DIGEST|URI|PATH]...", nargs=-1)
@click.option(
    "--to", "to", metavar="SIZE", help="Evict until no more is left, as '20 GB' or '40%'."
)
@click.option("--all", "is_all", is_flag=True, help="Evict all that no run holds.")
@common_options
@click.pass_context
def evict(ctx: click.Context, words: tuple[str, ...], *, to: str | None, is_all: bool) -> None:
    """Drop entries from this host. Remote data and records stay.

    With --to, the least recently released go first. What a run holds stays and is told, and if it
    was named the command ends with 1.
    """
    if sum(map(bool, (words, to, is_all))) != 1:
        raise click.UsageError("Name entries, or give one of --to and --all.", ctx)
    project, opened = _opened(ctx, *words, freed_bytes=0, kept=[])
    kept: list[Holding] = []
    if words:
        freed = 0
        for one in _named(opened, words):
            went = opened.evictor.evict_one(one.digest)
            freed += went or 0
            kept += [one] if went is None else []
    else:
        most = _amount(ctx, to, opened) if to else 0
        freed = opened.evictor.evict_to(most)
        kept = _held_above(opened, most)
    if project.is_json:
        print_json({"freed_bytes": freed, "kept": [one.digest for one in kept]})
    else:
        click.echo(f"{wording.size(freed)} freed.")
        for one in kept[:_MOST_KEPT]:
            click.echo(f"{one.digest.short} stays: {_reason(one)}.")
        if more := kept[_MOST_KEPT:]:
            size = wording.size(sum(one.size_bytes for one in more))
            click.echo(f"{len(more)} more stay, with {size}, as they are leased.")
    ctx.exit(1 if words and kept else 0)


def _held_above(opened: Cache, most_bytes: int) -> list[Holding]:
    """Return the entries that are leased, if therefore more is left than so many bytes."""
    if opened.evictor.count().entry_bytes <= most_bytes:
        return []
    return [one for one in holdings(opened) if one.is_leased]


def _amount(ctx: click.Context, text: str, opened: Cache) -> int:
    try:
        amount = Amount.parse(text)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param_hint="--to") from error
    with opened.ledger.opened() as account:
        return amount.of(account.disk_bytes)


@cache.command("prune", short_help="Remove what nobody needs any more.")
@common_options
@click.pass_context
def prune_all(ctx: click.Context) -> None:
    """Remove what dead processes left, quarantine, notes of no entry, and old layouts.

    Runs whose processes died are marked lost.
    """
    project, opened = _opened(ctx, pruned={})
    lost = (lambda uid: project.catalog.mark_lost([uid])) if project.is_recorded else None
    counts = prune(opened, lost).counts
    if project.is_json:
        print_json({"pruned": counts})
        return
    done = ", ".join(
        wording.count(number, _PRUNED[name]) for name, number in counts.items() if number
    )
    click.echo(f"Pruned: {done}." if done else "There was nothing to prune.")


@cache.command("why")
@click.argument("word", metavar="DIGEST|URI|PATH")
@common_options
@click.pass_context
def why(ctx: click.Context, word: str) -> None:
    """Say why an entry stays: a run holds it, or there is room."""
    project, opened = _opened(ctx, word)
    found = _named(opened, (word,))
    older = _older(opened, found)
    if project.is_json:
        print_json(
            {
                "entries": [
                    {
                        **holding_document(one),
                        "reason": _reason(one),
                        "older_bytes": older[one.digest],
                    }
                    for one in found
                ]
            }
        )
        return
    for one in found:
        before = f"{wording.size(older[one.digest])} would be evicted before it"
        Terminal().facts(
            (
                ("digest", one.digest),
                ("size", wording.size(one.size_bytes)),
                ("uri", ", ".join(one.uris)),
                ("state", one.state),
                ("released", wording.moment(one.released_at)),
                ("stays", _reason(one)),
                ("then", before),
            )
        )


def _reason(one: Holding) -> str:
    if one.leased_by:
        return f"leased by {', '.join(f'run {uid}' for uid in one.leased_by)}"
    if one.is_leased:
        return "leased: another name for its bytes is somewhere on this disk"
    if one.state == "unverified":
        return (
            "it was cached before the host was started; it is the first to go when room is needed"
        )
    if one.state == "damaged":
        return "it is damaged, and is replaced at its next use"
    return "within the budget: nothing holds it, and nothing needs its room"


def _older(opened: Cache, found: Sequence[Holding]) -> dict[Digest, int]:
    """Return, for each, the bytes of unleased entries that are evicted before it."""
    free = [one for one in holdings(opened) if not one.is_leased]
    return {
        one.digest: sum(other.size_bytes for other in free if _turn(other) < _turn(one))
        for one in found
    }


def _turn(one: Holding) -> tuple[bool, datetime]:
    return one.state == "good", one.released_at


def _named(opened: Cache, words: Sequence[str]) -> list[Holding]:
    """Return the entries that are meant by digests or their beginnings, URIs, or paths."""
    everything = list(holdings(opened))
    found = []
    for word in words:
        meant = [one for one in everything if _is_meant(one, word, opened)]
        if not meant:
            raise _unknown(word)
        if "://" not in word and len({one.digest for one in meant}) > 1:
            raise InvalidKey(
                f"{word!r} is the beginning of several digests", remedy="Give more of it"
            )
        found += meant
    return found


def _unknown(word: str) -> NotInCatalog:
    return NotInCatalog(
        f"nothing in the cache is called {word!r}",
        remedy=f"Name a URI, a path, or at least {_LEAST_DIGITS} digits of a digest; "
        "`rootcellar cache ls --limit 0` lists all",
    )


def _is_meant(one: Holding, word: str, opened: Cache) -> bool:
    if "://" in word:
        return word in one.uris
    if "/" in word or Path(word).exists():
        path = Path(word)
        entry = Path(opened.entries.path(one.digest))
        return path.exists() and entry.exists() and path.samefile(entry)
    digits = word.removeprefix(f"{one.digest.algorithm}:")
    return len(digits) >= _LEAST_DIGITS and one.digest.hex.startswith(digits)


def _opened(ctx: click.Context, *words: str, **nothing: Any) -> tuple[Project, Cache]:
    """Return the cache, or end the command with `nothing` as its document if there is none.

    Raises:
        NotInCatalog: There is none, and `words` name something in it.
    """
    project = Project(ctx)
    if not project.settings.cache_folder.exists():  # asking makes no folder
        if words:
            raise _unknown(words[0])
        if project.is_json:
            print_json(nothing)
        else:
            click.echo(_NOTHING)
        ctx.exit(0)
    return project, cache_of(project.settings)


COMMANDS: dict[str, Any] = {"cache": cache}
