"""Write, or with --check hold, the list of sections at the top of every page of docs/ that is long."""

from __future__ import annotations

import re
import sys
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
LINES = 150  # a page with no more needs no list
GENERATED = {"models.md", "operations.md"}  # other programs write these
_LIST = re.compile(r"^On this page: .*\n\n", re.MULTILINE)
_SECTION = re.compile(r"^## (.+)$", re.MULTILINE)


def with_contents(text: str) -> str:
    """Return a page with the list of its sections before the first of them; a short page without."""
    text = _LIST.sub("", text, count=1)
    sections = _SECTION.findall(text)
    if text.count("\n") <= LINES or len(sections) < 2:
        return text
    listed = " · ".join(f"[{section.replace('`', '')}](#{anchor(section)})" for section in sections)
    first = text.index(f"## {sections[0]}\n")
    return f"{text[:first]}On this page: {listed}\n\n{text[first:]}"


def anchor(heading: str) -> str:
    """Return what GitHub calls a heading in an address."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def main() -> int:
    """Write the lists; with --check say which pages lack theirs instead."""
    stale = []
    for path in sorted(DOCS.glob("*.md")):
        text = path.read_text(encoding="utf-8")
        if path.name not in GENERATED and (wanted := with_contents(text)) != text:
            stale.append(path.name)
            if "--check" not in sys.argv:
                path.write_text(wanted, encoding="utf-8")
    print(f"{len(stale)} pages: {', '.join(stale)}" if stale else "every long page lists its sections")
    return int(bool(stale) and "--check" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
