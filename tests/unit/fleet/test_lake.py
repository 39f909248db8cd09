"""Ingest into a lake on disk: once, durable, acknowledged; killed anywhere."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import duckdb
import msgspec
import pytest
import zstandard

from appliance.wire.outbox import Ack, GapRow, Payload, Stream, decode_ack
from fleet import ingest as ingest_module
from fleet import writer as writer_module
from fleet.__main__ import main
from fleet.ingest import Ingest
from fleet.lake import open_lake
from fleet.parts import LakeError
from fleet.report import lines_of, report_of
from fleet.writer import open_writer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from appliance.wire.outbox import Row
    from fleet.report import Report

    Post = Callable[..., tuple[str, bytes]]

EVENT, SUMMARY, GAP = Stream.EVENT, Stream.SUMMARY, Stream.GAP


def take(lake: Path, *messages: tuple[str, bytes]) -> list[Ack]:
    """Ingest messages in one life of the process, one commit each."""
    told = []
    with open_writer(lake) as writer:
        ingest = Ingest(writer)
        for name, content in messages:
            ingest.take(name, content)
            told += [decode_ack(each.content) for each in ingest.commit()]
    return told


def report(lake: Path) -> Report:
    with open_lake(lake) as opened:
        return report_of(opened)


def throughs(told: Sequence[Ack]) -> list[int]:
    return [ack.through for ack in told]


def gap(first: int, through: int, what: str = "event") -> GapRow:
    return GapRow(what, "quota", 1, 2, through - first + 1, first, through)


@pytest.mark.parametrize("stream", Stream)
def test_rows_lie_in_the_lake_as_they_were_sent(
    tmp_path: Path, post: Post, samples: dict[Stream, Row], stream: Stream
) -> None:
    assert throughs(take(tmp_path, post(stream, 1, 2))) == [2]
    with open_lake(tmp_path) as lake:
        first, second = lake.rows(stream)
        assert lake.count() == lake.count(stream) == 2
    assert (first["seq"], second["seq"]) == (1, 2)
    key = (first["site"], first["gateway"], first["epoch"], first["stream"])
    assert key == ("plant-1", "gw-1", "epoch-1", stream)
    for name, value in msgspec.structs.asdict(samples[stream]).items():
        stored = json.loads(first[name]) if name == "details" else first[name]
        assert stored == value


def test_a_row_that_comes_again_is_dropped_and_acknowledged_again(
    tmp_path: Path, post: Post
) -> None:
    told = take(tmp_path, post(EVENT, 1, 5), post(EVENT, 1, 5), post(EVENT, 4, 8))
    assert throughs(told) == [5, 5, 8]
    assert throughs(take(tmp_path, post(EVENT, 2, 9))) == [9]
    found = report(tmp_path)
    assert (found.rows, found.duplicates, found.complete) == (9, 0, True)


def test_the_same_rows_twice_in_one_commit_are_stored_once(
    tmp_path: Path, post: Post
) -> None:
    with open_writer(tmp_path) as writer:
        ingest = Ingest(writer)
        for message in (post(EVENT, 1, 3), post(EVENT, 2, 4), post(EVENT, 1, 3)):
            ingest.take(*message)
        assert len(ingest.commit()) == 1
        assert ingest.counters["rows_again"] == 5
        assert ingest.commit() == ()
    assert report(tmp_path).rows == 4


def test_nothing_is_acknowledged_before_it_is_committed(
    tmp_path: Path, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with open_writer(tmp_path) as writer:
        ingest = Ingest(writer)
        ingest.take(*post(EVENT, 1, 3))
        monkeypatch.setattr("fleet.parts.os.fsync", full)
        with pytest.raises(LakeError, match="No space left"):
            ingest.commit()
    monkeypatch.undo()
    assert not list(tmp_path.rglob("*.parquet")) + list(tmp_path.rglob("*.tmp"))
    assert throughs(take(tmp_path, post(EVENT, 1, 3))) == [3]


def test_beyond_a_hole_nothing_is_acknowledged_until_it_is_filled(
    tmp_path: Path, post: Post
) -> None:
    told = take(tmp_path, post(EVENT, 1, 2), post(EVENT, 5, 6), post(EVENT, 3, 4))
    assert throughs(told) == [2, 2, 6]


def test_a_declared_gap_fills_a_hole_also_after_a_restart(
    tmp_path: Path, post: Post
) -> None:
    assert throughs(take(tmp_path, post(EVENT, 1, 2), post(EVENT, 5, 6))) == [2, 2]
    told = take(tmp_path, post(GAP, 1, 1, rows=[gap(3, 4)]))
    assert [(ack.stream, ack.through) for ack in told] == [("gap", 1), ("event", 6)]
    assert throughs(take(tmp_path, post(EVENT, 7, 7))) == [7]
    found = report(tmp_path)
    assert (found.declared, found.undeclared, found.complete) == (2, 0, True)


def test_what_the_gateway_has_settled_holds_up_nothing_and_is_reported(
    tmp_path: Path, post: Post
) -> None:
    assert throughs(take(tmp_path, post(EVENT, 11, 12, settled=10))) == [12]
    assert throughs(take(tmp_path, post(EVENT, 13, 13, settled=12))) == [13]
    found = report(tmp_path)
    assert (found.undeclared, found.complete) == (10, False)
    (stream,) = found.streams
    assert (stream.ranges, stream.undeclared) == (((11, 13),), ((1, 10),))


def test_gaps_that_make_no_sense_declare_nothing(tmp_path: Path, post: Post) -> None:
    strange = [gap(5, 3), gap(0, 3), gap(1, 2, "acquisition"), gap(-5, -3)]
    told = take(
        tmp_path, post(EVENT, 4, 4), post(GAP, 1, 4, rows=strange), post(EVENT, 4, 4)
    )
    assert [(ack.stream, ack.through) for ack in told] == [("gap", 4)]


def test_sites_gateways_and_outboxes_are_counted_apart(
    tmp_path: Path, post: Post
) -> None:
    messages = [
        post(EVENT, 1, 2, site=site, gateway=gateway, epoch=epoch)
        for site in ("plant-1", "Werk Süd", "..", "*?[x]%'")
        for gateway in ("gw-1", "gw-2")
        for epoch in ("a", "b")
    ]
    assert throughs(take(tmp_path, *messages)) == [2] * 16
    found = report(tmp_path)
    assert (found.rows, found.duplicates, len(found.streams)) == (32, 0, 16)
    assert all(tmp_path in path.parents for path in tmp_path.rglob("*.parquet"))
    assert throughs(take(tmp_path, *messages)) == [2] * 16
    assert report(tmp_path).rows == 32


def test_small_parts_are_put_together(
    tmp_path: Path, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "COMPACT_PARTS", 4)
    take(tmp_path, *(post(EVENT, seq, seq) for seq in range(1, 10)))
    assert len(list(tmp_path.rglob("*.parquet"))) < 4
    assert throughs(take(tmp_path, post(EVENT, 1, 9))) == [9]
    found = report(tmp_path)
    assert (found.rows, found.duplicates) == (9, 0)


def test_a_compaction_that_was_cut_short_doubles_nothing(
    tmp_path: Path, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "COMPACT_PARTS", 3)
    killed = RuntimeError("killed here")

    def killed_at_the_first(_path: Path) -> None:
        raise killed

    with monkeypatch.context() as patched:
        patched.setattr("pathlib.Path.unlink", killed_at_the_first)
        with pytest.raises(RuntimeError):
            take(tmp_path, *(post(EVENT, seq, seq) for seq in range(1, 5)))
    assert len(list(tmp_path.rglob("*.parquet"))) == 4
    assert report(tmp_path).rows == 3
    assert report(tmp_path).duplicates == 0
    take(tmp_path, post(EVENT, 4, 4))
    assert report(tmp_path).rows == 4
    assert len(list(tmp_path.rglob("*.parquet"))) == 2


def test_a_part_that_cannot_be_read_is_set_aside_and_reported(
    tmp_path: Path, post: Post
) -> None:
    take(tmp_path, post(EVENT, 1, 2), post(EVENT, 3, 4))
    torn = min(tmp_path.rglob("*.parquet"))
    torn.write_bytes(torn.read_bytes()[:100])
    found = report(tmp_path)
    assert (found.rows, found.broken_files, found.complete) == (2, (str(torn),), False)
    assert throughs(take(tmp_path, post(EVENT, 5, 5, settled=4))) == [5]
    assert torn.with_name(f"{torn.name}.broken").exists()
    assert report(tmp_path).undeclared == 2


def test_what_a_crash_left_half_written_is_cleared(tmp_path: Path, post: Post) -> None:
    take(tmp_path, post(EVENT, 1, 2))
    part = next(tmp_path.rglob("*.parquet"))
    left = part.with_name(".part-000000000002.parquet.tmp")
    left.write_bytes(b"PAR1")
    take(tmp_path, post(EVENT, 3, 4))
    assert not left.exists()
    assert report(tmp_path).rows == 4


def test_a_lake_has_one_writer(tmp_path: Path) -> None:
    with (
        open_writer(tmp_path),
        pytest.raises(LakeError, match="another process"),
        open_writer(tmp_path),
    ):
        pass


def test_a_lake_that_cannot_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(LakeError, match="cannot be used"),
        open_writer(tmp_path / "file"),
    ):
        pass
    with pytest.raises(LakeError, match="not a folder"), open_lake(tmp_path / "absent"):
        pass


def test_an_empty_lake_is_complete(tmp_path: Path) -> None:
    found = report(tmp_path)
    assert (found.rows, found.duplicates, found.complete) == (0, 0, True)
    with open_lake(tmp_path) as lake:
        assert lake.rows(EVENT) == []


def test_duplicates_are_counted_in_the_files_themselves(
    tmp_path: Path, post: Post
) -> None:
    take(tmp_path, post(EVENT, 1, 5))
    part = next(tmp_path.rglob("*.parquet"))
    part.with_name("part-000000000009.parquet").write_bytes(part.read_bytes())
    found = report(tmp_path)
    assert (found.rows, found.duplicates, found.complete) == (10, 5, False)
    assert [each.duplicates for each in found.streams] == [5]
    assert "    duplicates 5" in lines_of(found, completeness=True)


def test_any_duckdb_reads_the_lake(tmp_path: Path, post: Post) -> None:
    take(tmp_path, post(EVENT, 1, 2), post(SUMMARY, 1, 3))
    glob = f"{tmp_path}/stream=summary/**/*.parquet"
    with duckdb.connect() as database:
        found = database.execute(
            "SELECT count(*), max(seq), any_value(date) FROM read_parquet(?)", [glob]
        ).fetchall()
    assert [str(each) for each in found[0]] == ["3", "3", "2023-11-14"]


def packed(payload: Payload) -> bytes:
    return zstandard.compress(msgspec.msgpack.encode(payload))


def test_hostile_input_is_counted_and_harms_nothing(
    tmp_path: Path, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest_module, "COMPLAINTS_MAX", 3)
    name, good = post(EVENT, 1, 1)
    row = msgspec.Raw(
        msgspec.msgpack.encode(["k", "n", 2**63, "", "", None, "", "", {}])
    )
    deep: object = []
    for _ in range(500):
        deep = [deep]
    nested = msgspec.msgpack.encode(["k", "n", 1, "", "", None, "", "", {"a": deep}])
    odd_key = msgspec.msgpack.encode(
        ["k", "n", 1, "", "", None, "", "", {"a": msgspec.msgpack.Ext(5, b"x")}]
    )
    hostile = [
        ("other/topic", good),
        ("wheeltapper/v1/plant-1/gw-1/gap", good),
        (f"wheeltapper/v1/{'x' * 300}/gw-1/event", good),
        ("wheeltapper/v1/a\nb/gw-1/event", good),
        (name, b""),
        (name, b"\x28\xb5\x2f\xfd" + b"\x00" * 40),
        (name, zstandard.compress(b"\xc1" * 100)),
        (name, packed(Payload(1, "e", "event", 1, ()))),
        (name, packed(Payload(1, "e", "event", 2**62, (row,)))),
        (name, packed(Payload(1, "e", "event", 1, (row,)))),
        (name, packed(Payload(1, "", "event", 1, (msgspec.Raw(nested),)))),
        (name, packed(Payload(1, "e", "event", 1, (msgspec.Raw(odd_key),)))),
        (name, packed(Payload(1, "e", "event", 5, (msgspec.Raw(nested),), 5))),
    ]
    with open_writer(tmp_path) as writer:
        ingest = Ingest(writer)
        for message in hostile:
            ingest.take(*message)
        assert ingest.counters["payloads_broken"] == len(hostile)
        ingest.take(name, good)
        assert len(ingest.commit()) == 1
    assert report(tmp_path).rows == 1


def test_the_report_is_printed_for_people_and_for_machines(
    tmp_path: Path, post: Post, capsys: pytest.CaptureFixture[str]
) -> None:
    take(tmp_path, post(EVENT, 1, 2), post(EVENT, 5, 6, settled=4))
    assert main(["report", "--lake", str(tmp_path)]) == 0
    assert "4 rows, 0 duplicates" in capsys.readouterr().out
    assert main(["report", "--lake", str(tmp_path), "--completeness"]) == 1
    text = capsys.readouterr().out
    assert "stored     1-2, 5-6" in text
    assert "NOT COMPLETE: 0 rows missing and declared, 2 missing and" in text
    assert main(["report", "--lake", str(tmp_path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["streams"][0]["undeclared"] == [[3, 4]]
    assert main(["report", "--lake", str(tmp_path / "absent")]) == 1


def test_many_ranges_are_shortened_for_people(tmp_path: Path, post: Post) -> None:
    take(tmp_path, *(post(EVENT, seq, seq) for seq in range(2, 24, 2)))
    lines = lines_of(report(tmp_path), completeness=True)
    assert any(line.endswith("and 3 more") for line in lines)
