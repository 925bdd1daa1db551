from __future__ import annotations

#: Enough digits for any number of bytes or entries; Python refuses to parse thousands of digits.
MAX_DIGITS = 19


def parse_decimal(text: str | bytes, max_digits: int = MAX_DIGITS) -> int | None:
    """
    Parse a number in ASCII digits, of a header or a query parameter.

    :return: None for anything else: a sign, spaces, digits of other scripts, too many digits.
    :see: RFC 9110 section 5.6.3, ``1*DIGIT``.
    """
    if not text.isdigit() or not text.isascii() or len(text) > max_digits:
        return None
    return int(text)
