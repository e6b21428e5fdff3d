"""How a report looks, by day and by night."""

STYLE = """
:root { color-scheme: light dark; --text: #1c2128; --soft: #667080; --page: #ffffff; --raised: #f4f6f8; --line: #d8dee6;
  --ok: #3f9d6b; --failed: #e0a32e; --unknown: #8a63c9; --bad: #cf3f3f; --leader: #2f6fd0; --follower: #a9c1e4;
  --paused: #e0a32e; --down: #7b8492; --fault: #d9694a; --band: #d9694a22; }
@media (prefers-color-scheme: dark) { :root { --text: #e4e8ee; --soft: #98a3b3; --page: #14181d; --raised: #1d232b;
  --line: #333c48; --ok: #4fb47e; --failed: #d9a441; --unknown: #a283dd; --bad: #ee6a6a; --leader: #5b94ec;
  --follower: #3c547a; --down: #59626f; --fault: #de7b5e; --band: #de7b5e26; } }
body { margin: 0 auto; padding: 24px; max-width: 1640px; background: var(--page); color: var(--text);
  font: 14px/1.5 system-ui, sans-serif; }
header { display: flex; gap: 16px; align-items: center; flex-wrap: wrap; }
h1 { font-size: 22px; margin: 0; } h2 { font-size: 17px; margin: 28px 0 8px; }
code, pre { font: 12px/1.45 ui-monospace, monospace; }
pre { background: var(--raised); border: 1px solid var(--line); border-radius: 6px; padding: 12px; overflow-x: auto; }
.verdict { border-radius: 12px; padding: 2px 12px; color: #fff; font-weight: 600; }
.verdict.good { background: var(--ok); } .verdict.bad { background: var(--bad); }
.warning { color: var(--bad); font-weight: 600; }
.wide { overflow-x: auto; border: 1px solid var(--line); border-radius: 6px; padding: 8px; }
table { border-collapse: collapse; } th, td { padding: 3px 12px; text-align: right; white-space: nowrap; }
th { color: var(--soft); font-weight: 500; border-bottom: 1px solid var(--line); }
.wide th { white-space: normal; vertical-align: bottom; } tbody tr:nth-child(even) { background: var(--raised); }
.wide td:nth-child(3), .wide th:nth-child(3), td:first-child, th:first-child { text-align: left; }
dl { display: flex; flex-wrap: wrap; gap: 2px 20px; margin: 8px 0; } dt { color: var(--soft); }
dd { margin: 0 0 0 -12px; font-variant-numeric: tabular-nums; }
details { margin: 6px 0; } summary { cursor: pointer; } summary b { color: var(--bad); }
.legend { color: var(--soft); } .key { display: inline-block; width: 12px; height: 12px; border-radius: 2px;
  margin: 0 5px 0 12px; vertical-align: -1px; }
svg text { fill: var(--text); font: 11px system-ui, sans-serif; } svg .name { text-anchor: end; }
svg .note { fill: var(--soft); font-weight: 400; } svg .heading { font-size: 13px; font-weight: 600; }
svg .axis { text-anchor: middle; fill: var(--soft); } svg .in { font-size: 10px; pointer-events: none; }
.grid { stroke: var(--line); stroke-width: 0.5; } .ok { fill: var(--ok); background: var(--ok); }
.failed { fill: var(--failed); background: var(--failed); }
.unknown { fill: var(--unknown); background: var(--unknown); }
.leader { fill: var(--leader); background: var(--leader); }
.follower { fill: var(--follower); background: var(--follower); }
.paused { fill: var(--paused); background: var(--paused); } .down { fill: var(--down); background: var(--down); }
.fault { fill: var(--fault); background: var(--fault); } .healed { fill: var(--ok); }
.band { fill: var(--band); background: var(--band); } .curve { fill: var(--unknown); opacity: 0.75; }
.mark line { stroke: var(--bad); stroke-width: 1; } .mark circle { fill: var(--bad); }
"""
