from __future__ import annotations

import pytest

from .wire import Ui


@pytest.fixture
def ui():
    """A UI and an empty registry, both in memory."""
    found = Ui()
    yield found
    found.hang_up()


@pytest.fixture
def gallery(ui):
    """A UI of a registry with something of everything."""
    ui.gallery.hang_everything()
    return ui
