from __future__ import annotations

import hashlib
import re

from attrs import frozen

from .errors import DigestInvalid

#: The supported algorithms, and the number of hexadecimal digits of their digests.
ALGORITHMS = {"sha256": 64, "sha512": 128}

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")


@frozen
class Digest:
    """
    The digest of content: an algorithm, and the hash in lower-case hexadecimal.

    :see: OCI image-spec, descriptor.md, "Digests".
    """

    algorithm: str
    encoded: str

    @classmethod
    def parse(cls, text: str) -> Digest:
        """
        Parse ``algorithm:encoded``.

        :raises DigestInvalid: The text is not a digest, or its algorithm is not supported.
        """
        if _DIGEST.fullmatch(text) is None:
            raise DigestInvalid(_reason(text), detail={"digest": text[:200]})
        algorithm, _, encoded = text.partition(":")
        return cls(algorithm, encoded)

    @classmethod
    def of(cls, content: bytes, algorithm: str = "sha256") -> Digest:
        """Return the digest of content in memory."""
        return cls(algorithm, hashlib.new(algorithm, content).hexdigest())

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.encoded}"


def is_digest(text: str) -> bool:
    """Return whether a text is a digest of a supported algorithm."""
    return _DIGEST.fullmatch(text) is not None


def parse_algorithm(text: str) -> str:
    """
    Return the name of a supported algorithm.

    :raises DigestInvalid: The algorithm is not supported.
    """
    if text not in ALGORITHMS:
        raise DigestInvalid(
            f"unsupported digest algorithm; supported: {', '.join(ALGORITHMS)}",
            detail={"algorithm": text[:100]},
        )
    return text


def _reason(text: str) -> str:
    algorithm, colon, _ = text.partition(":")
    if colon and algorithm not in ALGORITHMS:
        return f"unsupported digest algorithm; supported: {', '.join(ALGORITHMS)}"
    return "invalid digest: expected algorithm:encoded, in lower-case hexadecimal"
