"""Hypothesis strategies for the grammar of the specification."""

from __future__ import annotations

from hypothesis import strategies as st

from holm_registry.oci.digest import ALGORITHMS, Digest

_LOW = "abcdefghijklmnopqrstuvwxyz0123456789"

components = st.lists(st.text(_LOW, min_size=1, max_size=5), min_size=1, max_size=3).flatmap(
    lambda words: st.lists(
        st.sampled_from([".", "_", "__", "-", "---"]),
        min_size=len(words) - 1,
        max_size=len(words) - 1,
    ).map(
        lambda separators: "".join(
            part for pair in zip(words, [*separators, ""], strict=True) for part in pair
        )
    )
)
repositories = st.lists(components, min_size=1, max_size=4).map("/".join)
tags = st.from_regex(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,20}", fullmatch=True)
algorithms = st.sampled_from(sorted(ALGORITHMS))
digests = st.builds(Digest.of, st.binary(max_size=20), algorithms)
