"""Judge the files of a run, one after the other or several at once."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

from appliance.commands.backtest.export import ExportError
from appliance.commands.backtest.judging import judge_export
from appliance.commands.backtest.outcome import summary_of, write_outcome
from appliance.commands.backtest.reading import read_export
from appliance.commands.backtest.report import section_of
from appliance.commands.exits import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from appliance.commands.backtest.inputs import Task
    from appliance.commands.backtest.progress import Progress
    from appliance.commands.backtest.wishes import Wishes

    Told = Callable[[str, float], None]

_READING = 0.2  # of the time a file takes


@dataclass(frozen=True, slots=True)
class Done:
    """What became of one file: its summary and its part of the report, or why not."""

    task: Task
    summary: dict[str, Any] = field(default_factory=dict)
    section: str = ""
    failure: str = ""


def judge_all(
    tasks: Sequence[Task], wishes: Wishes, *, jobs: int, progress: Progress
) -> list[Done]:
    """Judge every file; one that cannot be judged does not stop the others."""
    if jobs < 2 or len(tasks) < 2:  # noqa: PLR2004 - nothing to do at once
        found = list(_in_turn(tasks, wishes, progress))
    else:
        found = list(_at_once(tasks, wishes, jobs, progress))
    place = {task.target: at for at, task in enumerate(tasks)}
    return sorted(found, key=lambda done: place[done.task.target])


def judge_one(task: Task, wishes: Wishes, told: Told | None = None) -> Done:
    """Read, judge and write one file; its output is whole or not there."""
    tell = told or _nobody
    try:
        export = read_export(
            task.source,
            ignore=wishes.ignore,
            told=lambda rows: tell(f"reading, {rows} rows", 0.0),
        )
        outcome = judge_export(
            wishes.chosen(export),
            wishes.share,
            settings=wishes.settings,
            told=lambda rows, of: tell(
                "judging", _READING + (1 - _READING) * rows / max(1, of)
            ),
        )
        write_outcome(task.target, outcome)
    except ExportError as error:
        return Done(task, failure=str(error))
    except OSError as error:
        return Done(task, failure=f"{task.target}: {error.strerror or error}")
    except MemoryError:
        problem = "not enough memory; judge a shorter time or fewer columns"
        return Done(task, failure=f"{task.source}: {problem}")
    section = section_of(task.name, outcome) if wishes.report else ""
    return Done(task, summary_of(outcome), section)


def _nobody(doing: str, part: float) -> None:
    del doing, part


def _in_turn(
    tasks: Sequence[Task], wishes: Wishes, progress: Progress
) -> Iterator[Done]:
    for task in tasks:

        def told(doing: str, part: float, name: str = task.name) -> None:
            progress.step(name, doing, part)

        done = judge_one(task, wishes, told)
        _end(done, progress)
        yield done


def _at_once(
    tasks: Sequence[Task], wishes: Wishes, jobs: int, progress: Progress
) -> Iterator[Done]:
    pool = ProcessPoolExecutor(min(jobs, len(tasks)), mp_context=get_context("spawn"))
    with pool:
        waiting = [pool.submit(judge_one, task, wishes) for task in tasks]
        try:
            for each in as_completed(waiting):
                done = each.result()
                _end(done, progress)
                yield done
        except BrokenProcessPool as error:
            raise CommandError(
                "a process of the run was ended from outside, perhaps for want of "
                "memory; try --jobs 1"
            ) from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _end(done: Done, progress: Progress) -> None:
    if done.failure:
        progress.say(done.failure)
    elif problem := done.summary["problem"]:
        progress.say(f"{done.task.source}: {problem}")
    progress.finished(done.task.name)
