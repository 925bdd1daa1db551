from __future__ import annotations

from holm_registry.http.request import StreamedRequest


def owner_of(request: StreamedRequest) -> str:
    """
    Name the client that an upload belongs to, with whom others share what there may be of them.

    :return: A user, whatever addresses it comes from, or an address that comes without a login.
    """
    return f"user {request.actor}" if request.actor else request.client_network
