"""A registry that answers everything in the same way, or not at all."""

from __future__ import annotations

from twisted.internet.error import ConnectionRefusedError as Refused

from .wire import Ui

REFUSED = Refused("nobody is there")


def down(ui: Ui, problem: object = REFUSED) -> None:
    ui.wire.intercept = lambda method, path, headers: problem
