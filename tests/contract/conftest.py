from __future__ import annotations

import pytest

from holm_registry.content.registry import Registry

from ..stores import Aging, AgingFiles


@pytest.fixture(params=["memory", "files"])
def driver(request, tmp_path):
    """Each kind of store in turn, whose content can be made older."""
    return Aging() if request.param == "memory" else AgingFiles(str(tmp_path))


@pytest.fixture
def registry(driver):
    return Registry(driver)
