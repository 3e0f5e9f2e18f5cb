"""The style sheet of the demo's page, light and dark."""

from typing import Final

__all__ = ["STYLE"]

STYLE: Final = """
:root {
  color-scheme: light dark;
  --paper: #fbfaf7; --panel: #f3f1eb; --ink: #22262a; --quiet: #6a6f75; --rule: #dedad0;
  --land: #e9e6de; --sun: #e0a01f; --wind: #3f7fae; --line: #22262a;
  --sun-low: #fbf0cf; --sun-high: #c26a06;
  --wind-low: #dfeaf1; --wind-high: #14517f;
  --share-low: #e9e5f3; --share-high: #56348f;
  --sans: ui-sans-serif, system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  --serif: "Iowan Old Style", "Palatino Linotype", Palatino, Charter, "Noto Serif", Georgia, serif;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14171a; --panel: #1b1f23; --ink: #e8e6e1; --quiet: #9a9fa5; --rule: #2f343a;
    --land: #262b30; --sun: #e3ab3f; --wind: #5b9bc9; --line: #f2f0ea;
    --sun-low: #40311a; --sun-high: #f5b83d;
    --wind-low: #1f313d; --wind-high: #6db8ea;
    --share-low: #2c2740; --share-high: #b094f0;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.55 var(--sans); font-feature-settings: "kern"; -webkit-font-smoothing: antialiased;
}
main { max-width: 1180px; margin: 0 auto; padding: 64px 32px 80px; }
h1, h2 { font-family: var(--serif); font-weight: 500; letter-spacing: -0.01em; text-wrap: balance; }
h1 { font-size: clamp(34px, 5vw, 52px); line-height: 1.08; margin: 6px 0 18px; }
h2 { font-size: 26px; line-height: 1.2; margin: 0 0 6px; }
h3 { font-size: 15px; font-weight: 600; margin: 0; }
p { margin: 0; max-width: 66ch; text-wrap: pretty; }
a { color: inherit; text-underline-offset: 3px; }
section { margin-top: 64px; padding-top: 28px; border-top: 1px solid var(--rule); }
.eyebrow, .notes, figcaption, .facts dt { color: var(--quiet); font-size: 13px; }
.eyebrow { letter-spacing: 0.02em; }
.lede { font-size: 18px; line-height: 1.5; }
.about { color: var(--quiet); }
.defs { position: absolute; }
.facts { display: flex; flex-wrap: wrap; gap: 12px 48px; margin: 32px 0 0; }
.facts div { display: flex; flex-direction: column-reverse; }
.facts dd { margin: 0; font: 500 26px/1.2 var(--serif); font-variant-numeric: lining-nums; }

.maps { display: grid; gap: 28px 36px; margin-top: 28px;
  grid-template-columns: repeat(3, minmax(0, 1fr)); }
figure { margin: 0; }
.map h3 { color: var(--ink); }
.map svg { display: block; width: 100%; height: auto; margin-top: 12px; overflow: visible; }
.map use { fill: var(--land); stroke: var(--paper); stroke-width: 0.6; stroke-linejoin: round; }
.map use.on { fill: color-mix(in oklab, var(--high) var(--share), var(--low)); }
.map use.on:hover { stroke: var(--ink); stroke-width: 1.2; }
.map.sun { --low: var(--sun-low); --high: var(--sun-high); }
.map.wind { --low: var(--wind-low); --high: var(--wind-high); }
.map.share { --low: var(--share-low); --high: var(--share-high); }
.scale { display: flex; align-items: center; gap: 8px; margin-top: 4px; white-space: nowrap;
  font-variant-numeric: tabular-nums; }
.scale i { width: 84px; height: 8px; border-radius: 4px;
  background: linear-gradient(in oklab to right, var(--low), var(--high)); }
.stations { pointer-events: none; }
.stations circle { fill: var(--ink); stroke: var(--paper); stroke-width: 1.2; }
.stations text { font: 600 10.5px var(--sans); fill: var(--ink); paint-order: stroke;
  stroke: var(--paper); stroke-width: 3; stroke-linejoin: round;
  font-variant-numeric: tabular-nums; }
.stations .place { font-size: 8.5px; font-weight: 400; }

.key { display: flex; flex-wrap: wrap; gap: 6px 22px; margin-top: 14px; font-size: 13px; }
.key span { display: inline-flex; align-items: center; gap: 8px; }
.key i { width: 12px; height: 12px; border-radius: 2px; }
.key .sun { background: var(--sun); } .key .wind { background: var(--wind); }
.key .demand { height: 0; width: 18px; border-top: 2px solid var(--line); border-radius: 0; }
.average { display: grid; grid-template-columns: minmax(0, 2.1fr) minmax(0, 1fr); gap: 48px;
  align-items: center; margin-top: 18px; }
.average dl { margin: 0; }
.average dl div { display: flex; flex-direction: column-reverse; justify-content: flex-end; }
.average dt { color: var(--quiet); font-size: 13px; line-height: 1.4; }
.average dt { margin-bottom: 18px; }
.average dd { margin: 0; font: 500 28px/1.25 var(--serif); }
.year { display: block; width: 100%; height: auto; }
.year .sun { fill: var(--sun); } .year .wind { fill: var(--wind); }
.year .grid { stroke: var(--rule); stroke-width: 1; }
.year .tick { font: 12px var(--sans); fill: var(--quiet); font-variant-numeric: tabular-nums; }
.year .demand { fill: none; stroke: var(--line); stroke-width: 2; stroke-linejoin: round; }
.year.small .demand { stroke-width: 1.3; }
.years { display: grid; gap: 26px 28px; margin-top: 36px;
  grid-template-columns: repeat(5, minmax(0, 1fr)); }
.years figcaption { display: flex; justify-content: space-between; gap: 8px; margin-bottom: 6px;
  color: var(--ink); white-space: nowrap; }
.years figcaption span:first-child { overflow: hidden; text-overflow: ellipsis; }
.years figcaption span:last-child { color: var(--quiet); font-variant-numeric: tabular-nums; }

.scroll { overflow-x: auto; margin-top: 24px; }
table { border-collapse: collapse; width: 100%; font-size: 13.5px;
  font-variant-numeric: tabular-nums; }
th { font-weight: 600; text-align: right; vertical-align: bottom; padding: 0 0 8px 13px;
  line-height: 1.3; white-space: nowrap; border-bottom: 1px solid var(--ink); }
th small { display: block; font-size: 12px; font-weight: 400; color: var(--quiet); }
td { text-align: right; padding: 7px 0 7px 13px; border-bottom: 1px solid var(--rule);
  white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
td .bar { display: block; width: 100%; min-width: 96px; height: 8px; border-radius: 2px;
  background: linear-gradient(to right, var(--share-high) var(--alone),
    color-mix(in oklab, var(--share-high) 45%, var(--paper)) var(--alone) var(--with),
    var(--land) var(--with)); }
tbody tr:hover td { background: var(--panel); }
.lineage { margin-top: 24px; padding: 20px; overflow: auto; max-height: 760px;
  background: var(--panel); border-radius: 8px; }
.lineage svg { display: block; margin: 0 auto; min-width: 1000px !important; }
.notes { columns: 2; column-gap: 48px; margin-top: 14px; }
.notes p { max-width: none; break-inside: avoid; margin-bottom: 12px; }
@media (max-width: 940px) {
  main { padding: 44px 22px 60px; }
  .maps { gap: 24px 18px; } .scale i { width: 48px; }
  .stations text { font-size: 13.5px; } .stations .place { display: none; }
  .average { grid-template-columns: 1fr; gap: 20px; }
  .average dl { display: grid; grid-template-columns: repeat(3, auto); gap: 0 24px; }
  .years { grid-template-columns: repeat(3, minmax(0, 1fr)); }
  .extra { display: none; }
  th, td { padding-left: 12px; }
}
@media (max-width: 620px) {
  .maps { grid-template-columns: 1fr; } .map svg { max-width: 340px; }
  .stations text { font-size: 10.5px; } .stations .place { display: inline; }
  .years { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .notes { columns: 1; }
}
@media print { section { break-inside: avoid; } .lineage { max-height: none; } }
"""
