from __future__ import annotations

from .request import StreamedRequest


def warn(request: StreamedRequest, text: str | None) -> None:
    """
    Have a client show a line to its user; None for no line.

    :see: OCI distribution-spec, "Warnings".
    """
    if text is not None:
        request.set_header("Warning", f'299 - "{text}"')
