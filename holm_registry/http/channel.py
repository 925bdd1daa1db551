"""
Where requests begin and end on a connection.

twisted.web reads a line, or a chunk, at a time and copies what is left each time. Here the head of
a request is taken apart when it is complete, and a body in one pass, so that the work on a
connection is proportional to its bytes. Requests are answered one after the other; what a client
sends ahead of its answers waits, within a bound. Whatever cannot be a request gets an answer that
says so, once, and every connection that is to be closed is closed, whatever its client does.
"""

from __future__ import annotations

import re
from typing import Any

from twisted.internet.error import ConnectionAborted
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from .channel_connection import (
    RECEIVE_BYTES,
    ConnectionChannel,
)
from .chunked import ChunkDecoder, ChunksInvalid
from .error_response import last_answer
from .first_line import VersionUnsupported, as_spoken, loggable
from .framing import FramingInvalid, body_length

#: The longest head of a request (its first line and its headers), in bytes: room for a ``Range``
#: with as many ranges as are answered, of content of any size that fits a disk, and for a token.
HEAD_BYTES = 40 * 1024

#: How much of the first line of what is refused is logged, in bytes.
MAX_LOGGED_LINE = 500

#: How much may wait of requests that were sent before the last one was answered, in bytes.
AHEAD_BYTES = 16 * 1024

#: How much of each connection may wait so, or of a head that is not complete, however much waits of
#: all, in bytes.
FEW_BYTES = 2 * 1024

#: How many of those are answered before other connections get their turn.
AHEAD_REQUESTS = 16

#: The least that a chunk should bring on average for its body to be taken in large pieces.
_SMALL_CHUNK_BYTES = 512

#: The end of a line as some programs write it, and others read no end there.
_BARE_LINE_FEED = re.compile(rb"(?<!\r)\n")

_TLS_HANDSHAKE = b"\x16\x03"


class Channel(ConnectionChannel):
    """
    Reads requests from a connection, and has them answered one after the other.
    """

    totalHeadersSize = HEAD_BYTES

    def __init__(self) -> None:
        super().__init__()
        self._pending = b""
        self._counted = 0
        self._searched = 0
        #: The first line of the request that is being read, or was read last, as it was sent.
        self._line = b""
        self._is_parsing = False
        self._is_refused = False
        self._body_left_bytes = 0
        self._chunks: ChunkDecoder | None = None
        self._parse_call: Any = None

    def connectionLost(self, reason: Any = connectionDone) -> None:
        """Release what the connection holds."""
        if self._parse_call is not None and self._parse_call.active():
            self._parse_call.cancel()
        self._parse_call = None
        self._pending = b""
        self._count_pending()
        super().connectionLost(reason)
        self.site.connection_closed(self)

    # What arrives.

    def dataReceived(self, data: bytes) -> None:
        """Take in what arrived."""
        if self._is_refused:
            return
        self.resetTimeout()
        self._pending = self._pending + data if self._pending else data
        if self._parse_call is None:
            self._parse()
        self._count_pending()
        if self._handlingRequest and len(self._pending) > AHEAD_BYTES:
            self._networkProducer.pauseProducing()

    def setLineMode(self, _extra: bytes = b"") -> None:
        """Go on with what was sent before the last answer."""
        self._parse()

    def setRawMode(self) -> None:
        """Do nothing: see :meth:`_parse`."""

    def _parse(self) -> None:
        if self._is_parsing:
            return
        self._is_parsing = True
        requests = 0
        try:
            while self._pending and not self._is_refused and not self._handlingRequest:
                if self._body_left_bytes or self._chunks is not None:
                    self._take_body()
                elif self._waitingForTransport:
                    # It reads no answers, and gets no more of them.
                    break
                elif requests == AHEAD_REQUESTS:
                    self._networkProducer.pauseProducing()
                    self._parse_call = self.callLater(0, self._continue_parsing)
                    break
                elif not self._take_head():
                    break
                else:
                    requests += 1
        finally:
            self._is_parsing = False
            self._count_pending()

    def _count_pending(self) -> None:
        """Count what waits, among all that does; refuse it where that would be too much."""
        size, memory = len(self._pending), self.site.memory
        more = size - self._counted
        if more > 0 and size > FEW_BYTES and not memory.has_room_for_heads(more):
            self.refuse(503, "too much of other requests is waiting")
        elif more:
            self._counted = size
            memory.count_heads(more)

    def _continue_parsing(self) -> None:
        self._parse_call = None
        self._parse()
        if self._parse_call is None and not self._handlingRequest and not self._waitingForTransport:
            self._networkProducer.resumeProducing()

    def resumeProducing(self) -> None:
        """Go on with answers, since there is room for them."""
        super().resumeProducing()
        if self._parse_call is None:
            self._parse()

    # A request's head.

    def _take_head(self) -> bool:
        """Take a whole head, and have the request answered; False if it is not complete."""
        if self._pending.startswith(b"\r\n"):
            # Old clients end a body so (RFC 9112 section 2.2).
            self._pending = self._pending[2:]
        end = self._pending.find(b"\r\n\r\n", self._searched)
        if not 0 <= end <= HEAD_BYTES:
            return self._wait_for_head()
        self._searched = 0
        self._end_deadline()
        head, self._pending = self._pending[:end], self._pending[end + 4 :]
        lines = head.split(b"\r\n")
        self._line = lines[0]
        try:
            lines[0] = as_spoken(lines[0])
        except VersionUnsupported as problem:
            self.refuse(505, str(problem))
        if len(lines) > self.maxHeaders:
            self.refuse(431, f"more than {self.maxHeaders} headers")
        elif any(line[:1] in (b" ", b"\t") for line in lines):
            # Two programs could read it in two ways (RFC 9112, section 5.2).
            self.refuse(400, "a header may not go on in another line")
        for line in (*lines, b""):
            if self._is_refused:
                break
            self.lineReceived(line)
        return True

    def _wait_for_head(self) -> bool:
        """Wait for the rest of a head, unless it cannot become one."""
        self._line = self._pending[:MAX_LOGGED_LINE].partition(b"\r\n")[0]
        if self._pending.startswith(_TLS_HANDSHAKE):
            # Clients that may fall back to HTTP (skopeo, docker, containerd) do so at once when
            # they get an HTTP answer, and after a time-out of ten seconds when they get none.
            self.refuse(400, "this port speaks plain HTTP, not TLS")
        elif _BARE_LINE_FEED.search(self._pending, self._searched):
            self.refuse(400, "lines must end with carriage return and line feed")
        elif len(self._pending) <= HEAD_BYTES:
            self._searched = max(0, len(self._pending) - 3)
            if self._pending:
                self._start_deadline()
        elif b"\r\n" in self._pending[:HEAD_BYTES]:
            self.refuse(431, f"the headers are longer than {HEAD_BYTES} bytes")
        else:
            self.refuse(414, f"the address is longer than {HEAD_BYTES} bytes")
        return False

    def headerReceived(self, line: bytes) -> bool:
        """Take in a header; of a request that was refused, none."""
        return not self._is_refused and bool(super().headerReceived(line))

    def _maybeChooseTransferDecoder(self, _header: bytes, _data: bytes) -> bool:
        """Leave the choice until all headers are there."""
        return True

    def allHeadersReceived(self) -> None:
        """Find out where the body ends, and have the request answered."""
        # Anything but 0 keeps the caller from taking the request for complete.
        self.length = None
        if self._is_refused:
            return
        headers = self.requests[-1].requestHeaders
        try:
            self.length = body_length(
                self._version,
                headers.getRawHeaders(b"Content-Length", ()),
                headers.getRawHeaders(b"Transfer-Encoding", ()),
            )
        except FramingInvalid as problem:
            self.refuse(problem.status, str(problem))
            return
        self._body_left_bytes = self.length or 0
        if self.length is None:
            self._chunks = ChunkDecoder()
        if self.length != 0:
            self._receive_share()
        super().allHeadersReceived()

    # A request's body.

    def _take_body(self) -> None:
        data, self._pending = self._pending, b""
        request = self.requests[-1]
        if self._chunks is None:
            part, self._pending = data[: self._body_left_bytes], data[self._body_left_bytes :]
            self._body_left_bytes -= len(part)
            self._receive_share()
            is_complete = self._body_left_bytes == 0
        else:
            try:
                part, self._pending = self._decode(self._chunks, data)
            except ChunksInvalid as problem:
                request.handleContentChunk(problem.body)
                self.refuse(400, str(problem))
                return
            is_complete = self._chunks.complete
        if part:
            request.handleContentChunk(part)
        if is_complete:
            self._chunks, self._body_left_bytes = None, 0
            self._receive_at_once(RECEIVE_BYTES)
            self.allContentReceived()

    def _decode(self, chunks: ChunkDecoder, data: bytes) -> tuple[bytes, bytes]:
        """Take chunks apart; many tiny ones are taken a little at a time: others have turns too."""
        before = chunks.count
        found = chunks.decode(data)
        if (chunks.count - before) * _SMALL_CHUNK_BYTES > len(data):
            self._receive_at_once(RECEIVE_BYTES)
        else:
            self._receive_share()
        return found

    # What cannot be a request.

    def refuse(self, status: int, text: str) -> None:
        """
        Answer that a request cannot be understood, unless it was answered already, and close.

        What still arrives is thrown away for a moment, so that the client gets to read the answer
        rather than a reset.
        """
        if self._is_refused:
            return
        self._is_refused = True
        self._pending = b""
        self._count_pending()
        self._end_deadline()
        self.setTimeout(None)
        requests, self.requests = self.requests, []
        is_answered = is_begun = False
        for request in requests:
            is_answered, is_begun = bool(request.finished), bool(request.startedWriting)
            request.disconnect_status = status
        if not is_answered and not is_begun:
            self._log_refusal(requests[-1] if requests else self.requestFactory(self), status, text)
        for request in requests:
            request.connectionLost(Failure(ConnectionAborted()))
        if is_begun and not is_answered:
            self.transport.abortConnection()
            return
        if not is_answered:
            headers = {"Retry-After": "1"} if status == 503 else None
            self.transport.write(last_answer(status, text, headers, errors=self.site.errors))
        self._close_both_ways()

    def _log_refusal(self, request: Any, status: int, text: str) -> None:
        line = loggable(self._line[:MAX_LOGGED_LINE])
        self.site.client_errors.log_unparsed(line, request, status, text)
        if request.site is None:
            # One that was begun is logged at its end.
            request.first_line, request.code = line, status
            self.site.log_unparsed(request)

    def _respondToBadRequestAndDisconnect(self) -> None:
        self.refuse(400, "this is not a valid HTTP request")
