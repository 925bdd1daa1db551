from __future__ import annotations

import hashlib
import re

from attrs import frozen

from .errors import DigestInvalid

#: The algorithms content may be named by, and how many hexadecimal digits each gives.
ALGORITHMS = {"sha256": 64, "sha512": 128}

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")


@frozen
class Digest:
    """
    The name of content: an algorithm and what it gave.

    :see: OCI image-spec, descriptor.md, "Digests".
    """

    algorithm: str
    encoded: str

    @classmethod
    def parse(cls, text: str) -> Digest:
        """
        Read ``algorithm:encoded``.

        :raises DigestInvalid: The text is not a digest, or of an algorithm not supported here.
        """
        if _DIGEST.fullmatch(text) is None:
            raise DigestInvalid(_complaint(text), detail={"digest": text[:200]})
        algorithm, _, encoded = text.partition(":")
        return cls(algorithm, encoded)

    @classmethod
    def of(cls, content: bytes, algorithm: str = "sha256") -> Digest:
        """Hash content that is in memory."""
        return cls(algorithm, hashlib.new(algorithm, content).hexdigest())

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.encoded}"


def is_digest(text: str) -> bool:
    """Tell whether a text is a digest of an algorithm supported here."""
    return _DIGEST.fullmatch(text) is not None


def parse_algorithm(text: str) -> str:
    """
    Read the name of a supported algorithm.

    :raises DigestInvalid: It is not supported.
    """
    if text not in ALGORITHMS:
        raise DigestInvalid(
            f"unsupported digest algorithm; supported: {', '.join(ALGORITHMS)}",
            detail={"algorithm": text[:100]},
        )
    return text


def _complaint(text: str) -> str:
    algorithm, colon, _ = text.partition(":")
    if colon and algorithm not in ALGORITHMS:
        return f"unsupported digest algorithm; supported: {', '.join(ALGORITHMS)}"
    return "invalid digest: expected algorithm:encoded, in lower-case hexadecimal"
