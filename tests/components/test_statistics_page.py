"""The page of statistics: every column is on it, two side by side, what has shifted first, values only as text."""

from __future__ import annotations

import datetime
import re
from html.parser import HTMLParser

import pyarrow as pa
import pytest

import penstock as ps
from penstock.transforms.image_sizes import image_size

ROWS = pa.table(
    {
        "km": [n / 7 for n in range(300)],
        "line": ["bus", "<b>tram</b>", "train"] * 100,
        "at": [datetime.datetime(2024, 5, 1) + datetime.timedelta(hours=n) for n in range(300)],
        "odd": [None] * 300,
        "tags": [["a"]] * 300,
        "ok": [True, False, None] * 100,
    }
)


class Balanced(HTMLParser):
    """Holds that what is opened is closed, in order, and gathers the texts of headings."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.headings: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in ("meta", "br", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)


def headings(figure: ps.Figure) -> list[str]:
    parser = Balanced()
    parser.feed(figure.content.decode())
    assert not parser.open
    return parser.headings


def test_every_column_is_on_the_page_and_values_are_only_text() -> None:
    page = ps.plot_statistics(ps.statistics(ROWS))
    assert headings(page) == ROWS.column_names
    text = page.content.decode()
    assert "<b>tram" not in text
    assert "<script" not in text
    assert len(re.findall("<rect", text)) == 20 + 3 + 2  # a histogram, three lines, two truths


def test_two_are_side_by_side_and_what_has_shifted_comes_first() -> None:
    now = ROWS.set_column(1, "line", pa.array(["bus"] * 300)).drop_columns(["odd"]).append_column("new", [[1] * 300])
    page = ps.plot_statistics(ps.statistics(ROWS), ps.statistics(now), names=["training", "serving"])
    assert headings(page)[0] == "line"
    assert set(headings(page)) == {*ROWS.column_names, "new"}
    text = page.content.decode()
    assert "1 of 7 columns have shifted" in text
    assert "only in training" in text
    assert "only in serving" in text


def test_a_table_without_rows_has_a_page() -> None:
    assert headings(ps.plot_statistics(ps.statistics(ROWS.slice(0, 0)), ps.statistics(ROWS))) == ROWS.column_names


@pytest.mark.parametrize("format", ["PNG", "JPEG", "GIF", "BMP", "WEBP"])
def test_sizes_of_images_are_read_from_their_first_bytes(format: str) -> None:
    image = pytest.importorskip("PIL.Image")
    import io

    def picture(width: int, height: int) -> bytes:
        written = io.BytesIO()
        image.new("RGB", (width, height), (9, 99, 199)).save(written, format)
        return written.getvalue()

    assert image_size(picture(37, 21)) == (format.lower(), 37, 21)
    [column] = ps.statistics(pa.table({"photo": [picture(10, 4), picture(30, 8), b"none", None]}))["columns"]
    assert column["images"] == {
        "formats": {format.lower(): 2},
        "width": {"min": 10, "max": 30, "mean": 20.0},
        "height": {"min": 4, "max": 8, "mean": 6.0},
        "unknown": 1,
    }
    assert b"10 to 30" in ps.plot_statistics(ps.statistics(pa.table({"p": [picture(10, 4), picture(30, 8)]}))).content


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xd8\xff", b"\xff\xd8\xff\xe0\x00\x02\xff", b"\x89PNG\r\n\x1a\n", b"RIFF1234WEBPVP8 "]
)
def test_bytes_that_only_begin_like_an_image_are_none(content: bytes) -> None:
    assert image_size(content) is None


def test_statistics_with_bytes_and_arrays_are_a_table_of_the_report_too() -> None:
    told = ps.statistics(pa.table({"photo": [b"abc", None], "tags": [["a"], ["b"]], "km": [1.0, 2.0]}))
    page = ps.report({"Data": told}).content.decode()
    assert "<td>tags</td>" in page
    assert "&quot;columns&quot;" not in page


def test_a_value_that_is_there_very_often_is_a_bar_among_others() -> None:
    rain = [0.0] * 500 + [float(n % 50) for n in range(480)] + [9e6] * 20
    content = ps.plot_statistics(ps.statistics(pa.table({"rain": rain}))).content.decode()
    heights = [float(each) for each in re.findall(r'<rect [^>]*height="([^"]+)"', content)]
    assert max(heights) == 130.0
    assert sum(height > 0 for height in heights) > 5
    assert "a tenth of the values lies beyond" in content
