"""The report of a run: one HTML file, complete in itself."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from appliance.commands.backtest.drawing import Axis, chart
from appliance.commands.backtest.outcome import causes_of, spans, summary_of, when
from appliance.commands.exits import CommandError
from appliance.runtime.files import write_whole

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from appliance.commands.backtest.outcome import Outcome
    from appliance.commands.backtest.running import Done

_TRENDS = 4
_MOST_EPISODES = 20
_NONE = "-"
_NS = 1_000_000_000

_STYLE = """
:root{color-scheme:light;--ink:#1d2730;--soft:#5c6b78;--rule:#dfe4e8;--line:#2b5f8a;
--limit:#b4540a;--anomaly:#c8322b;--trained:#3d8b5f;--paper:#fff;--page:#f4f6f7}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1060px;margin:0 auto;padding:32px 20px 64px}
h1{font-size:26px;margin:0 0 4px}h2{font-size:19px;margin:0;overflow-wrap:anywhere}
h3{font-size:14px;margin:18px 0 4px;color:var(--soft);font-weight:600}
p{margin:6px 0}.soft{color:var(--soft)}
section,.card{background:var(--paper);border:1px solid var(--rule);border-radius:8px;
padding:18px 20px;margin:18px 0}
table{border-collapse:collapse;width:100%;font-size:14px;font-variant-numeric:tabular-nums}
th{text-align:left;color:var(--soft);font-weight:600}th.n,td.n{text-align:right}
th,td{padding:5px 10px 5px 0;border-bottom:1px solid var(--rule);vertical-align:top;
overflow-wrap:anywhere}
dl{display:grid;grid-template-columns:repeat(auto-fit,minmax(128px,1fr));gap:10px 18px;
margin:14px 0 6px}dt{color:var(--soft);font-size:12.5px}dd{margin:0;font-size:19px}
svg{width:100%;height:auto;display:block;margin:2px 0 8px}
ul{margin:4px 0;padding-left:20px}a{color:var(--line)}
.line{fill:none;stroke:var(--line);stroke-width:1.1}
.limit{fill:none;stroke:var(--limit);stroke-width:1.3;stroke-dasharray:6 3}
.trained{fill:var(--trained);opacity:.13}.anomaly{fill:var(--anomaly);opacity:.16}
.change{stroke:#6b4fa0;stroke-width:1;stroke-dasharray:2 3}.alarm{fill:var(--anomaly)}
.grid{stroke:var(--rule);stroke-width:1}.tick{fill:var(--soft);font-size:10.5px}
.left{text-anchor:end}
.key{display:inline-flex;align-items:center;gap:6px;margin-right:16px;font-size:13px;
color:var(--soft)}.key svg{width:22px;height:12px;display:inline;margin:0}
.share{display:inline-block;height:9px;background:var(--anomaly);opacity:.55;
border-radius:2px;margin-right:8px}
@media print{body{background:#fff}section,.card{break-inside:avoid}}
"""

_KEYS = (
    ('<path class="line" d="M0 9L8 3L14 8L22 2"/>', "score"),
    ('<path class="limit" d="M0 6H22"/>', "limit"),
    ('<rect class="trained" width="22" height="12"/>', "learned from"),
    ('<rect class="anomaly" width="22" height="12"/>', "anomaly (state)"),
    ('<path class="alarm" d="M11 1l-5 9h10z"/>', "alarm (event)"),
    ('<path class="change" d="M11 0V12"/>', "change point"),
)


def write_report(path: Path, found: Sequence[Done], *, told: str, made: str) -> None:
    """Write the report of a run; `told` is how files were judged, `made` when.

    Raises:
        CommandError: The disk refused.
    """
    page = report_page(found, told=told, made=made)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, page.encode("utf-8", "replace"), mode=0o644)
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror or error}") from error


def report_page(found: Sequence[Done], *, told: str, made: str) -> str:
    """Return the page: an overview, then a section per file."""
    judged = [done for done in found if not done.failure]
    sections = "".join(
        f'<section id="f{number}">{done.section}</section>'
        for number, done in enumerate(judged, start=1)
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>Wheeltapper backtest</title><style>{_STYLE}</style></head><body><main>"
        f"<h1>Backtest</h1><p class=soft>{escape(told)} · {escape(made)}</p>"
        f"<p>{_legend()}</p>{_overview(judged)}{_failures(found)}{sections}"
        "</main></body></html>\n"
    )


def section_of(name: str, outcome: Outcome) -> str:
    """Return what the report says of one file, as HTML."""
    said = summary_of(outcome)
    axis, order = _axis(outcome)
    score = chart(
        axis, outcome.score[order], title=f"Score of {name}",
        limit=outcome.limit[order], logarithmic=True, height=220,
    )  # fmt: skip
    return (
        f"<h2>{escape(name)}</h2>"
        f"<p class=soft>{said['from']} to {said['to']} UTC</p>{_figures(said)}"
        f"<h3>Score and limit (logarithmic)</h3>{score}"
        f"{_episodes(outcome, axis, order)}{_causes(outcome)}"
        f"{_trends(outcome, axis, order)}{_learned(said)}{_notes(said)}"
    )


def _legend() -> str:
    return "".join(
        f'<span class="key"><svg viewBox="0 0 22 12">{drawing}</svg>{word}</span>'
        for drawing, word in _KEYS
    )


def _overview(judged: Sequence[Done]) -> str:
    if len(judged) < 2:  # noqa: PLR2004 - one file needs no list
        return ""
    rows = []
    for number, done in enumerate(judged, start=1):
        said = done.summary
        rows.append(
            (
                f'<a href="#f{number}">{escape(done.task.name)}</a>',
                f"{said['evaluated_rows']}",
                _part(said["anomaly_rows"], said["evaluated_rows"]),
                f"{said['alarms']}",
                f"{said['changepoints']}",
                escape(next(iter(said["causes"]), _NONE)),
            )
        )
    head = ("File", "Rows judged", "Abnormal", "Alarms", "Change points", "First cause")
    return f'<div class="card">{_table(head, rows, numeric=(1, 2, 3, 4))}</div>'


def _failures(found: Sequence[Done]) -> str:
    items = "".join(
        f"<li>{escape(done.failure)}</li>" for done in found if done.failure
    )
    return items and f'<div class="card"><h2>Not judged</h2><ul>{items}</ul></div>'


def _axis(outcome: Outcome) -> tuple[Axis, np.ndarray]:
    """Return the time axis and the rows in order of time."""
    order = np.argsort(outcome.export.time_ns, kind="stable")
    judged = ~outcome.trained[order]
    axis = Axis(
        outcome.export.time_ns[order],
        outcome.trained[order],
        outcome.anomaly[order] & judged,
        outcome.alarm[order] & judged,
        outcome.changepoint[order] & judged,
    )
    return axis, order


def _figures(said: Mapping[str, Any]) -> str:
    figures = (
        ("Rows judged", f"{said['evaluated_rows']}"),
        ("Learned from", f"{said['trained_rows']} rows"),
        ("Abnormal", _part(said["anomaly_rows"], said["evaluated_rows"])),
        ("Alarms", f"{said['alarms']}"),
        ("Change points", f"{said['changepoints']}"),
        ("Sensors", f"{len(said['sensors'])}"),
    )
    cells = "".join(
        f"<div><dt>{term}</dt><dd>{text}</dd></div>" for term, text in figures
    )
    return f"<dl>{cells}</dl>"


def _episodes(outcome: Outcome, axis: Axis, order: np.ndarray) -> str:
    """List the anomalies: since when, how long, how far, by what."""
    found = spans(axis.anomaly)
    if outcome.problem:
        return f"<p>No row has a score: {escape(outcome.problem)}</p>"
    if not found:
        return "<p>Nothing abnormal was found in the rows that were judged.</p>"
    found.sort(key=lambda span: int(axis.time_ns[span[0]] - axis.time_ns[span[1]]))
    rows = []
    for first, last in sorted(found[:_MOST_EPISODES]):
        at = order[first : last + 1]
        score = outcome.score[at] / outcome.limit[at]
        worst = np.nanmax(score) if np.isfinite(score).any() else np.nan
        causes = [outcome.cause[row] for row in at.tolist() if outcome.cause[row]]
        most = max(sorted(set(causes)), key=causes.count, default=_NONE)
        length_s = float(axis.time_ns[last] - axis.time_ns[first]) / _NS
        rows.append(
            (
                when(int(axis.time_ns[first])),
                _length(length_s),
                f"{worst:.3g}" if np.isfinite(worst) else _NONE,
                f"{int(outcome.alarm[at].sum())}",
                escape(most),
            )
        )
    head = ("Since (UTC)", "Lasted", "Worst, in limits", "Alarms", "Cause")
    more = len(found) - len(rows)
    rest = f"<p class=soft>and {more} shorter ones</p>" if more else ""
    table = _table(head, rows, numeric=(1, 2, 3))
    return f"<h3>Anomalies</h3>{table}{rest}"


def _causes(outcome: Outcome) -> str:
    causes = causes_of(outcome)[:8]
    if not causes:
        return ""
    rows = [
        (
            escape(name),
            f'<span class="share" style="width:{share * 220:.0f}px"></span>{share:.0%}',
        )
        for name, share in causes
    ]
    table = _table(("Tag", "Most contributing, share of abnormal rows"), rows)
    return f"<h3>Causes</h3>{table}"


def _trends(outcome: Outcome, axis: Axis, order: np.ndarray) -> str:
    """Draw the tags that contributed most, then others."""
    names = list(outcome.export.names)
    causes = [name for name, _ in causes_of(outcome) if name in names]
    causes += [name for name in names if name not in causes]
    parts = []
    for name in causes[:_TRENDS]:
        values = outcome.export.values[order, names.index(name)]
        title = escape(name)
        parts.append(f"<h3>{title}</h3>{chart(axis, values, title=name)}")
    return "".join(parts)


def _learned(said: Mapping[str, Any]) -> str:
    learned = said["learned"]
    if said["problem"] or not learned:
        return ""
    rows = [
        (escape(str(key).replace("_", " ")), escape(_words(value)))
        for key, value in learned.items()
        if key not in ("ok", "path", "dropped") and value not in (None, "", {}, [])
    ]
    dropped = learned.get("dropped") or {}
    left_out = "".join(
        f"<li>{escape(str(name))}: {escape(str(why))}</li>"
        for name, why in dropped.items()
    )
    if left_out:
        count = len(dropped)
        left_out = (
            f"<details><summary>{count} features were not learned</summary>"
            f"<ul>{left_out}</ul></details>"
        )
    return f"<h3>What was learned</h3>{_table(('', ''), rows)}{left_out}"


def _notes(said: Mapping[str, Any]) -> str:
    notes = [*said["notes"]]
    notes += [
        f"column {name!r} is no sensor: {why}" for name, why in said["ignored"].items()
    ]
    if not notes:
        return ""
    items = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f"<h3>About the data</h3><ul>{items}</ul>"


def _table(
    head: Sequence[str], rows: Sequence[Sequence[str]], *, numeric: Sequence[int] = ()
) -> str:
    """Return a table of cells that are HTML already."""

    def line(cells: Sequence[str], tag: str) -> str:
        return "".join(
            f"<{tag} class=n>{cell}</{tag}>"
            if at in numeric
            else f"<{tag}>{cell}</{tag}>"
            for at, cell in enumerate(cells)
        )

    top = f"<tr>{line(head, 'th')}</tr>" if any(head) else ""
    body = "".join(f"<tr>{line(row, 'td')}</tr>" for row in rows)
    return f"<table>{top}{body}</table>"


def _part(count: int, of: int) -> str:
    return f"{count / of:.1%}" if of else _NONE


def _length(length_s: float) -> str:
    for unit_s, unit in ((172_800, "d"), (7200, "h"), (120, "min")):
        if length_s >= unit_s:
            divisor = {"d": 86_400, "h": 3600, "min": 60}[unit]
            return f"{length_s / divisor:.1f} {unit}"
    return f"{length_s:g} s"


def _words(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_words(each)}" for key, each in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_words(each) for each in value)
    return str(value)
