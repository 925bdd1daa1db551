"""Deletions as a browser sends them, and what they are about."""

from __future__ import annotations

from .wire import Ui

APP = "team/app"


def digest_of(ui: Ui, repository: str, tag: str) -> str:
    found = ui.server.request("HEAD", f"/v2/{repository}/manifests/{tag}")
    assert found.status == 200
    return found.header("Docker-Content-Digest")


def agreed_form(page, how: str) -> dict[str, list[str]]:
    """Give what a browser would send of one of the page's forms, with every box ticked."""
    form = page.source.split(f'name="how" value="{how}"')[0].rpartition("<form")[2]
    form += page.source.split(f'name="how" value="{how}"')[1].split("</form>")[0]
    fields: dict[str, list[str]] = {"how": [how]}
    for part in (form + f'<input name="how" value="{how}">').split("<input")[1:]:
        if 'name="' in part:
            name = part.split('name="')[1].split('"')[0]
            value = part.split('value="')[1].split('"')[0]
            if value not in fields.setdefault(name, []):
                fields[name].append(value)
    return fields
