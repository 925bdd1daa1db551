"""
Answers that are in memory, sent at the speed of their client.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from twisted.internet.defer import DeferredSemaphore

from .request import StreamedRequest
from .sendfile import send_bytes

#: The longest answer that is handed to the connection in one piece, in bytes.
AT_ONCE_BYTES = 16 * 1024


class AnswerSlots:
    """
    Lets a number of answers at a time be made whose size is not known before.

    Such a one is counted in memory before the next is made, so that few are not.
    """

    def __init__(self, count: int) -> None:
        self._turns = DeferredSemaphore(count)

    async def answer(self, request: StreamedRequest, make: Callable[[], Awaitable[bytes]]) -> bytes:
        """
        Make an answer in its turn, and send it.

        A long one is counted in what all requests keep in memory, and handed to the connection a
        piece at a time; if its client does not read, and others wait for memory, it is cut.

        :param make: Sets the headers, the length among them, and gives the body.
        :return: What the caller has still to send.
        """
        await self._turns.acquire()
        holds_slot = True
        try:
            content = await make()
            if _is_short(request, content):
                return content
            async with request.memory.reserve_shared(object(), len(content), request.abort):
                self._turns.release()
                holds_slot = False
                await send_bytes(request, content)
            return b""
        finally:
            if holds_slot:
                self._turns.release()


def _is_short(request: StreamedRequest, content: bytes) -> bool:
    return len(content) <= AT_ONCE_BYTES or request.method == b"HEAD" or request.disconnected
