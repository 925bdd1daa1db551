from __future__ import annotations

#: More digits than any number of bytes or entries needs; Python refuses to read thousands of them.
MAX_DIGITS = 19


def parse_decimal(text: str | bytes, max_digits: int = MAX_DIGITS) -> int | None:
    """
    Read a number written in ASCII digits, as headers and query parameters have it.

    :return: None for anything else: a sign, spaces, digits of other scripts, too many digits.
    :see: RFC 9110 section 5.6.3, ``1*DIGIT``.
    """
    if not text.isdigit() or not text.isascii() or len(text) > max_digits:
        return None
    return int(text)
