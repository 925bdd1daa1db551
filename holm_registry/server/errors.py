from __future__ import annotations


class StartupError(Exception):
    """
    The server cannot start, since something that its configuration names cannot be used.

    :ivar lines: What is wrong, with the configuration's key; then perhaps a hint.
    """

    def __init__(self, *lines: str) -> None:
        super().__init__(*lines)
        self.lines = lines
