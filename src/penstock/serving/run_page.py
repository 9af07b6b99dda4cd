"""The parts of the page of a run: its facts, its steps with what they made, and the figures among that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from datetime import UTC, datetime
from html import escape
from urllib.parse import quote

import msgspec

from penstock.core.artifact import Artifact
from penstock.core.run import Run, StepRun
from penstock.pipelines import REQUEST, draw_run
from penstock.serving.content import media_type

_AGAIN_SECONDS = 5
_IMAGES = ("image/svg+xml", "image/png")


def row(*cells: str) -> str:
    """Return a row of a table; what stands in its cells is HTML."""
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def link(address: str, text: str) -> str:
    """Return a link with a text, which is any text."""
    return f'<a href="{address}">{escape(text)}</a>'


def run_parts(run: Run, steps: Sequence[StepRun], made: Mapping[str, Artifact], most: int) -> dict[str, str]:
    """Return what stands in the page; `made` are the artifacts of the steps by their digests, and `most` is how many
    steps are listed. What is under way is asked for again by itself."""
    left_out, listed = max(0, len(steps) - most), steps[:most]
    more = [row(f"and {left_out:,} more", "", link(f"/v1/runs/{quote(run.id)}", "all, as JSON"))] if left_out else []
    figures = [figure for step in listed for figure in _figures(step, made)]
    return {
        "again": f'<meta http-equiv="refresh" content="{_AGAIN_SECONDS}">' if _goes_on(run, steps) else "",
        "graph": _graph(run, steps, {step.step for step in listed}),
        "id": quote(run.id),
        "pipeline": escape(run.pipeline),
        "state": run.state,
        "error": f"<pre>{escape(run.error)}</pre>" if run.error else "",
        "facts": "\n".join(row(name, escape(value)) for name, value in _facts(run) if value),
        "steps": "\n".join([*(_step(step, made) for step in listed), *more]) or row("none yet"),
        "figures": "\n".join(["<h2>Figures</h2>", *figures]) if figures else "",
    }


def _goes_on(run: Run, steps: Sequence[StepRun]) -> bool:
    """Tell whether a run is under way, and nobody is about to write into a form of its page."""
    return run.state == "running" and not any(_asks(step) for step in steps)


def _asks(step: StepRun) -> bool:
    return step.state == "waiting" and REQUEST in step.artifacts


def _graph(run: Run, steps: Sequence[StepRun], listed: Set[str]) -> str:
    """Return the run drawn, each box leading to its row; "" of one from when it was not recorded what steps need."""
    if not any(step.needs for step in steps) and len(steps) > 1:
        return ""
    drawn = draw_run(run, steps, lambda name: f"#{quote(_row_id(name))}" if name in listed else "")
    return f'<div class="wide">{drawn}</div>'


def _row_id(step: str) -> str:
    return f"step-{step}"


def _facts(run: Run) -> Iterator[tuple[str, str]]:
    yield "began", datetime.fromtimestamp(run.created, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    yield "took", "" if run.ended is None else _seconds(run.ended - run.created)
    yield "mode", run.mode
    yield "parameters", " ".join(f"{name}={value}" for name, value in run.params.items())
    yield "experiment", run.experiment
    yield "tags", " ".join(f"{name}={value}" for name, value in run.tags.items())
    yield "note", run.notes
    yield "started by", str(run.cause.get("kind", ""))
    yield "engine", run.engine


def _step(step: StepRun, made: Mapping[str, Artifact]) -> str:
    ran = step.state not in ("skipped", "up_to_date")
    took = f" {_seconds(step.ended - step.started)}" if ran and step.started and step.ended else ""
    said = [_output(name, digest, made.get(digest)) for name, digest in step.artifacts.items()]
    why = f'<p class="quiet">{escape(step.reason)}</p>' if step.reason else ""
    error = f"<pre>{escape(step.error)}</pre>" if step.error else ""
    if _asks(step):
        why, error = "", _asking(step)
    address = f"/v1/runs/{quote(step.run)}/steps/{quote(step.step, safe='')}"
    state = f'<span class="{step.state}">{step.state.replace("_", " ")}</span>{took}'
    name = f'<a id="{escape(_row_id(step.step))}" href="{address}">{escape(step.step)}</a>'
    return row(name, state, "<br>".join([*said, link(f"{address}/log", "log")]) + why + error)


def _asking(step: StepRun) -> str:
    """Return what a step that waits for a person asks, with the buttons that answer it."""
    address = f"/v1/runs/{quote(step.run)}/steps/{quote(step.step, safe='')}"
    return (
        f'<p class="waiting">{escape(step.reason)}</p>'
        f'<form method="post" action="{address}:approve">'
        '<input name="by" placeholder="who you are" aria-label="who you are">'
        '<input name="reason" placeholder="why" aria-label="why" size="40">'
        f'<button>approve</button><button formaction="{address}:reject">reject</button></form>'
    )


def _output(name: str, digest: str, artifact: Artifact | None) -> str:
    """Return an output in a line: what it is called where a step has several, what it is, what is worth showing."""
    called = "" if name == "result" else f"{escape(name)}: "
    if artifact is None:
        return f"{called}{escape(digest[:12])}, not recorded any more"
    said = ""
    match artifact.facts:
        case {"values": dict(values)}:
            said = " ".join(f"{metric}={value:.6g}" for metric, value in values.items() if value is not None)
        case {"rows": int(rows)}:
            said = f"{rows:,} rows"
        case {"preview": preview}:
            said = preview if isinstance(preview, str) else msgspec.json.encode(preview, enc_hook=repr).decode()
    return f"{called}{link(f'/v1/artifacts/{quote(digest)}/content', artifact.kind)} {escape(said)}".rstrip()


def _figures(step: StepRun, made: Mapping[str, Artifact]) -> Iterator[str]:
    for digest in step.artifacts.values():
        artifact = made.get(digest)
        if artifact is None or artifact.kind != "figure":
            continue
        if media_type(artifact) not in _IMAGES:  # a page, which may do nothing: no script, no form, nobody's origin
            frame = f'<iframe sandbox src="/v1/artifacts/{quote(digest)}/content" title="{escape(step.step)}"></iframe>'
            yield f"<figure>{frame}<figcaption>{escape(step.step)}</figcaption></figure>"
        else:
            sides = [side for side in ("width", "height") if side in artifact.facts]
            size = "".join(f' {side}="{escape(str(artifact.facts[side]))}"' for side in sides)
            image = f'<img src="/v1/artifacts/{quote(digest)}/content"{size} alt="{escape(step.step)}">'
            yield f"<figure>{image}<figcaption>{escape(step.step)}</figcaption></figure>"


def _seconds(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes):,} min {rest:.0f} s" if minutes else f"{rest:.1f} s"
