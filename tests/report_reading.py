"""The written documents, read back."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

from report_helpers import Folder
from rich.console import Console

from harness.records import Analysis, Manifest
from harness.report import render

Stored = tuple[Manifest, Analysis]


class Page(HTMLParser):
    """Tags with their attributes, and the text between them."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).replace("\u00a0", " ").split())


def written(tmp_path: Path, stored: Stored) -> Path:
    folder = tmp_path / "results" / "cayley-20261121-232000-00c0"
    folder.mkdir(parents=True)
    return render(Folder(folder, stored), tmp_path / "reports").parent


def printed(renderable: object, width: int = 80) -> str:
    console = Console(width=width, color_system=None, legacy_windows=False)
    with console.capture() as capture:
        console.print(renderable)
    return capture.get()
