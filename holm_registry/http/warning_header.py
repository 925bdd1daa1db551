from __future__ import annotations

from .request import StreamedRequest


def warn(request: StreamedRequest, text: str | None) -> None:
    """
    Have a client show a line to whoever uses it; None for nothing.

    :see: OCI distribution-spec, "Warnings".
    """
    if text is not None:
        request.set_header("Warning", f'299 - "{text}"')
