"""The styles of every page: both colour schemes, print, 360 to 2,560 px. Nothing is fetched, no font is brought."""

from __future__ import annotations

from typing import Final

STYLE: Final = """
:root{color-scheme:light dark;--paper:#fff;--ink:#1a1d21;--quiet:#5a626b;--line:#d4d9de;--card:#f5f7f9;
--good:#0b6b3a;--warn:#8a5300;--bad:#b3121d;--unsure:#5b3fa8;--accent:#0a58a8}
@media (prefers-color-scheme:dark){:root{--paper:#101317;--ink:#e8ebee;--quiet:#a3adb8;--line:#39424c;--card:#191e24;
--good:#5fd39a;--warn:#f0b354;--bad:#ff7f86;--unsure:#c0a8ff;--accent:#7db8ff}}
*{box-sizing:border-box}
body{margin:0 auto;padding:12px clamp(10px,2vw,40px) 40px;max-width:2560px;background:var(--paper);color:var(--ink);
font:15px/1.45 system-ui,sans-serif;overflow-wrap:break-word}
h1{font-size:1.35rem;margin:.4em 0}h2{font-size:1.12rem;margin:1.4em 0 .4em}h3{font-size:1rem;margin:.2em 0}
a{color:var(--accent)}p{margin:.4em 0;max-width:80ch}.quiet,.nothing,figcaption,caption,dt{color:var(--quiet)}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
.scroll{overflow-x:auto;margin:.6em 0}table{border-collapse:collapse;min-width:min(100%,320px)}
caption{max-width:calc(100vw - 22px);
text-align:left;padding:.2em 0;font-weight:600}th,td{padding:.28em .7em;border-bottom:1px solid var(--line);
text-align:left;vertical-align:top;font-variant-numeric:tabular-nums}thead th{color:var(--quiet);font-weight:600}
tbody th{font-weight:600}.number{text-align:right;white-space:nowrap}thead .number{white-space:normal}
dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,170px),1fr));gap:.35em 1em;margin:.5em 0}
dl div{min-width:0;overflow-wrap:anywhere}dt{font-size:.82rem}dd{margin:0;font-variant-numeric:tabular-nums}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,340px),1fr));gap:14px}
figure{margin:0;min-width:0}figcaption{font-weight:600}
svg.chart{display:block;width:100%;height:auto;max-width:480px}svg.ladder{max-width:460px}
figure p{margin:.1em 0 0;font-size:.85rem}
svg text{fill:var(--ink);font:11.5px system-ui,sans-serif;font-variant-numeric:tabular-nums}
svg.ladder text{font-size:13px}svg .middle{text-anchor:middle}svg .end{text-anchor:end}svg .axis{stroke:var(--quiet)}
svg .grid{stroke:var(--line)}
svg .zero{stroke:var(--quiet);stroke-dasharray:4 3;fill:none}svg .line{stroke:var(--accent);stroke-width:2;fill:none}
svg .bar.win{fill:var(--good)}svg .bar.loss{fill:none;stroke:var(--bad);stroke-width:2}
svg .point.win{fill:var(--good);fill-opacity:.75}svg .point.loss{stroke:var(--bad);stroke-width:1.6;fill:none}
svg .span{stroke:var(--accent);stroke-width:2;fill:none}svg .dot{fill:var(--accent)}
svg .over{fill:none;stroke-width:2;stroke:var(--ink)}svg .over.mark{stroke:var(--accent)}
svg .over.stop{stroke:var(--warn);stroke-width:3}
svg .over.backstop{stroke:var(--warn);stroke-dasharray:6 4}svg .over.entry{stroke:var(--quiet);stroke-dasharray:1 4}
svg .lead{stroke:var(--line);fill:none}svg .far{stroke-dasharray:2 4}
svg .stretch{stroke:var(--accent);stroke-width:5;stroke-opacity:.45}
svg .sign{stroke-width:2;fill:none;stroke:var(--ink)}svg .liquidation .sign{stroke:var(--bad)}
svg .backstop .sign{stroke:var(--warn)}svg .stop .sign{stroke:var(--warn);fill:var(--warn)}
svg .mark .sign{stroke:var(--accent);fill:var(--accent)}svg .mark text{font-weight:700}
svg .target .sign{stroke:var(--good);fill:var(--good)}svg .target-wanted .sign{stroke:var(--good);stroke-dasharray:2 2}
svg .to-come .sign{stroke:var(--warn)}svg .to-come text{fill:var(--quiet)}
.good{color:var(--good)}.warn{color:var(--warn)}.bad{color:var(--bad)}.unsure{color:var(--unsure)}
@media (max-width:600px){table{font-size:.88rem}th,td{padding:.28em .32em}.wide{display:none}
dl{grid-template-columns:repeat(auto-fill,minmax(min(100%,132px),1fr))}}
@media print{:root{color-scheme:light;--paper:#fff;--ink:#000;--quiet:#444;--line:#bbb;--card:#fff;--good:#0b6b3a;
--warn:#8a5300;--bad:#b3121d;--unsure:#5b3fa8;--accent:#0a58a8}body{font-size:10pt;padding:0}
.scroll{overflow:visible}figure,article,tr{break-inside:avoid}a{color:inherit;text-decoration:none}}
"""
