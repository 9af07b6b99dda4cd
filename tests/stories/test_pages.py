"""Pages of docs/ say what happens: their blocks run one after another, and print what stands below them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PAGES = {
    "transforms.md": 5, "export.md": 3, "tuning.md": 10, "plots.md": 4, "explain.md": 10,
    "coming-from-feast.md": 1, "features.md": 11, "ray.md": 1, "cascades.md": 15, "multimodal.md": 11,
    "components.md": 14, "monitoring.md": 5,
}  # fmt: skip
"""Page -> how many blocks of Python it has, so that none is passed over."""


RAY = [pytest.mark.server, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@pytest.mark.parametrize("page", [pytest.param(page, marks=RAY if page == "ray.md" else []) for page in PAGES])
def test_the_page_prints_what_it_says(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if page == "ray.md":
        pytest.importorskip("ray", reason="Ray is not here: pip install 'penstock[ray]'")
    if page == "multimodal.md":
        pytest.importorskip("torch", reason="PyTorch is not here: pip install 'penstock[multimodal]'")
    monkeypatch.chdir(tmp_path)
    text = (DOCS / page).read_text()
    blocks = re.findall(r"^```python\n(.*?)^```\n(?:```text\n(.*?)^```)?", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) == PAGES[page]
    names: dict[str, object] = {}
    for code, printed in blocks:
        exec(compile(code, page, "exec"), names)
        said = capsys.readouterr().out
        assert not printed or said == printed
