"""The look of a report: light and dark as the reader's system is, and on paper. Blue gains, orange loses."""

STYLE = """
:root{--paper:#fff;--ink:#1c2024;--soft:#5c656e;--rule:#d9dee3;--box:#f5f7f9;--gain:#1f6fb5;--loss:#b85410;
--c0:#1f6fb5;--c1:#b85410;--c2:#2f7d4f;--c3:#8a4fa3;--c4:#8a6d00;--c5:#5c656e}
@media screen and (prefers-color-scheme:dark){
:root{--paper:#14171a;--ink:#e6e9ec;--soft:#a3acb5;--rule:#343b42;--box:#1c2125;
--gain:#6db3f2;--loss:#f09a5a;--c0:#6db3f2;--c1:#f09a5a;--c2:#7ccf9a;--c3:#cf9de6;--c4:#e0c250;--c5:#a3acb5}}
*{box-sizing:border-box} html{color-scheme:light dark}
body{margin:0 auto;max-width:76rem;padding:1.5rem 1rem 4rem;background:var(--paper);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
h1{font-size:1.5rem;margin:.2rem 0} h2{font-size:1.1rem;margin:2.2rem 0 .5rem;border-bottom:1px solid var(--rule)}
h3{font-size:1rem;margin:1.4rem 0 .4rem}
h1,p{overflow-wrap:anywhere}
p{margin:.3rem 0 .8rem} .soft{color:var(--soft)} .warn{border-left:4px solid var(--loss);padding:.4rem .8rem;
background:var(--box)} a{color:inherit}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(8.5rem,1fr));gap:.6rem;margin:1rem 0}
.figures div{background:var(--box);padding:.5rem .7rem;border-radius:6px}
.figures span{display:block;color:var(--soft);font-size:.8rem} .figures b{font-size:1.15rem;font-weight:600}
.wide{overflow-x:auto} table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .5rem;text-align:right;border-bottom:1px solid var(--rule);white-space:nowrap}
th{font-weight:600;color:var(--soft)} th:first-child,td:first-child,.left{text-align:left}
.words{white-space:normal;text-align:left;min-width:14rem}
svg{display:block;width:100%;height:auto} .wide>svg{min-width:42rem}
svg.bar{display:inline-block;width:7.5rem;height:.75rem;vertical-align:middle}
svg text{font:11px system-ui,sans-serif;fill:var(--soft)} svg text.strong{fill:var(--ink);font-weight:600}
.grid{stroke:var(--rule)} .axis{stroke:var(--soft)} .curve{fill:none;stroke-width:1.8} .dot{fill:none;stroke-width:3}
.tip{fill:transparent} .tip:hover{fill:var(--soft)} .gain{fill:var(--gain)} .loss{fill:var(--loss)}
.none{fill:var(--rule)} .plain{fill:var(--c0)} .soft-fill{opacity:.45}
.heat{position:relative;display:block;padding:0 .3rem}
.heat i{position:absolute;inset:-.25rem -.5rem;background:currentColor}
.heat i.gain{color:#1f6fb5} .heat i.loss{color:#b85410} .heat b{position:relative;font-weight:500}
td .g{color:var(--gain)} td .l{color:var(--loss)}
.c0{stroke:var(--c0)} .c1{stroke:var(--c1)} .c2{stroke:var(--c2)} .c3{stroke:var(--c3)} .c4{stroke:var(--c4)}
.c5{stroke:var(--c5)} .key{display:inline-block;width:1.2rem;height:.2rem;vertical-align:middle;margin-right:.3rem}
.k0{background:var(--c0)} .k1{background:var(--c1)} .k2{background:var(--c2)} .k3{background:var(--c3)}
.k4{background:var(--c4)} .k5{background:var(--c5)}
.key,.heat i{-webkit-print-color-adjust:exact;print-color-adjust:exact}
.curve.r1{stroke-dasharray:7 3} .key.r1{mask:repeating-linear-gradient(90deg,#000 0 7px,#0000 7px 10px)}
.curve.r2{stroke-dasharray:2 3} .key.r2{mask:repeating-linear-gradient(90deg,#000 0 2px,#0000 2px 5px)}
details{border-bottom:1px solid var(--rule);padding:.25rem 0} summary{cursor:pointer}
details:target{background:var(--box)}
pre{overflow-x:auto;background:var(--box);padding:.6rem;border-radius:6px;font-size:.82rem;line-height:1.35}
@media print{body{max-width:none;font-size:11px} .wide>svg{min-width:0} h2{break-after:avoid}
svg,tr,.figures div{break-inside:avoid}
details{break-inside:avoid} .tip{display:none}}
"""
