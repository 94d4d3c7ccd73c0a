/** The dashboard's one stylesheet: system fonts, light and dark, tables that fold on a phone. No third-party assets. */

export const STYLES = `
:root {
  color-scheme: light dark;
  --bg: #fafafb; --surface: #ffffff; --raised: #f4f4f6; --line: #e6e6ea; --line-strong: #d5d5db;
  --text: #18181b; --muted: #62626d; --accent: #4f46e5; --accent-text: #ffffff; --accent-soft: #eeedfc;
  --ok: #14713f; --ok-soft: #e4f5ea; --warn: #8a5200; --warn-soft: #fdf1da; --bad: #b42318; --bad-soft: #fdeceb;
  --c1: #5f5adb; --c2: #35aa9d; --c3: #ecb24c; --c4: #d070ab; --c5: #5da2e6; --c0: #c3c3cc;
  --shadow: 0 1px 2px rgb(0 0 0 / 4%), 0 1px 1px rgb(0 0 0 / 2%);
}
@media (prefers-color-scheme: dark) {
  :root {
    --bg: #0e0e11; --surface: #16161a; --raised: #1e1e23; --line: #27272d; --line-strong: #3a3a42;
    --text: #ededf0; --muted: #9f9fab; --accent: #8b83f7; --accent-text: #0e0e11; --accent-soft: #24223f;
    --ok: #62d394; --ok-soft: #12291c; --warn: #f2b84b; --warn-soft: #2d2211; --bad: #ff8f86; --bad-soft: #331715;
    --c1: #8b83f7; --c2: #2bc4b2; --c3: #f5b94a; --c4: #e56bb8; --c5: #5aaef5; --c0: #62626d;
    --shadow: none;
  }
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0; background: var(--bg); color: var(--text);
  font: 14px/1.5 ui-sans-serif, -apple-system, BlinkMacSystemFont, "Segoe UI", Inter, Roboto, "Helvetica Neue", Arial, sans-serif;
  font-feature-settings: "cv05", "ss01"; -webkit-font-smoothing: antialiased;
}
a { color: inherit; text-decoration: none; }
a:hover { text-decoration: underline; text-underline-offset: 3px; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 6px; }
h1 { font-size: 21px; line-height: 1.3; font-weight: 620; letter-spacing: -0.015em; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 14px; font-weight: 600; margin: 0; letter-spacing: -0.003em; }
p { margin: 0; }
code, .mono { font-family: ui-monospace, SFMono-Regular, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace; font-size: 12.5px; }
.num { font-variant-numeric: tabular-nums; white-space: nowrap; }
.muted { color: var(--muted); }
.small { font-size: 12.5px; }
.skip { position: absolute; left: -9999px; }
.skip:focus { left: 12px; top: 12px; z-index: 9; background: var(--surface); padding: 8px 12px; border-radius: 8px; }
.hidden-label { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }

.shell { min-height: 100vh; display: grid; grid-template-columns: 216px minmax(0, 1fr); }
.side { padding: 20px 12px; position: sticky; top: 0; height: 100vh; align-self: start; display: flex; flex-direction: column; gap: 20px; }
.brand { display: flex; align-items: center; gap: 9px; font-weight: 640; letter-spacing: -0.01em; padding: 0 8px; font-size: 15px; }
.brand:hover { text-decoration: none; }
.brand svg { width: 22px; height: 22px; flex: none; }
.mark-tile { fill: var(--accent); } .mark-line { fill: none; stroke: var(--accent-text); stroke-width: 2; stroke-linecap: round; stroke-linejoin: round; }
.nav { display: flex; flex-direction: column; gap: 2px; }
.nav a { display: flex; align-items: center; gap: 9px; padding: 6px 8px; border-radius: 7px; color: var(--muted); font-weight: 500; }
.nav a:hover { background: var(--raised); color: var(--text); text-decoration: none; }
.nav a[aria-current] { background: var(--raised); color: var(--text); }
.nav svg { width: 16px; height: 16px; fill: none; stroke: currentColor; stroke-width: 1.6; stroke-linecap: round; stroke-linejoin: round; flex: none; }
.side footer { margin-top: auto; display: flex; flex-direction: column; gap: 2px; }
.side footer button { width: 100%; justify-content: flex-start; }
main { padding: 28px 32px 64px; min-width: 0; display: flex; flex-direction: column; gap: 20px; }
main > * { max-width: 1120px; width: 100%; }
.shell > main { border-left: 1px solid var(--line); }
.head { display: flex; align-items: flex-end; justify-content: space-between; gap: 12px 16px; flex-wrap: wrap; }
.head-title { display: flex; flex-direction: column; gap: 2px; min-width: 0; }
.crumb { color: var(--muted); font-size: 13px; }

.card { background: var(--surface); border: 1px solid var(--line); border-radius: 12px; box-shadow: var(--shadow); min-width: 0; }
.card > header { display: flex; align-items: center; justify-content: space-between; gap: 8px 12px; padding: 14px 18px 0; flex-wrap: wrap; }
.card > .body { padding: 14px 18px 18px; }
.grid-2 { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 20px; align-items: start; }
.stats { display: flex; flex-wrap: wrap; background: var(--line); gap: 1px; overflow: hidden; }
/* a basis sets how many stand in a row (17%: five, 21%: four, 26%: three, 34%: two); growing, they fill the last row too */
.stat { flex: 1 1 17%; background: var(--surface); padding: 14px 18px 15px; min-width: 0; overflow-wrap: anywhere; }
@media (min-width: 1001px) {
  .stat:first-child:nth-last-child(n + 7), .stat:first-child:nth-last-child(n + 7) ~ .stat { flex-basis: 21%; }
  .stat:first-child:nth-last-child(6), .stat:first-child:nth-last-child(6) ~ .stat { flex-basis: 26%; }
}
.stat dt { color: var(--muted); font-size: 12.5px; }
.stat dd { margin: 0; }
.stat .value { font-size: 22px; font-weight: 600; letter-spacing: -0.02em; line-height: 1.35; font-variant-numeric: tabular-nums; }
.stat .note { color: var(--muted); font-size: 12px; }
.stats { margin: 0; }

.segments { display: inline-flex; background: var(--raised); border-radius: 8px; padding: 2px; border: 1px solid var(--line); }
.segments a { padding: 3px 11px; border-radius: 6px; color: var(--muted); font-weight: 500; font-size: 13px; }
.segments a:hover { color: var(--text); text-decoration: none; }
.segments a[aria-current] { background: var(--surface); color: var(--text); box-shadow: 0 1px 2px rgb(0 0 0 / 10%); }

figure { margin: 0; }
.chart { display: grid; grid-template-columns: auto minmax(0, 1fr); column-gap: 10px; }
.chart .y { display: flex; flex-direction: column; justify-content: space-between; text-align: right; color: var(--muted); font-size: 11.5px; line-height: 1; margin: -5px 0; font-variant-numeric: tabular-nums; }
.chart svg { width: 100%; height: 220px; display: block; overflow: visible; }
.chart .x { grid-column: 2; display: flex; justify-content: space-between; white-space: nowrap; color: var(--muted); font-size: 11.5px; padding-top: 8px; font-variant-numeric: tabular-nums; }
.chart .x.each span { flex: 1 1 0; text-align: center; min-width: 0; }
.grid-line { stroke: var(--line); stroke-width: 1; vector-effect: non-scaling-stroke; }
.hit { fill: transparent; } .column:hover .hit { fill: var(--raised); }
.s1 { fill: var(--c1); background: var(--c1); } .s2 { fill: var(--c2); background: var(--c2); } .s3 { fill: var(--c3); background: var(--c3); }
.s4 { fill: var(--c4); background: var(--c4); } .s5 { fill: var(--c5); background: var(--c5); } .s0 { fill: var(--c0); background: var(--c0); }
.legend { display: flex; flex-wrap: wrap; gap: 6px 18px; list-style: none; margin: 14px 0 0; padding: 0; font-size: 13px; }
.legend li { display: flex; align-items: center; gap: 7px; min-width: 0; }
.swatch { width: 9px; height: 9px; border-radius: 3px; flex: none; }

.scroll { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; }
caption { text-align: left; padding: 14px 18px 8px; font-weight: 600; }
th { text-align: left; font-weight: 500; color: var(--muted); font-size: 12.5px; padding: 8px 10px; border-bottom: 1px solid var(--line); white-space: nowrap; }
td { padding: 10px; border-bottom: 1px solid var(--line); vertical-align: middle; overflow-wrap: anywhere; }
tr:last-child > td { border-bottom: 0; }
th:first-child, td:first-child { padding-left: 18px; } th:last-child, td:last-child { padding-right: 18px; }
th.num, td.num { text-align: right; }
tbody tr:hover { background: color-mix(in srgb, var(--raised) 55%, transparent); }
td .bar { height: 4px; margin-top: 6px; opacity: 0.85; } .budget .bar { height: 6px; margin: 0; opacity: 1; }
td .sub, dd .sub { display: block; color: var(--muted); font-size: 12px; }
td a.strong, .strong { font-weight: 550; }
.time { white-space: nowrap; } .words { overflow-wrap: normal; }
.id { color: var(--muted); font-size: 12px; }

.pill { display: inline-flex; align-items: center; gap: 6px; padding: 1px 8px; border-radius: 999px; font-size: 12px; font-weight: 520; background: var(--raised); color: var(--muted); white-space: nowrap; font-variant-numeric: tabular-nums; }
.pill.ok { background: var(--ok-soft); color: var(--ok); } .pill.warn { background: var(--warn-soft); color: var(--warn); } .pill.bad { background: var(--bad-soft); color: var(--bad); }
.bar { display: block; width: 100%; min-width: 90px; height: 6px; border-radius: 3px; overflow: hidden; background: var(--raised); }
.bar .fill { fill: var(--accent); } .bar .held { fill: var(--c0); } .bar .soft { stroke: var(--muted); stroke-width: 2; vector-effect: non-scaling-stroke; }
.bar.warn .fill { fill: var(--c3); } .bar.bad .fill { fill: var(--bad); }
.budget { display: grid; gap: 4px; min-width: 130px; }
.budget + .budget { margin-top: 8px; }
.budget-line { display: flex; justify-content: space-between; gap: 12px; font-size: 12.5px; }

button, .button {
  display: inline-flex; align-items: center; justify-content: center; gap: 6px; font: inherit; font-weight: 520; font-size: 13.5px; cursor: pointer;
  padding: 6px 12px; border-radius: 8px; border: 1px solid var(--line-strong); background: var(--surface); color: var(--text); min-height: 34px;
}
button:hover, .button:hover { background: var(--raised); text-decoration: none; }
button.primary, .button.primary { background: var(--accent); border-color: var(--accent); color: var(--accent-text); }
button.primary:hover, .button.primary:hover { background: color-mix(in srgb, var(--accent) 88%, var(--text)); }
button.danger { color: var(--bad); border-color: color-mix(in srgb, var(--bad) 40%, var(--line)); }
button.danger:hover { background: var(--bad-soft); }
button.plain { border-color: transparent; background: none; color: var(--muted); font-weight: 500; padding: 6px 8px; }
button.plain:hover { background: var(--raised); color: var(--text); }
.actions { display: flex; gap: 8px; flex-wrap: wrap; align-items: flex-start; }
.actions form { display: contents; }

label, .label { display: block; font-size: 12.5px; font-weight: 520; margin-bottom: 4px; }
input, select {
  font: inherit; width: 100%; min-height: 36px; padding: 6px 10px; border-radius: 8px; border: 1px solid var(--line-strong);
  background: var(--surface); color: var(--text);
}
input::placeholder { color: var(--muted); opacity: 0.75; }
input[aria-invalid], select[aria-invalid] { border-color: var(--bad); }
.check { display: flex; gap: 8px; align-items: center; } .check label { margin: 0; } .check input { width: 18px; min-height: 18px; height: 18px; flex: none; accent-color: var(--accent); }
.field .hint { color: var(--muted); font-size: 12px; margin-top: 4px; }
.form { display: grid; grid-template-columns: repeat(6, minmax(0, 1fr)); gap: 14px 14px; }
.form .w2 { grid-column: span 2; } .form .w3 { grid-column: span 3; } .form .w6 { grid-column: span 6; }
.filters { display: flex; gap: 10px; flex-wrap: wrap; align-items: end; }
.filters .field { flex: 1 1 150px; max-width: 240px; }

details > summary { cursor: pointer; list-style: none; }
details > summary::-webkit-details-marker { display: none; }
details.plain { margin-top: 8px; }
details.plain > summary { color: var(--muted); font-size: 13px; }
details.plain > summary::before { content: "›"; display: inline-block; margin-right: 7px; transition: transform 120ms; }
details.plain[open] > summary::before { transform: rotate(90deg); }
details.confirm > summary { display: inline-flex; align-items: center; padding: 6px 12px; min-height: 34px; border-radius: 8px; border: 1px solid var(--line-strong); font-weight: 520; font-size: 13.5px; background: var(--surface); }
details.confirm > summary:hover { background: var(--raised); }
details.confirm { position: relative; }
details.confirm > .panel { position: absolute; right: 0; top: calc(100% + 6px); z-index: 5; width: 300px; padding: 14px; border-radius: 11px; border: 1px solid var(--line-strong); background: var(--surface); box-shadow: 0 10px 30px rgb(0 0 0 / 14%); }
details.confirm[open] > summary { background: var(--raised); }
details.confirm p { color: var(--muted); font-size: 13px; margin-bottom: 10px; }
details.confirm form { display: block; }
details.card > summary { padding: 14px 18px; font-weight: 600; display: flex; justify-content: space-between; gap: 12px; }
details.card > summary::after { content: "+"; color: var(--muted); font-weight: 400; font-size: 18px; line-height: 1; }
details.card[open] > summary::after { content: "–"; }

.notice { border-radius: 10px; padding: 11px 14px; background: var(--raised); border: 1px solid var(--line); overflow-wrap: anywhere; }
.notice.bad { background: var(--bad-soft); color: var(--bad); border-color: transparent; }
.notice.ok { background: var(--ok-soft); color: var(--ok); border-color: transparent; }
.notice.warn { background: var(--warn-soft); color: var(--warn); border-color: transparent; list-style: none; margin: 0 0 16px; }
.secret { display: flex; gap: 10px; align-items: center; flex-wrap: wrap; }
.secret code { flex: 1 1 260px; padding: 10px 12px; border-radius: 8px; background: var(--raised); border: 1px solid var(--line); overflow-wrap: anywhere; user-select: all; }
pre { margin: 0; padding: 12px 14px; border-radius: 8px; background: var(--raised); border: 1px solid var(--line); overflow-x: auto; font-size: 12.5px; line-height: 1.6; }
.facts { display: grid; grid-template-columns: minmax(110px, max-content) minmax(0, 1fr); gap: 9px 22px; margin: 0; }
.facts dt { color: var(--muted); } .facts dd { margin: 0; overflow-wrap: anywhere; }
.empty { padding: 38px 20px; text-align: center; display: grid; gap: 8px; justify-items: center; }
.empty p { color: var(--muted); max-width: 46ch; }
.empty pre { text-align: left; max-width: 100%; margin-top: 6px; }
.pager { display: flex; justify-content: space-between; gap: 12px; }
main.login { min-height: 100vh; display: grid; place-items: center; padding: 20px; }
.login .card { width: 100%; max-width: 380px; padding: 28px; display: grid; gap: 18px; }
.login .brand { padding: 0; }
.login form { display: grid; gap: 14px; }

@media (max-width: 1000px) { .stat { flex-basis: 26%; } .grid-2 { grid-template-columns: minmax(0, 1fr); } }
@media (max-width: 820px) {
  .shell { display: block; }
  .side { position: static; height: auto; border-right: 0; border-bottom: 1px solid var(--line); padding: 12px 14px 8px; gap: 8px; flex-flow: row wrap; align-items: center; justify-content: space-between; }
  .side nav { order: 3; width: 100%; overflow-x: auto; }
  .nav { flex-direction: row; } .nav a { padding: 6px 9px; } .nav svg { display: none; }
  .side footer { margin: 0; flex-direction: row; }
  main { padding: 18px 14px 48px; gap: 16px; }
  .grid-2 { gap: 16px; }
  .stat { flex-basis: 34%; padding: 12px 14px; }
  .form { grid-template-columns: repeat(2, minmax(0, 1fr)); } .form .w3, .form .w6 { grid-column: 1 / -1; } .form .w2 { grid-column: auto; }
  input, select { font-size: 16px; min-height: 42px; } button, .button, details.confirm > summary { min-height: 40px; }
  .shell > main { border-left: 0; } .head { align-items: center; }
  .head { position: relative; } details.confirm { position: static; } details.confirm > .panel { left: 0; width: auto; }
  table.top .wide { display: none; }
  .chart svg { height: 170px; }
  .chart .x .between { display: none; }
  table.fold thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  table.fold, table.fold tbody, table.fold tr, table.fold td { display: block; }
  table.fold caption { display: block; }
  table.fold tr { padding: 10px 0; border-bottom: 1px solid var(--line); } table.fold tr:last-child { border-bottom: 0; }
  table.fold td { display: grid; grid-template-columns: max-content minmax(0, 1fr); justify-items: end; gap: 0 16px; padding: 3px 16px; border: 0; text-align: right; }
  table.fold td:not(:first-child) > * { grid-column: 2; }
  table.fold td:first-child { justify-items: start; grid-template-columns: minmax(0, 1fr); text-align: left; }
  table.fold td::before { content: attr(data-label); color: var(--muted); font-size: 12.5px; text-align: left; grid-area: 1 / 1 / span 2 / 2; justify-self: start; }
  table.fold td:first-child { display: block; padding: 3px 16px 5px; text-align: left; } table.fold td:first-child::before { content: none; }
  table.fold .budget { min-width: 170px; }
}
@media (prefers-reduced-motion: reduce) { * { transition: none; } }
`
