import { paletteProperties } from './palette.js';

/** The page's style sheet: one column on a phone, figures side by side where there is room, light and dark. */
export function pageStyle(): string {
  return `${paletteProperties()}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1080px;margin:0 auto;padding:32px 20px 64px}
h1{font-size:1.7rem;line-height:1.25;margin:0 0 8px;max-width:34ch;text-wrap:balance}
h2{font-size:1.1rem;margin:0 0 12px}
p{margin:0 0 12px;max-width:75ch}
.lede{font-size:1.1rem;margin-bottom:28px}
.over{color:var(--muted);font-size:.85rem;margin-bottom:6px}
.notices{border:2px solid var(--failed);border-radius:10px;padding:14px 20px 2px;margin:0 0 20px;font-weight:600}
.note{color:var(--muted);font-size:.88rem}
section,details.card{background:var(--surface);border:1px solid var(--grid);border-radius:10px;padding:20px;margin:0 0 20px}
section.pair{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:20px;background:none;border:0;padding:0}
section.pair figure{background:var(--surface);border:1px solid var(--grid);border-radius:10px;padding:12px}
figure{margin:0;overflow-x:auto}
svg.marks{display:block;width:100%;max-width:600px;height:auto;margin:0 auto}
.wide svg.marks{min-width:560px;max-width:860px}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.92rem;font-variant-numeric:tabular-nums}
th,td{text-align:left;vertical-align:top;padding:7px 14px 7px 0;border-bottom:1px solid var(--grid)}
tr:last-child>*{border-bottom:0}
thead th{color:var(--muted);font-weight:400;font-size:.82rem}
tbody th{font-weight:600}
td.number,th.number{text-align:right;white-space:nowrap}
td.nothing{color:var(--muted)}
td[data-label=Limit]{white-space:nowrap}
.passed,.failed,.notMeasured,.notLimited{white-space:nowrap;font-weight:600}
.passed{color:var(--passed)}
.failed{color:var(--failed)}
.notMeasured,.notLimited{color:var(--muted);font-weight:400}
summary{cursor:pointer;font-weight:600}
details[open]>summary{margin-bottom:12px}
pre{background:var(--page);border:1px solid var(--grid);border-radius:8px;padding:14px;overflow-x:auto;margin:0 0 16px;user-select:all;-webkit-user-select:all}
code,pre{font:13px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
h3{font-size:.92rem;margin:0 0 8px}
dl{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:6px 18px;margin:0;font-size:.92rem}
dt{color:var(--muted)}
dd{margin:0;overflow-wrap:anywhere}
@media (max-width:760px){
main{padding:20px 14px 48px}
h1{font-size:1.35rem}
section.pair{grid-template-columns:minmax(0,1fr)}
section,details.card{padding:14px}
dl{grid-template-columns:minmax(0,1fr);gap:0}
dd{margin-bottom:8px}
table.verdicts thead,table.checks thead{position:absolute;clip-path:inset(50%);width:1px;height:1px;overflow:hidden}
table.verdicts tr{display:block;padding:8px 0;border-bottom:1px solid var(--grid)}
table.verdicts tr:last-child{border-bottom:0}
table.verdicts th,table.verdicts td{display:flex;justify-content:space-between;gap:16px;padding:2px 0;border:0;text-align:right}
table.verdicts td::before{content:attr(data-label);color:var(--muted);text-align:left}
table.verdicts td.nothing{display:none}
table.checks tr{display:grid;grid-template-columns:minmax(0,1fr) max-content;border-bottom:1px solid var(--grid);padding:6px 0}
table.checks tr:last-child{border-bottom:0}
table.checks th,table.checks td{padding:2px 0;border:0}
table.checks td:last-child{grid-column:1/-1}
}
@media print{body{background:none}details.card{break-inside:avoid}}`;
}
