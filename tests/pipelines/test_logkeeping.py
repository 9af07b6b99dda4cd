"""Logs are kept to a size, the newest lines whole, and each line has a time; the step never waits, followers go on."""

from __future__ import annotations

import os

import pytest

import penstock as ps
from penstock.pipelines.logkeeping import LogKeeper, times_file
from penstock.pipelines.loglines import LogReader, pieces, read_piece

pytestmark = pytest.mark.usefixtures("warm_workers")

LINE = b"line %07d " + b"x" * 84 + b"\n"


def write(path, first, last):
    with path.open("ab") as file:
        file.writelines(LINE % number for number in range(first, last))


@pytest.fixture
def log(tmp_path):
    return tmp_path / "step.log"


def kept(log, most_bytes):
    keeper = LogKeeper(most_bytes)
    keeper.begin("step", log)
    keeper.end("step")
    keeper.close()


def test_a_log_takes_no_more_space_than_it_may_and_keeps_its_newest_lines(log):
    write(log, 0, 20_000)
    kept(log, 200_000)
    assert os.stat(log).st_blocks * 512 < 250_000
    assert os.stat(log).st_size == 20_000 * len(LINE % 0)
    first, *lines = b"".join(pieces(log)).splitlines(keepends=True)
    assert lines == [LINE % number for number in range(20_000 - len(lines), 20_000)]
    assert len(lines) * len(lines[0]) > 190_000
    gone = 20_000 * len(lines[0]) - len(lines) * len(lines[0])
    assert first == b"... %d bytes are not kept: the log became too large ...\n" % gone


def test_a_log_of_a_size_that_may_be_is_left_as_it_is(log):
    write(log, 0, 100)
    before = log.read_bytes()
    kept(log, 200_000)
    kept(log, 0)
    assert log.read_bytes() == b"".join(pieces(log)) == before


def test_whoever_follows_goes_on_over_what_was_taken_out(log):
    write(log, 0, 10)
    reader = LogReader("step", log)
    assert [line.text[:12] for line in reader.read(ended=False)] == [f"line {number:07}" for number in range(10)]
    write(log, 10, 20_000)
    kept(log, 200_000)
    said, *lines = reader.read(ended=False)
    assert said.text.endswith("bytes are not kept: the log became too large ...")
    assert [line.text[5:12] for line in lines] == [f"{number:07}" for number in range(20_000 - len(lines), 20_000)]
    write(log, 20_000, 20_001)
    assert [line.text[5:12] for line in reader.read(ended=False)] == ["0020000"]


def test_a_place_in_a_log_stays_its_place(log):
    write(log, 0, 20_000)
    place = 19_999 * len(LINE % 0)
    before = read_piece(log, place)
    kept(log, 200_000)
    assert read_piece(log, place) == before
    assert before.content == LINE % 19_999


def test_a_line_whose_end_is_not_written_waits_until_the_step_has_ended(log):
    log.write_bytes(b"one\ntw")
    reader = LogReader("step", log)
    assert [line.text for line in reader.read(ended=False)] == ["one"]
    with log.open("ab") as file:
        file.write(b"o\nthr")
    assert [line.text for line in reader.read(ended=False)] == ["two"]
    assert [line.text for line in reader.read(ended=True)] == ["thr"]


def test_each_line_has_the_time_when_its_part_of_the_log_was_written(log):
    log.write_bytes(b"one\ntwo\nthree\nfour\n")
    os.utime(log, (1_000.0, 1_000.0))
    times_file(log).write_text("100.500 4\n200.250 14\n300.")  # the last one is torn
    assert [(line.text, line.time) for line in LogReader("step", log).read()] == [
        ("one", 100.5),
        ("two", 200.25),
        ("three", 200.25),
        ("four", 1_000.0),
    ]


def test_times_are_noted_while_a_step_runs(tmp_path):
    """The step goes on only once the time of what it printed is noted, so that this does not depend on the clock."""

    @ps.step
    def talk() -> list[float]:
        import time
        from pathlib import Path

        noted = next(Path(".penstock/logs").glob("*/talk.log")).with_name("talk.times")
        moments = []
        for number in range(3):
            moments.append(time.time())
            print("line", number, flush=True)
            limit = time.time() + 60
            while (not noted.exists() or noted.read_text().count("\n") <= number) and time.time() < limit:
                time.sleep(0.01)
        return moments

    @ps.pipeline
    def talking() -> None:
        talk()

    os.chdir(tmp_path)
    run = ps.open(tmp_path).run(talking, engine="local")
    step = run.steps["talk"]
    assert step.log() == "line 0\nline 1\nline 2\n"
    lines = list(LogReader("talk", tmp_path / step.record.log, step.record.started).read())
    moments = run.artifact("talk").load()
    assert [line.time for line in lines] == pytest.approx(moments, abs=0.05)


def test_the_size_is_configured(tmp_path):
    @ps.step
    def shout() -> int:
        for number in range(20_000):
            print(f"line {number:07}", "x" * 84)
        return 1

    @ps.pipeline
    def shouting() -> None:
        shout()

    (tmp_path / "penstock.toml").write_text('[logs]\nmax_bytes = "64KiB"\n')
    said, *lines = ps.open(tmp_path).run(shouting, engine="inline").steps["shout"].log().splitlines()
    assert said.endswith("bytes are not kept: the log became too large ...")
    assert lines[-1].startswith("line 0019999")
    assert 600 < len(lines) < 1000
    (tmp_path / "penstock.toml").write_text('[logs]\nmax_bytes = "much"\n')
    with pytest.raises(ps.errors.DeclarationError, match=r"max_bytes in \[logs\] is 'much'"):
        ps.open(tmp_path)
