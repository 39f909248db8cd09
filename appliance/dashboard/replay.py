"""Shows a session file again: at its own pace, faster, or note by note."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from appliance.dashboard.app import Dashboard
from appliance.dashboard.messages import NewsArrived
from appliance.dashboard.session import End, SessionError, message_of, read_notes
from appliance.dashboard.wording import clock_time, span

if TYPE_CHECKING:
    from datetime import tzinfo
    from pathlib import Path
    from typing import BinaryIO

    from textual.worker import WorkType

    from appliance.dashboard.preferences import Preferences
    from appliance.dashboard.session import Note
    from appliance.domain.ports import Clock

SPEEDS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 60.0)
STEP_S = 1.0
_LOOK_EVERY_S = 0.05
_READ_ONLY = "this is a recording: nothing can be done"


class ReplayClock:
    """The recording's time: it stands, or runs `speed` times as fast as real time."""

    def __init__(self, real: Clock, *, start_s: float, start_ns: int) -> None:
        self._real = real
        self._start_s = start_s
        self._start_ns = start_ns
        self._passed_s = 0.0
        self._from_s = real.now_s()
        self.speed = 1.0
        self.paused = False

    @property
    def passed_s(self) -> float:
        """How much of the recording has been shown, in its own time."""
        if self.paused:
            return self._passed_s
        return self._passed_s + (self._real.now_s() - self._from_s) * self.speed

    def now_s(self) -> float:
        """Return the monotonic time of the recording."""
        return self._start_s + self.passed_s

    def utc_ns(self) -> int:
        """Return the wall clock of the recording."""
        return self._start_ns + round(self.passed_s * 1e9)

    async def sleep(self, seconds: float) -> None:
        """Wait in real time."""
        await self._real.sleep(seconds)

    def run(self, *, speed: float | None = None, paused: bool | None = None) -> None:
        """Go on at another speed, stand, or go on."""
        self._passed_s = self.passed_s
        self._from_s = self._real.now_s()
        self.speed = self.speed if speed is None else speed
        self.paused = self.paused if paused is None else paused

    def step(self, seconds: float) -> None:
        """Go on by so much of the recording at once, and stand."""
        self.run(paused=True)
        self._passed_s += seconds


class Replay(Dashboard):
    """A window on a session file. Nothing can be done from it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "pause", "stand, or go on", show=False),
        Binding("full_stop", "step", "one second on, and stand", show=False),
        Binding("right_square_bracket", "pace(1)", "faster", show=False),
        Binding("left_square_bracket", "pace(-1)", "slower", show=False),
    ]
    clock: ReplayClock

    def __init__(
        self,
        file: BinaryIO,
        *,
        clock: Clock,
        run_dir: Path,
        zone: tzinfo | None = None,
        preferences: Preferences | None = None,
    ) -> None:
        """Read the first note.

        Raises:
            SessionError: It is not a session file, or there is nothing in it.
        """
        self._notes = read_notes(file)
        first = next(self._notes, None)
        if first is None:
            raise SessionError("there is nothing in this session file")
        self._first = first
        self._ended = ""
        super().__init__(
            run_dir,
            clock=ReplayClock(clock, start_s=first.at_s, start_ns=first.utc_ns),
            zone=zone,
            preferences=preferences,
            read_only=_READ_ONLY,
        )

    def listen(self) -> None:
        """Play the file instead of listening."""
        play: WorkType[None] = self._play
        self.run_worker(play, name="dashboard.replay", group="links")

    def remark(self) -> str:
        """Return how the recording is shown: it stands below the banner."""
        clock = self.clock
        how = "stands" if clock.paused else f"{clock.speed:g} times as fast"
        at = clock_time(clock.utc_ns(), self._zone)
        how = self._ended or how
        return (
            f"RECORDING {at}, {span(clock.passed_s)} in: {how}."
            " space stand/go  . step  [ ] slower/faster"
        )

    def action_pause(self) -> None:
        """Stand, or go on."""
        self._run(paused=not self.clock.paused)

    def action_step(self) -> None:
        """Go on by a second, and stand."""
        self.clock.step(STEP_S)
        self._run()

    def action_pace(self, by: int) -> None:
        """Go on faster, or slower."""
        place = SPEEDS.index(self.clock.speed) + by
        self._run(speed=SPEEDS[min(max(place, 0), len(SPEEDS) - 1)])

    def _run(self, *, speed: float | None = None, paused: bool | None = None) -> None:
        """Change how it runs, and say that instead of anything else."""
        self.clock.run(speed=speed, paused=paused)
        self._notice_until_s = float("-inf")
        self.redraw()

    async def _play(self) -> None:
        try:
            await self._show(self._first)
            for note in self._notes:
                await self._show(note)
        except SessionError as error:
            self._ended = f"broken here: {error}"
        self._ended = self._ended or "it ends here"

    async def _show(self, note: Note) -> None:
        while self.clock.now_s() < note.at_s:
            await self.clock.sleep(_LOOK_EVERY_S)
        message = message_of(note.what)
        if message is None:
            self._ended = note.what.reason if isinstance(note.what, End) else ""
            return
        self.post_message(message)
        if isinstance(message, NewsArrived):
            await message.taken.wait()
