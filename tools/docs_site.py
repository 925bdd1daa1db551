"""
What the site needs beside docs/: the README, the changelog, and links to files of the source.

MkDocs loads it as a hook. On a Git host the documents link to each other as files; in the site,
links that lead out of docs/ would lead nowhere.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).parents[1]

#: Documents beside docs/ that are pages of the site.
BESIDE = ("README.md", "CHANGELOG.md")

_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s#]*)(#[^)\s]*)?\)")


def on_files(files: Any, config: Any) -> Any:
    """Add the documents beside docs/."""
    for name in BESIDE:
        files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:  # noqa: ARG001
    """Make links lead to pages; of files that are no pages only the text stays."""
    folder = ROOT if page.file.src_uri in BESIDE else ROOT / "docs"

    def rewrite(match: re.Match[str]) -> str:
        image, text, target, anchor = match.groups()
        if not target or ":" in target:
            return match[0]
        path = (folder / target).resolve()
        if not path.exists():
            raise FileNotFoundError(f"{page.file.src_uri}: {target}")
        name = _page_of(path)
        if files.get_file_from_path(name) is None:
            return match[0] if image else text
        return f"{image}[{text}]({name}{anchor or ''})"

    return _LINK.sub(rewrite, markdown)


def _page_of(path: Path) -> str:
    relative = path.relative_to(ROOT).as_posix()
    return relative.removeprefix("docs/")
