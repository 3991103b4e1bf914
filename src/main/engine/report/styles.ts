/**
 * Style sheet of the report: the tokens of the interface (no hue but for materials, models and states), dark by default, light when
 * the reader's system is, and always light on paper. The viewport colours never change: a grey value looks the same in both.
 */
const dark = `
color-scheme: dark;
--bg-app: #161616; --bg-panel: #1b1b1b; --bg-raised: #232323; --bg-well: #121212;
--line: #2b2b2b; --line-strong: #3c3c3c;
--tx-1: #f0f0f0; --tx-2: #bdbdbd; --tx-3: #969696;
--model-a: #b8a4ff; --model-b: #bfdd5c; --model-ink: #141414;
--warn: #e8bb4e; --warn-bg: #2c2618; --grid: #2a2a2a;`

const light = `
color-scheme: light;
--bg-app: #ececec; --bg-panel: #f9f9f9; --bg-raised: #ffffff; --bg-well: #efefef;
--line: #dadada; --line-strong: #bdbdbd;
--tx-1: #161616; --tx-2: #454545; --tx-3: #5e5e5e;
--model-a: #6a4fd8; --model-b: #5e7a0e; --model-ink: #ffffff;
--warn: #8a5a00; --warn-bg: #fbf1dc; --grid: #e0e0e0;`

const layout = `
* { box-sizing: border-box; margin: 0; }
html { -webkit-text-size-adjust: 100%; }
body { background: var(--bg-app); color: var(--tx-1); font: 400 13px/1.45 Inter, system-ui, "Segoe UI", sans-serif; font-variant-numeric: tabular-nums; }
.page { max-width: 1240px; margin: 0 auto; padding: 0 20px 48px; }
header.top { display: flex; gap: 14px; align-items: center; padding: 26px 0 18px; }
header.top .logo { width: 40px; height: 40px; flex: none; }
h1 { font-size: 24px; font-weight: 600; line-height: 1.25; letter-spacing: -.01em; }
h2 { font-size: 15px; font-weight: 600; line-height: 1.25; }
h3 { font-size: 13px; font-weight: 600; line-height: 1.25; }
.sub { color: var(--tx-2); margin-top: 3px; }
.hint { color: var(--tx-3); font-size: 12px; }
.chips { display: flex; flex-wrap: wrap; gap: 6px; margin-left: auto; justify-content: flex-end; }
.chip { border: 1px solid var(--line-strong); border-radius: 999px; padding: 3px 10px; font-size: 12px; color: var(--tx-2); white-space: nowrap; }
.chip.warn { color: var(--warn); background: var(--warn-bg); border-color: transparent; font-weight: 500; }
section { background: var(--bg-panel); border: 1px solid var(--line); border-radius: 8px; margin-top: 12px; overflow: hidden; }
section > .head { display: flex; flex-wrap: wrap; gap: 4px 12px; align-items: baseline; padding: 13px 16px 11px; }
section > .head .hint { margin-left: auto; text-align: right; }
.pad { padding: 0 16px 14px; }
.cols { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); gap: 0 28px; padding: 0 16px 16px; }
.cols.third { grid-template-columns: minmax(0, 2fr) minmax(0, 1fr); }
.note { display: flex; gap: 9px; background: var(--warn-bg); color: var(--tx-1); border-radius: 6px; padding: 9px 12px; margin-top: 12px; font-size: 12.5px; }
.note b, .note::before { color: var(--warn); }
.note::before { content: "\\25B2"; font-size: 10px; line-height: 19px; }
ul.read { list-style: none; padding-left: 0; display: flex; flex-direction: column; gap: 7px; color: var(--tx-2); }
ul.read.pad { padding-left: 16px; } ul.read b { color: var(--tx-1); font-weight: 600; }
ul.read li { padding-left: 14px; position: relative; }
ul.read li::before { content: ""; position: absolute; left: 2px; top: 7px; width: 5px; height: 5px; border-radius: 50%; background: var(--tx-3); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th { font-weight: 400; font-size: 12px; color: var(--tx-3); text-align: right; padding: 5px 8px; border-bottom: 1px solid var(--line); vertical-align: bottom; white-space: nowrap; }
td { text-align: right; padding: 3px 8px; white-space: nowrap; }
td.t, th.t { text-align: left; white-space: normal; }
td.t { min-width: 130px; overflow-wrap: anywhere; }
tr.last td, td.span { border-bottom: 1px solid var(--line); }
tbody:last-child tr:last-child td, tbody:last-child td.span { border-bottom: 0; }
.study td { padding: 7px 8px; border-bottom: 1px solid var(--line); }
.study .big { font-size: 18px; font-weight: 600; letter-spacing: -.01em; }
th:first-child, td:first-child { padding-left: 16px; } th:last-child, td:last-child { padding-right: 16px; }
.ci { color: var(--tx-3); font-size: 11.5px; margin-left: 5px; }
.best { font-weight: 600; }
.mean td { color: var(--tx-2); }
.sw { display: inline-block; width: 11px; height: 11px; border-radius: 3px; margin-right: 7px; vertical-align: -1px; flex: none; }
.bd { width: 18px; height: 18px; vertical-align: -4px; flex: none; }
.mk-a { fill: var(--model-a); } .mk-b { fill: var(--model-b); } .bt { fill: var(--model-ink); font-size: 10px; font-weight: 600; }
.ln-a, .ln-b, .pl-a, .pl-b { stroke: var(--model-a); stroke-width: 2; fill: none; } .ln-b, .pl-b { stroke: var(--model-b); } .pl-b { stroke-dasharray: 5 3; }
.gr { stroke: var(--grid); } .ax { stroke: var(--line-strong); }
svg text { font-size: 10.5px; fill: var(--tx-3); } svg text .hi { fill: var(--tx-1); font-weight: 600; }
.ip { width: 172px; height: 22px; display: block; } th .ip { height: 14px; } td.p, th.p { padding: 0 2px; width: 176px; }
.ch { display: block; width: 100%; height: auto; } .ch.wide { max-width: 1180px; }
.cm { border-spacing: 3px; border-collapse: separate; table-layout: fixed; margin: 4px 0 0 -3px; }
.cm th, .cm td { border: 0; padding: 2px 4px !important; } .cm th { text-align: left; vertical-align: middle; color: var(--tx-2); white-space: normal; overflow-wrap: anywhere; } .cm thead th { text-align: center; }
.cm td { height: 32px; text-align: center; border-radius: 4px; background: color-mix(in srgb, var(--tx-1) var(--k, 0%), var(--bg-raised)); }
.cm thead td { background: none; } .cm td.dg { background: none; box-shadow: inset 0 0 0 1px var(--line-strong); color: var(--tx-2); }
.cmt { display: flex; gap: 7px; align-items: center; color: var(--tx-2); }
.panes { display: grid; grid-template-columns: repeat(5, minmax(0, 1fr)); gap: 1px; background: var(--line); border-top: 1px solid var(--line); }
.pane { background: var(--bg-panel); min-width: 0; } .pane figcaption { display: flex; gap: 7px; align-items: center; padding: 5px 10px; font-size: 12px; min-height: 30px; } .pane figcaption .r { margin-left: auto; color: var(--tx-2); }
.vp { background: #0c0c0c var(--g) 0 0 / 100% 100% no-repeat; display: block; overflow: hidden; } .vp img { display: block; width: 100%; height: 100%; }
.vp.dim { background-image: linear-gradient(rgb(0 0 0 / .5) 0 0), var(--g); }
.region .vp, .region .vp img { image-rendering: pixelated; }
.shead { display: flex; flex-wrap: wrap; gap: 4px 14px; align-items: baseline; padding: 10px 16px 9px; border-top: 1px solid var(--line); }
.shead .hint { margin-left: auto; }
.lg { display: flex; flex-wrap: wrap; gap: 5px 16px; padding: 0 16px 12px; font-size: 12px; color: var(--tx-2); }
.lg i { display: inline-block; width: 10px; height: 10px; border-radius: 2px; margin-right: 6px; vertical-align: -1px; box-shadow: inset 0 0 0 1px rgba(128, 128, 128, .5); }
.regions { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 14px 24px; padding: 2px 16px 16px; }
.region .four { display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); gap: 2px; margin-top: 5px; } .region .four .vp { border-radius: 3px; }
.region .cap { display: flex; flex-wrap: wrap; gap: 4px 10px; align-items: center; font-size: 12px; color: var(--tx-2); } .region .cap b { color: var(--tx-1); font-weight: 600; }
.four small { color: var(--tx-3); font-size: 11px; display: block; padding-top: 2px; }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 3px 16px; font-size: 12px; } dt { color: var(--tx-3); } dd { color: var(--tx-2); overflow-wrap: anywhere; margin: 0; }
code { font: 11.5px/1.5 "JetBrains Mono", ui-monospace, monospace; overflow-wrap: anywhere; }
footer { color: var(--tx-3); font-size: 12px; padding: 18px 2px 0; }
@media screen and (max-width: 900px) { .cols, .cols.third, .regions { grid-template-columns: minmax(0, 1fr); gap: 14px; } .panes { grid-template-columns: repeat(2, minmax(0, 1fr)); } header.top { flex-wrap: wrap; } .chips { margin-left: 0; justify-content: flex-start; } }
`

const print = `
@page { size: A4 landscape; margin: 11mm; }
body { font-size: 10.5px; background: #fff; } .page { max-width: none; padding: 0; }
* { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
section { background: #fff; border-color: #bbb; } .pane, .cm td { background-color: #fff; }
.cm td { background: color-mix(in srgb, #000 var(--k, 0%), #fff); }
section.keep, .slice, .region, tbody, .cmw, .note { break-inside: avoid; } .head, .shead, h2 { break-after: avoid; }
section { overflow: visible; } .scroll { overflow: visible; }
td, th { padding-top: 2px; padding-bottom: 2px; } td, th { padding-left: 6px; padding-right: 6px; } .ip { width: 150px; height: 17px; } td.p, th.p { width: 154px; }
header.top { padding-top: 0; } h1 { font-size: 19px; } section > .head { padding: 8px 12px 6px; } .cm td { height: 22px; } ul.read { gap: 3px; }
`

export const styleSheet = `:root {${dark}\n}\n@media (prefers-color-scheme: light) { :root {${light}\n} }\n@media print { :root {${light}\n} }\n${layout}@media print {${print}}\n`
