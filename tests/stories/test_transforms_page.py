"""docs/transforms.md says what happens: its blocks run one after another, and print what stands below them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "transforms.md"


def test_the_page_prints_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```\n(?:```text\n(.*?)^```)?", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 5
    names: dict[str, object] = {}
    for code, printed in blocks:
        exec(compile(code, PAGE.name, "exec"), names)
        assert capsys.readouterr().out == printed
