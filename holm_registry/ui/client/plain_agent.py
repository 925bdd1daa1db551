"""
What treq is not to see of an answer: it would decode bodies without a bound, and keep cookies.
"""

from __future__ import annotations

from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

from treq.client import HTTPClient
from twisted.internet.defer import Deferred
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

#: A mebibyte of compressed zeros is a gibibyte; a registry's cookies belong to one visitor.
_HIDDEN = (b"Content-Encoding", b"Set-Cookie")


@implementer(IAgent)
class PlainAgent:
    """
    Asks for bodies as they are, and passes them on as they are.

    A body that is compressed all the same is read as what it is called, and makes no sense.

    :param agent: Makes the requests.
    """

    def __init__(self, agent: IAgent) -> None:
        self._agent = agent

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers | None = None,
        bodyProducer: IBodyProducer | None = None,
    ) -> Deferred[IResponse]:
        """Send a request."""
        sent = Headers() if headers is None else headers.copy()
        sent.setRawHeaders(b"Accept-Encoding", [b"identity"])
        answer: Deferred[IResponse] = self._agent.request(method, uri, sent, bodyProducer)
        return answer.addCallback(_plain)


def _plain(response: Any) -> Any:
    for name in _HIDDEN:
        response.headers.removeHeader(name)
    return response


def plain_client(agent: IAgent) -> HTTPClient:
    """Make a client of HTTP that keeps no cookies and decodes nothing."""
    # Any: treq's own kind of jar, which newer versions ask for, is not there in older ones.
    no_cookies: Any = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
    return HTTPClient(PlainAgent(agent), cookiejar=no_cookies)
