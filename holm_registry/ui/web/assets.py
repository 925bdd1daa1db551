"""
Style sheet, script and icon: read once, compressed once, named by what they hold.
"""

from __future__ import annotations

import gzip
from hashlib import sha256
from pathlib import Path

from attrs import frozen

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@frozen
class Asset:
    """
    A file that never changes under its address.

    :ivar path: Its address.
    """

    path: str
    content_type: str
    content: bytes
    compressed: bytes


def find_templates() -> Path:
    """
    Find the folder of templates and assets: inside the package where it is installed, beside it in
    a checkout.
    """
    package = Path(__file__).resolve().parents[2]
    installed = package / "templates"
    return installed if installed.is_dir() else package.parent / "templates"


def load_assets(folder: Path) -> dict[str, Asset]:
    """Read every asset, by its file's name."""
    assets = {}
    for file in sorted(folder.iterdir()):
        if file.suffix not in _TYPES:
            continue
        content = file.read_bytes()
        # The address tells the content apart, so that browsers may keep it for ever.
        path = f"/static/{sha256(content).hexdigest()[:12]}/{file.name}"
        compressed = gzip.compress(content, 9, mtime=0)
        assets[file.name] = Asset(path, _TYPES[file.suffix], content, compressed)
    return assets
