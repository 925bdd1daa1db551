"""
The client of a request: its address, its certificate, and the address that it called.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from .client_network import client_network
from .fields_request import FieldsRequest
from .trusted_proxies import Forwarded, plain_host


class ClientRequest(FieldsRequest):
    """
    A request that names its client, also behind trusted proxies.
    """

    @property
    def disconnected(self) -> bool:
        """Whether the connection was lost."""
        return bool(self._disconnected)

    @cached_property
    def client_host(self) -> str:
        """
        The address of the client, also behind trusted proxies; empty for a local socket's.

        This is the one for limits, for the access log, the audit log and notifications.
        """
        found: str = self._channel().site.proxies.client(self)
        return found

    @property
    def peer(self) -> str:
        """The client's ``address:port``; without the port where a proxy tells the address."""
        address = self.getClientAddress()
        port = getattr(address, "port", None)
        if port is None or self.client_host != plain_host(address):
            return self.client_host
        return f"{self.client_host}:{port}"

    @property
    def client_network(self) -> str:
        """The network that limits count as one client: see :mod:`.client_network`."""
        return client_network(self.client_host)

    @cached_property
    def forwarded(self) -> Forwarded:
        """The address that the client called, also behind trusted proxies."""
        found: Forwarded = self._channel().site.proxies.forwarded(self)
        return found

    @property
    def client_name(self) -> str:
        """The name in the certificate that a client came with and that was vouched for, if any."""
        transport = None if self.channel is None else self._channel().transport
        ask = getattr(transport, "getPeerCertificate", None)
        certificate = None if ask is None else ask()
        if certificate is None:
            return ""
        from .tls import client_name  # noqa: PLC0415 - memory, for those who speak no TLS

        return client_name(certificate)

    def _channel(self) -> Any:
        # Any: the site and the private parts of HTTPChannel, which Twisted does not declare.
        return self.channel
