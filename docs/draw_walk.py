"""Draw docs/assets/walk.svg: who talks to whom in one run. Run it with any Python."""

from pathlib import Path

_PICTURE = Path(__file__).parent / "assets" / "walk.svg"
_LANES = ("caller", "broker", "worker", "store", "catalog")
_LANE_WIDTH, _LEFT, _TOP, _STEP = 168, 90, 64, 42
# (number, from, to, text); from and to alike is a step of one's own.
_STEPS = (
    ("1", "caller", "caller", "bind, to check"),
    ("", "caller", "broker", "keys, refs"),
    ("", "broker", "worker", "deliver"),
    ("2", "worker", "worker", "bind again"),
    ("3", "worker", "catalog", "run: running"),
    ("4", "worker", "store", "which version?"),
    ("", "worker", "catalog", "known, by which digest?"),
    ("", "store", "worker", "download, verify"),
    ("5", "worker", "worker", "the body"),
    ("6", "worker", "worker", "check, validate"),
    ("", "worker", "store", "upload, invisible"),
    ("", "worker", "store", "publish"),
    ("7", "worker", "catalog", "run: succeeded"),
    ("8", "worker", "worker", "workdir gone"),
    ("", "worker", "broker", "acknowledge"),
)
_STYLE = """
svg{--ink:#25272c;--faint:#72747b;--line:#b4b1aa;--page:#fbfaf8;--box:#ffffff;--good:#3f8a63}
@media (prefers-color-scheme:dark){svg{--ink:#e8e6e1;--faint:#a3a099;--line:#6d6b66;
--page:#1f2023;--box:#2a2b2f;--good:#7cc4a0}}
text{font:13px system-ui,sans-serif;fill:var(--ink)}
.lane{font-weight:600}.rail{stroke:var(--line);stroke-dasharray:2 4}
.arrow{stroke:var(--faint);stroke-width:1.3;fill:none}.tip{fill:var(--faint)}
.own{fill:var(--box);stroke:var(--line)}.number{fill:var(--good);font-weight:600}
"""


def _x(lane: str) -> float:
    return _LEFT + _LANES.index(lane) * _LANE_WIDTH


def _own(x: float, y: float, number: str, text: str) -> str:
    width = 7.2 * len(text) + 34
    return (
        f'<rect class="own" x="{x - width / 2:.0f}" y="{y - 14:.0f}" width="{width:.0f}" '
        f'height="26" rx="5"/><text x="{x + 8:.0f}" y="{y + 4:.0f}" text-anchor="middle">'
        f'{text}</text><text class="number" x="{x - width / 2 + 8:.0f}" y="{y + 4:.0f}">'
        f"{number}</text>"
    )


def _arrow(start: float, end: float, y: float, number: str, text: str) -> str:
    back = -1 if end > start else 1
    middle = min(start, end) + _LANE_WIDTH / 2  # beside the nearer rail: lanes between stay free
    return (
        f'<path class="arrow" d="M{start:.0f} {y:.0f}H{end + 7 * back:.0f}"/>'
        f'<path class="tip" d="M{end:.0f} {y:.0f}l{9 * back} -4v8z"/>'
        f'<text x="{middle:.0f}" y="{y - 6:.0f}" text-anchor="middle">'
        f'<tspan class="number">{number} </tspan>{text}</text>'
    )


def main() -> None:
    """Write the picture."""
    height = _TOP + _STEP * len(_STEPS) + 10
    width = 2 * _LEFT + _LANE_WIDTH * (len(_LANES) - 1)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {width} {height}"',
        f'width="{width}" height="{height}" style="max-width:100%;height:auto">',
        "<title>The walk of a run: caller, broker, worker, store, catalog</title>",
        f"<style>{_STYLE}</style>",
        f'<rect width="{width}" height="{height}" rx="8" fill="var(--page)"/>',
    ]
    for lane in _LANES:
        x = _x(lane)
        parts.append(f'<text class="lane" x="{x}" y="28" text-anchor="middle">{lane}</text>')
        parts.append(f'<path class="rail" d="M{x} 38V{height - 12}"/>')
    for row, (number, start, end, text) in enumerate(_STEPS):
        y = _TOP + row * _STEP + 4
        if start == end:
            parts.append(_own(_x(start), y, number, text))
        else:
            parts.append(_arrow(_x(start), _x(end), y, number, text))
    _PICTURE.write_text("\n".join([*parts, "</svg>"]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
