"""What is written of an export: the CSV, the summary, the report."""

from __future__ import annotations

import csv
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from appliance.commands.backtest.drawing import Axis, chart
from appliance.commands.backtest.inputs import Task, tasks_of
from appliance.commands.backtest.outcome import summary_of, write_outcome
from appliance.commands.backtest.progress import Progress
from appliance.commands.backtest.report import report_page, section_of, write_report
from appliance.commands.backtest.running import Done
from appliance.commands.exits import EXIT_USAGE, CommandError

if TYPE_CHECKING:
    from collections.abc import Callable

    from appliance.commands.backtest.outcome import Outcome

_VOID = {"meta", "br"}


def test_one_row_is_written_per_judged_row_and_none_per_learned_one(
    outcome: Outcome, tmp_path: Path
) -> None:
    path = tmp_path / "deep" / "down" / "pump.csv"
    write_outcome(path, outcome)
    rows = list(csv.reader(io.StringIO(path.read_text())))
    assert rows[0] == [
        "timestamp", "score", "limit", "anomaly", "alarm", "changepoint", "cause",
    ]  # fmt: skip
    assert rows[1] == ["2020-01-26 00:53:24", "0.5", "1", "0", "0", "0", ""]
    assert rows[2] == ["2020-01-26 00:53:25", "2", "1", "1", "1", "1", "flow"]
    assert rows[4][-1] == "<b>&speed"
    assert rows[6][1:] == ["", "1", "0", "0", "0", ""]
    assert len(rows) == 7
    assert [each.name for each in path.parent.iterdir()] == ["pump.csv"]


def test_the_summary_counts_what_was_said(outcome: Outcome) -> None:
    said = summary_of(outcome)
    assert said["evaluated_rows"] == 6
    assert said["scored_rows"] == 5
    assert (said["anomalies"], said["anomaly_rows"], said["alarms"]) == (1, 3, 1)
    assert said["causes"] == {"flow": 2 / 3, "<b>&speed": 1 / 3}
    assert said["from"] == "2020-01-26 00:53:20"


class Page(HTMLParser):
    """Tags that are open, all links, all text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.kinds: list[str] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.kinds.append(tag)
        self.links += [v or "" for k, v in attrs if k in ("href", "src", "xlink:href")]
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def done_of(outcome: Outcome, name: str) -> Done:
    task = Task(Path(name), name, Path("out", name))
    return Done(task, summary_of(outcome), section_of(name, outcome))


def test_the_report_is_whole_in_itself_and_escapes_every_name(
    outcome: Outcome,
) -> None:
    failed = Done(Task(Path("x"), "x", Path("x")), failure="x.csv: <script>")
    found = [done_of(outcome, "a<b>.csv"), done_of(outcome, "second.csv"), failed]
    text = report_page(found, told="4 rows & more", made="today")
    page = Page(text)
    assert page.open == []
    assert set(page.links) == {"#f1", "#f2"}
    assert "script" not in page.kinds
    assert "b" not in page.kinds
    assert "url(" not in text
    assert "@import" not in text
    assert page.kinds.count("section") == 2
    shown = " ".join(page.texts)
    for words in (
        "a<b>.csv", "<b>&speed", "x.csv: <script>", "4 rows & more",
        "a remark with <tags>", "2 rows have the time of another row",
        "text, such as 'a<b'", "flow:slope: constant at 0", "2020-01-26 00:53:25",
    ):  # fmt: skip
        assert words in shown, words


def test_the_report_shows_score_limit_anomaly_alarm_and_trends(
    outcome: Outcome,
) -> None:
    section = section_of("pump.csv", outcome)
    for kind in ("line", "limit", "trained", "anomaly", "alarm", "change"):
        assert f'class="{kind}"' in section, kind
    assert section.count("<svg") == 3  # the score and the two tags that contributed


def test_a_run_without_anomalies_says_so(outcome: Outcome) -> None:
    for flags in (outcome.anomaly, outcome.alarm, outcome.changepoint):
        flags[:] = False
    assert "Nothing abnormal was found" in section_of("pump.csv", outcome)


def test_a_report_that_cannot_be_written_is_one_line(
    outcome: Outcome, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CommandError, match="file"):
        write_report(
            tmp_path / "file" / "report.html", [done_of(outcome, "a.csv")],
            told="", made="",
        )  # fmt: skip


@pytest.mark.parametrize(
    "values",
    [
        np.full(50, 3.0),
        np.full(50, np.nan),
        np.zeros(50),
        np.array([1e300, -1e300] * 25),
        np.array([0.0, np.nan] * 25),
    ],
    ids=["constant", "missing", "zero", "huge", "holes"],
)
@pytest.mark.parametrize("logarithmic", [False, True])
def test_any_values_can_be_drawn(values: np.ndarray, logarithmic: bool) -> None:
    none = np.zeros(50, dtype=np.bool_)
    axis = Axis(np.arange(50, dtype=np.int64), none, none, none, none)
    drawn = chart(axis, values, title="t", logarithmic=logarithmic)
    assert not re.search(r"nan|inf", drawn)


def test_a_spike_survives_the_thinning_of_a_long_chart() -> None:
    count = 300_000
    none = np.zeros(count, dtype=np.bool_)
    axis = Axis(np.arange(count, dtype=np.int64), none, none, none, none)
    values = np.ones(count)
    values[123_456] = 50.0
    values[200_000:210_000] = np.nan
    drawn = chart(axis, values, title="t")
    path = re.search(r'class="line" d="([^"]+)"', drawn)
    assert path is not None
    assert len(path[1]) < 60_000
    assert path[1].count("M") == 2
    heights = [float(each) for each in re.findall(r" ([\d.]+)", path[1])]
    assert min(heights) < 20.0


def test_targets_lie_below_out_as_the_inputs_below_their_folder(
    tmp_path: Path, written: Callable[..., Path]
) -> None:
    one, two = written("x", "plant/a/x.csv"), written("x", "plant/b/y.csv.gz")
    out = tmp_path / "out"
    tasks = tasks_of([one, two], out)
    assert [task.target for task in tasks] == [out / "a/x.csv", out / "b/y.csv"]
    assert [task.name for task in tasks] == ["a/x.csv", "b/y.csv.gz"]
    assert tasks_of([tmp_path / "plant"], out) == tasks
    assert tasks_of([one], out)[0].target == out / "x.csv"


@pytest.mark.parametrize(
    ("names", "out", "words"),
    [
        (["none.csv"], "out", "no such file"),
        (["a.csv", "a.csv.gz"], "out", "would both become"),
        (["a.csv"], ".", "would write over"),
        (["empty"], "out", "no export is below"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(
    tmp_path: Path, written: Callable[..., Path], *, names: list[str], out: str,
    words: str,
) -> None:  # fmt: skip
    written("x", "a.csv")
    written("x", "a.csv.gz")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CommandError, match=words) as refusal:
        tasks_of([tmp_path / name for name in names], tmp_path / out)
    assert refusal.value.exit_code == EXIT_USAGE


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def show(stream: io.StringIO) -> str:
    with Progress(2, stream=stream) as progress:
        progress.step("a.csv", "reading", 0.5)
        progress.step("a.csv", "reading", 0.5)
        progress.say("a.csv: cannot be read")
        progress.finished("a.csv")
    return stream.getvalue()


def test_the_bar_is_drawn_on_a_terminal_alone() -> None:
    assert show(io.StringIO()) == "a.csv: cannot be read\n"
    drawn = show(Terminal())
    assert " 25%  a.csv  reading" in drawn
    assert drawn.count("a.csv  reading") == 2  # once, and again below the line
    assert " 50%  a.csv  done" in drawn
    assert drawn.endswith("\r\x1b[K")


def test_the_summary_is_plain_json(outcome: Outcome) -> None:
    said: dict[str, Any] = json.loads(json.dumps(summary_of(outcome)))
    assert said["learned"]["raw_limit"] == 1.5
