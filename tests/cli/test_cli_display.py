"""The live display of a run, and how values are shown."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import itertools
import re
import sys
import time

import pyarrow as pa
import pytest
from rich.console import Console
from rich.live import Live

from penstock.cli.display import RunDisplay, size, summary
from penstock.cli.output import duration, print_cells, print_table, shown
from penstock.core.artifact import Artifact
from penstock.core.run import Run, StepRun
from penstock.pipelines import RunEnded, RunStarted, StepEnded, StepMapped, StepStarted

RUN = Run(id="r1", pipeline="rides", state="running", created=1.0, experiment="depth")
TABLE = Artifact(digest="d", kind="table", uri="", facts={"rows": 336776})


def events():
    def step(name, state, **fields):
        return StepRun(run="r1", step=name, state=state, **fields)

    yield RunStarted(RUN, tuple(step(name, "waiting") for name in ("read", "fit", "evaluate", "push")))
    yield StepStarted(step("read", "running", started=1.0))
    yield StepEnded(step("read", "succeeded", started=1.0, ended=3.5, reason="never ran"), {"result": TABLE})
    yield StepEnded(step("fit", "up_to_date", reason="made by run r0"), {"result": TABLE})
    yield StepStarted(step("evaluate", "running", started=3.5))
    yield StepEnded(step("evaluate", "failed", started=3.5, ended=3.6, error="ValueError: no\n\nTraceback ..."))
    yield StepEnded(step("push", "skipped", reason="needs evaluate, which failed"))
    yield RunEnded(Run(id="r1", pipeline="rides", state="failed", created=1.0, ended=5.0))


def test_away_from_a_terminal_each_ended_step_is_a_line():
    file = io.StringIO()
    with RunDisplay(file) as display:
        for event in events():
            display(event)
    first, *steps, last = [line.rstrip() for line in file.getvalue().splitlines()]
    assert all(re.match(r"\d\d:\d\d:\d\d ", line) for line in steps)
    assert [first, *(line[9:] for line in steps), last] == [
        "rides  run r1, experiment depth",
        "✓ read      succeeded      2.5 s  336,776 rows",
        "= fit       up_to_date            made by run r0",
        "✗ evaluate  failed        100 ms  ValueError: no",
        "- push      skipped               needs evaluate, which failed",
        "run r1 failed in 4.0 s",
    ]


def test_steps_of_another_mode_are_counted_and_those_that_lend_are_shown():
    file = io.StringIO()
    run = Run(id="r2", pipeline="rides", state="succeeded", mode="infer", created=1.0, ended=2.0)
    reason = "runs only in mode train"
    with RunDisplay(file) as display:
        display(RunStarted(run, tuple(StepRun(run="r2", step=name, state="waiting") for name in ("fit", "a", "b"))))
        lent = StepRun(run="r2", step="fit", state="skipped", reason=f"{reason}; its outputs are those of run r1")
        display(StepEnded(dataclasses.replace(lent, artifacts={"result": "d"}), {"result": TABLE}))
        for name in ("a", "b"):
            display(StepEnded(StepRun(run="r2", step=name, state="skipped", reason=reason)))
        display(RunEnded(run))
    lines = [line.rstrip() for line in file.getvalue().splitlines()]
    assert "fit" in lines[1]
    assert lines[2:] == ["2 steps are not for mode infer", "run r2 succeeded in 1.0 s"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_the_table_ends_with_every_step_once():
    file = Terminal()
    with RunDisplay(file) as display:
        for event in events():
            display(event)
    final = file.getvalue().rpartition("\x1b[2K")[2]
    for text in ("read", "336,776 rows", "made by run r0", "ValueError: no", "needs evaluate"):
        assert final.count(text) >= 1
    assert "\x1b[?25h" in final  # the cursor is shown again


def test_an_interrupted_run_leaves_the_terminal_as_it_was():
    file, started = Terminal(), next(events())

    def interrupted():
        with RunDisplay(file) as display:
            display(started)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert file.getvalue().rstrip("\n").endswith("\x1b[?25h")


def drawn(display):
    """Return what is on the screen now, without colours."""
    console = Console(width=100, color_system=None, file=io.StringIO(), highlight=False)
    console.print(display._table())
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


@pytest.fixture
def display(monkeypatch):
    monkeypatch.setattr(Live, "start", lambda self: None)  # its thread would draw whenever it likes
    monkeypatch.setattr(Live, "stop", lambda self: None)
    with RunDisplay(Terminal()) as shown:
        yield shown


def step_of(name, state, **fields):
    return StepRun(run="r1", step=name, state=state, **fields)


def started(names, needs=()):
    return RunStarted(RUN, tuple(step_of(name, "waiting", needs=dict(needs).get(name, ())) for name in names))


def test_steps_stand_below_what_they_need_and_branches_further_in(display):
    needs = {"clean": ("read",), "train": ("clean",), "fit": ("train",), "test": ("clean",), "judge": ("fit", "test")}
    display(started(["read", "clean", "train", "test", "fit", "judge", "other"], needs))
    names = [line.partition("waiting")[0].rstrip() for line in drawn(display)[1:]]
    assert names == ["· read", "· clean", "·   train", "·   fit", "·   judge", "·   test", "· other"]


def test_a_step_that_runs_shows_what_it_printed_last(display, tmp_path):
    (tmp_path / "fit.log").write_bytes(b"begin\nepoch 1\repoch 2 \x1b[31mloss 0.5\x1b[0m\n\n")
    display._root = tmp_path
    display(started(["fit"]))
    display(StepStarted(step_of("fit", "running", log="fit.log")))
    assert drawn(display)[1].endswith("epoch 2 loss 0.5")
    display(StepEnded(step_of("fit", "succeeded", started=1.0, ended=2.0, reason="never ran")))
    assert drawn(display)[1].endswith("1.0 s  never ran")


def test_the_items_of_a_mapped_step_are_one_row(display):
    items = [step_of(f"clean[{number}]", "waiting") for number in range(100)]
    display(started(["list", "clean", "join"]))
    display(StepMapped(step_of("clean", "running"), tuple(items)))
    for number in range(57):
        display(StepStarted(step_of(f"clean[{number}]", "running")))
        display(StepEnded(step_of(f"clean[{number}]", "succeeded", started=1.0, ended=2.0)))
    display(StepStarted(step_of("clean[57]", "running")))
    display(StepEnded(step_of("clean[57]", "failed", error="ValueError: no")))
    assert len(drawn(display)) == 4
    assert re.match(r"▸ clean\[0\.\.99\]\s+58/100 .*clean\[57\]: ValueError: no$", drawn(display)[2])
    display(StepEnded(step_of("clean", "failed", error="1 of 100 items failed", started=1.0, ended=2.0)))
    assert re.match(r"✗ clean\[0\.\.99\]\s+failed", drawn(display)[2])


def test_of_a_thousand_steps_those_are_shown_that_matter(display):
    names = [f"step{number:04}" for number in range(1000)]
    display(started(names))
    for number in range(500):
        state = "failed" if number == 3 else "succeeded"
        display(StepEnded(step_of(names[number], state, started=1.0, ended=2.0)))
    display(StepStarted(step_of(names[700], "running")))
    screen = drawn(display)
    assert len(screen) <= display._console.height
    shown = [line.split()[1] for line in screen[1:-1]]
    assert {"step0003", "step0700", "step0499", "step0500"} <= set(shown)
    assert shown == sorted(shown)
    for text in ("500 of 1,000 steps", "499 succeeded", "1 failed", "1 running", "499 waiting"):
        assert text in screen[-1]


def test_a_thousand_events_are_shown_in_no_time():
    file = io.StringIO()
    with RunDisplay(file) as display:
        names = [f"step{number:04}" for number in range(1000)]
        began = time.perf_counter()
        display(started(names, {name: (before,) for before, name in itertools.pairwise(names)}))
        for name in names:
            display(StepStarted(step_of(name, "running")))
            display(StepEnded(step_of(name, "succeeded", started=1.0, ended=2.0, reason="never ran")))
        took = time.perf_counter() - began
    assert len(file.getvalue().splitlines()) == 1001
    assert took < 1.0  # 30 ms on a quiet machine


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        ({"rows": 1000, "size_bytes": 5}, "1,000 rows"),
        (
            {"preview": {"mean_absolute_error": 12.3456789, "r2_score": 0.5}},
            "mean_absolute_error 12.3457, r2_score 0.5",
        ),
        ({"preview": {str(name): name for name in range(9)}}, "0 0, 1 1, 2 2, 3 3"),
        ({"preview": {"version": 1, "digest": "d" * 64}}, "version 1"),
        ({"size_bytes": 2_500_000}, "2.5 MB"),
        ({}, ""),
    ],
)
def test_an_artifact_is_told_in_a_few_words(facts, text):
    assert summary(Artifact(digest="d", kind="json", uri="", facts=facts)) == text


@pytest.mark.parametrize(
    ("kind", "facts", "text"),
    [
        ("list", {"items": 3, "of": ["table"], "rows": 1200, "size_bytes": 9}, "3 tables, 1,200 rows"),
        ("list", {"items": 1, "of": ["model"], "size_bytes": 9}, "1 model"),
        ("mapping", {"items": 2, "of": ["json", "table"], "size_bytes": 9}, "2 items"),
        ("metrics", {"values": {"mae": 0.25, "r2": None, "rows": 7}, "size_bytes": 9}, "mae 0.25, rows 7"),
        ("model", {"evaluation": {"mae": 0.25}, "size_bytes": 9}, "mae 0.25"),
        ("model", {"evaluation": {}, "size_bytes": 9}, "9 B"),
        (
            "figure",
            {"media_type": "image/svg+xml", "width": 384, "height": 288, "size_bytes": 9},
            "svg, 384 x 288, 9 B",
        ),
        ("figure", {"media_type": "text/html", "size_bytes": 9}, "html, 9 B"),
        ("array", {"dtype": "float64", "shape": [2, 3], "size_bytes": 48}, "float64 2 x 3, 48 B"),
        ("folder", {"files": 2, "size_bytes": 9}, "2 files, 9 B"),
        ("object", {"type": "shapes.Shape", "codec": "shapes:Shape", "size_bytes": 9}, "Shape, 9 B"),
        ("text", {"preview": "hello", "size_bytes": 5}, "5 B"),
    ],
)
def test_each_kind_of_artifact_is_told_in_its_own_words(kind, facts, text):
    assert summary(Artifact(digest="d", kind=kind, uri="", facts=facts)) == text


def test_of_several_outputs_each_is_told_by_its_name():
    said = io.StringIO()
    display = RunDisplay(file=said)
    display(RunStarted(RUN, (step_of("split", "waiting"),)))
    report = Artifact(digest="r", kind="json", uri="", facts={"preview": {"valid": True, "rows": 3}})
    display(StepEnded(step_of("split", "succeeded", started=1.0, ended=2.0), {"train": TABLE, "report": report}))
    display.close()
    assert "train 336,776 rows, report (valid true, rows 3)" in said.getvalue()


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [(0, "0 B"), (1023, "1.0 kB"), (1024, "1.0 kB"), (5 * 2**30, "5.4 GB"), (2**41, "2.2 TB")],
)
def test_a_size_has_the_unit_that_fits(size_bytes, text):
    assert size(size_bytes) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, ""), (0.0, "0 ms"), (0.25, "250 ms"), (59.94, "59.9 s"), (61, "1 min 01 s"), (3600, "60 min 00 s")],
)
def test_a_duration_has_the_unit_that_fits(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"), [(None, ""), (True, "true"), (3, "3"), (0.1 + 0.2, "0.3"), ({"a": [1]}, '{"a":[1]}'), ("x", "x")]
)
def test_a_cell_shows_a_value_shortly(value, text):
    assert shown(value) == text


def test_cells_into_a_pipe_are_not_cut(capsys):
    print_cells(("name", "number"), [("x" * 300, 1), ("[bold]", 22)])
    out = capsys.readouterr().out.splitlines()
    assert "x" * 300 in out[1]
    assert out[2].startswith("[bold]")
    assert out[1].rstrip().endswith(" 1")


ROWS = [{"a": 1, "b": "x"}, {"a": 2, "b": None}, {"a": 3, "b": "z"}]


@pytest.mark.parametrize("rows", [ROWS, pa.Table.from_pylist(ROWS)])
def test_a_table_shows_its_first_rows_and_how_many_there_are(capsys, rows):
    print_table(rows, limit=2)
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["a", "b"],
        ["1", "x"],
        ["2"],
        ["...", "3", "rows"],
    ]


def test_a_table_without_rows_shows_its_columns(capsys):
    print_table(pa.table({"a": pa.array([], pa.int64())}))
    assert capsys.readouterr().out.split() == ["a"]
    print_table([])


@pytest.fixture
def words(monkeypatch):
    """What is printed on a terminal of 40 columns: the words of each line."""
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm")

    def printed(printing, *arguments):
        with contextlib.redirect_stdout(Terminal()) as file:
            printing(*arguments)
        return [line.split() for line in re.sub(r"\x1b\[[0-9;]*m", "", file.getvalue()).splitlines()]

    return printed


def test_a_table_too_wide_for_the_terminal_names_the_columns_it_leaves_out(words):
    assert words(print_table, [{f"column_{number}": number for number in range(5)}] * 2) == [
        ["column_0", "column_1", "column_2", "column_3"],
        ["0", "1", "2", "3"],
        ["0", "1", "2", "3"],
        ["...", "not", "shown:", "column_4"],
    ]


def test_one_row_too_wide_for_the_terminal_has_a_line_for_each_column(words):
    row = {f"column_{number}": number for number in range(5)}
    assert words(print_table, [row]) == [[name, str(number)] for name, number in row.items()]


def test_cells_too_wide_for_the_terminal_wrap_in_the_last_column_only(words):
    rows = [("20261123-133758-5c2ee7", "", "made by an earlier run")]
    assert words(print_cells, ("run", "experiment", "reason"), rows) == [
        ["run", "reason"],
        ["20261123-133758-5c2ee7", "made", "by", "an"],
        ["earlier", "run"],
    ]


def test_cells_of_many_columns_are_never_cut_away_silently(words):
    heads = ("window", "mean absolute error", "median absolute error", "mean squared error", "explained variance")
    assert words(print_cells, heads, [("2026-11-28", 58.6, 31.0, 7718.0, 0.1)]) == [
        ["mean", "median", "mean"],
        ["absolute", "absolute", "squared"],
        ["window", "error", "error", "error"],
        ["2026-11-28", "58.6", "31", "7718"],
        ["...", "not", "shown:", "explained", "variance;", "a", "wider", "terminal,", "or", "--json,", "has", "all"],
    ]


def test_a_long_name_leaves_room_for_what_is_said_of_the_step(words):
    long = Run(id="r1", pipeline="rides", state="succeeded", created=1.0, ended=2.0)
    record = StepRun(run="r1", step="a_step_with_quite_a_long_name", state="up_to_date", reason="made by r0")

    def shown_run():
        with RunDisplay(sys.stdout) as display:
            display(RunStarted(long, (record,)))
            display(StepEnded(record, {}))
            display(RunEnded(long))

    assert ["=", "a_step_with…", "up_to_date", "…"] in words(shown_run)
