"""One raw row over HTTP against `penstock serve`, one worker, with wrk; a bare ASGI app beside it as the floor."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import penstock as ps
from bench import shop
from bench.measure import Figure

FLOOR = """
import uvicorn
BODY = b'{"predictions":[{"predicted_bought":true}]}'
HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())]
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": BODY})
uvicorn.run(app, host="127.0.0.1", port=PORT, loop="uvloop", http="httptools", access_log=False, log_level="error")
"""


@contextmanager
def _server(command: list[str], port: int, root: Path) -> Iterator[str]:
    import time
    import urllib.error
    import urllib.request

    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(command, cwd=root, stdout=subprocess.DEVNULL)
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{url}/health")
                break
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait()


def _wrk(url: str, body: str, root: Path, connections: int = 16) -> tuple[float, float]:
    """Return requests a second and the 99th percentile in milliseconds."""
    script = root / "post.lua"
    script.write_text(
        f"wrk.method='POST'\nwrk.body=[=[{body}]=]\nwrk.headers['content-type']='application/json'\n"
        "function response(status) if status ~= 200 then print('status', status) end end\n"
    )
    command = ["wrk", "-t1", f"-c{connections}", "-d6s", "--latency", "-s", str(script), url]
    subprocess.run([*command[:3], "-d2s", *command[4:]], capture_output=True, check=True)  # warm
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "status" in text:
        raise SystemExit(text[:500])
    rate, worst, unit = re.search(r"Requests/sec:\s+([\d.]+)", text), *_percentile(text)
    assert rate
    return float(rate[1]), worst * {"us": 1e-3, "ms": 1.0, "s": 1e3}[unit]


def _percentile(text: str) -> tuple[float, str]:
    found = re.search(r"99%\s+([\d.]+)(us|ms|s)", text)
    assert found
    return float(found[1]), found[2]


def figures() -> Iterator[Figure]:
    """Measure with 16 connections from one wrk thread on the same machine."""
    if shutil.which("wrk") is None:
        raise SystemExit("this benchmark needs wrk: apt-get install wrk")
    root = Path(tempfile.mkdtemp(prefix="penstock-bench-"))
    project = ps.open(root)
    project.fit(shop.MODEL, shop.rows(50_000))
    body = json.dumps({"instances": [shop.ROW]})
    serve = [sys.executable, "-m", "penstock", "serve", "--port", "18471"]
    with _server(serve, 18471, root) as url:
        rate, worst = _wrk(f"{url}/v1/models/shop:predict", body, root)
    with _server([sys.executable, "-c", FLOOR.replace("PORT", "18472")], 18472, root) as url:
        floor, _ = _wrk(f"{url}/", body, root)
    shutil.rmtree(root)
    yield Figure(
        what="HTTP JSON predict of the same row, one worker, 16 connections", value=rate, unit="requests/s",
        goal="> 15,000", met=rate > 15_000,
        beside=f"bare ASGI app that answers a constant: {floor:,.0f} requests/s ({rate / floor:.2f} of it)",
    )  # fmt: skip
    yield Figure(what="the same, 99th percentile", value=worst, unit="ms", goal="< 2", met=worst < 2)
