"""What people and models may ask the living process, over its real socket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from appliance.config.safety import Mode
from appliance.link.client import LinkRefusedError
from appliance.link.roles import Role
from appliance.safety import process as process_module
from appliance.safety.operations import Operations
from tests.unit.safety.living import a_config, living, make_ready, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.safety.bench import FakePlant, MakeRow


pytestmark = pytest.mark.usefixtures("on_the_plant")


async def test_observe_never_writes_anything(
    tmp_path: Path,
    plant: FakePlant,
    row: MakeRow,
) -> None:
    async with living(a_config(row(), mode=Mode.OBSERVE), tmp_path) as link:
        await until(link, lambda s: s["scan"]["scans"] > 5)
        await until(link, lambda s: s["initiators"][0]["state"] == "clear")
        await link.request("reset")
        answer = await link.request("stop", reason="try")
        assert answer["note"] == "mode is observe: nothing is written"
        scans = (await link.request("status"))["scan"]["scans"]
        await until(link, lambda s: s["scan"]["scans"] > scans + 3)
    assert plant.writes == []


@pytest.mark.requirement("A16")
async def test_arming_says_the_honest_claim_and_the_matrix(
    tmp_path: Path,
    plant: FakePlant,
    row: MakeRow,
) -> None:
    async with living(a_config(row(), mode=Mode.OBSERVE), tmp_path) as link:
        answer = await link.request("mode", mode="armed")
        assert "not a safety instrumented system" in answer["claim"]
        assert answer["matrix"][0]["elements"] == ["motor"]
        await make_ready(link)
        answer = await link.request("mode", mode="observe")
        assert "watchdog stops the machine" in answer["claim"]
        with pytest.raises(LinkRefusedError, match="observe or armed"):
            await link.request("mode", mode="off")
        await until(link, lambda s: s["mode"] == "observe")
        beats = len(plant.writes)
        scans = (await link.request("status"))["scan"]["scans"]
        await until(link, lambda s: s["scan"]["scans"] > scans + 3)
        assert len(plant.writes) == beats


@pytest.mark.requirement("A15")
async def test_an_empty_matrix_cannot_be_armed(tmp_path: Path) -> None:
    config = a_config(mode=Mode.OBSERVE, elements=0)
    async with living(config, tmp_path) as link:
        with pytest.raises(LinkRefusedError, match="nothing to arm"):
            await link.request("mode", mode="armed")
        status = await link.request("status")
        assert not status["tripped"]
        assert status["first_out"] == ""
        with pytest.raises(LinkRefusedError, match="no such element"):
            await link.request("reset")


async def test_a_reset_is_refused_with_its_reasons(
    tmp_path: Path,
    plant: FakePlant,
    row: MakeRow,
) -> None:
    async with living(a_config(row(), elements=2), tmp_path) as link:
        await make_ready(link)
        with pytest.raises(LinkRefusedError, match="nothing is tripped"):
            await link.request("reset")
        plant.values["P/a"] = 9.0
        await until(link, lambda s: s["elements"][0]["stop"] == "confirmed")
        with pytest.raises(LinkRefusedError, match="the demand of high lasts"):
            await link.request("reset", elements=["motor"])
        with pytest.raises(LinkRefusedError, match="no such element; known: motor"):
            await link.request("reset", elements=["pump"])


@pytest.mark.requirement("A10")
async def test_a_bypass_has_its_rules(tmp_path: Path, row: MakeRow) -> None:
    async with living(a_config(row()), tmp_path) as link:
        for args, problem in (
            ({"initiator": "x", "reason": "r"}, "no initiator 'x'"),
            ({"initiator": "high"}, "needs a reason"),
            ({"initiator": "high", "reason": "r", "channel": "P/b"}, "no channel"),
            ({"initiator": "high", "reason": "r", "length_s": 0}, "at most"),
            ({"initiator": "high", "reason": "r", "length_s": 9e9}, "at most"),
        ):
            with pytest.raises(LinkRefusedError, match=problem):
                await link.request("bypass", **args)
        with pytest.raises(LinkRefusedError, match="is not bypassed"):
            await link.request("unbypass", initiator="high")
        answer = await link.request("bypass", initiator="high", reason="broken \n wire")
        assert answer["length_s"] == 8 * 3600
        status = await link.request("status")
        assert status["initiators"][0]["state"] == "bypassed"
        assert status["initiators"][0]["bypass"]["reason"] == "broken wire"
        with pytest.raises(LinkRefusedError, match="its one bypass already"):
            await link.request("bypass", initiator="high", reason="again")
        assert (await link.request("unbypass", initiator="high"))["committed"]


@pytest.mark.requirement("A10")
async def test_a_long_bypass_takes_a_supervisor(
    tmp_path: Path,
    row: MakeRow,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        process_module, "role_resolver", lambda _: lambda _uid, _gid: Role.MAINTAINER
    )
    async with living(a_config(row()), tmp_path) as link:
        with pytest.raises(LinkRefusedError, match="takes a supervisor"):
            await link.request(
                "bypass", initiator="high", reason="r", length_s=9 * 3600
            )
        with pytest.raises(LinkRefusedError, match="mode needs the role supervisor"):
            await link.request("mode", mode="observe")


async def test_a_viewer_may_stop_and_nothing_else(
    tmp_path: Path,
    row: MakeRow,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        process_module, "role_resolver", lambda _: lambda _uid, _gid: Role.VIEWER
    )
    async with living(a_config(row()), tmp_path) as link:
        assert (await link.request("stop"))["accepted"]
        for op in ("reset", "bypass", "unbypass", "mode", "demand"):
            with pytest.raises(LinkRefusedError, match="needs the role"):
                await link.request(op)


@pytest.mark.requirement("A16")
async def test_a_model_may_only_demand_through_its_row(
    tmp_path: Path,
    plant: FakePlant,
    row: MakeRow,
) -> None:
    model = row(
        id="model", source="model", channels=(), setpoint=0.5,
        max_age_s=2.0, comms_loss_delay_s=0.0,
    )  # fmt: skip
    async with living(a_config(row(), model), tmp_path) as link:
        await make_ready(link)
        word = {"row": "model", "source_time_ns": 1, "value": 0.0}
        assert (await link.request("demand", **word))["accepted"]
        assert not (await link.request("demand", **word))["accepted"]
        with pytest.raises(LinkRefusedError, match="not a model's row"):
            await link.request("demand", **{**word, "row": "high"})
        nan = {**word, "source_time_ns": 2, "value": float("nan")}
        assert (await link.request("demand", **nan))["accepted"]
        scans = (await link.request("status"))["scan"]["scans"]
        await until(link, lambda s: s["scan"]["scans"] > scans + 2)
        assert plant.points["permit"] == 1.0
        await link.request("demand", row="model", source_time_ns=3, value=1.0)
        status = await until(link, lambda s: s["tripped"])
        assert status["first_out"] == "model"


@pytest.mark.requirement("A16")
def test_every_operation_is_registered_with_a_role() -> None:
    class Recorder:
        def __init__(self) -> None:
            self.roles: dict[str, Role] = {}

            self.processes: dict[str, tuple[str, ...]] = {}

        def operation(
            self,
            op: str,
            run: Any,  # noqa: ANN401
            *,
            role: Role = Role.VIEWER,
            processes: tuple[str, ...] = (),
        ) -> None:
            assert callable(run)
            self.roles[op] = role
            if processes:
                self.processes[op] = processes

    recorder = Recorder()
    operations = object.__new__(Operations)
    operations.offer(recorder)  # type: ignore[arg-type]  # only `operation` is called
    assert recorder.roles == {
        "status": Role.VIEWER,
        "events.since": Role.VIEWER,
        "stop": Role.VIEWER,
        "reset": Role.OPERATOR,
        "demand": Role.OPERATOR,
        "bypass": Role.MAINTAINER,
        "unbypass": Role.MAINTAINER,
        "maintenance.begin": Role.MAINTAINER,
        "maintenance.end": Role.MAINTAINER,
        "mode": Role.SUPERVISOR,
    }
    assert recorder.processes == {"demand": ("hub",)}
