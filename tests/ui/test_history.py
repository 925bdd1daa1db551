"""Steps beside layers, and the Dockerfile they make."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holm_registry.ui.model.comparison import history_changes, layer_changes, value_changes
from holm_registry.ui.model.documents import Descriptor, HistoryEntry, ImageConfig, RunConfig
from holm_registry.ui.model.history import clean, dockerfile, join, shares, split_commands


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ('/bin/sh -c #(nop)  CMD ["bash"]', 'CMD ["bash"]'),
        ("/bin/sh -c #(nop) ADD file:1 in / ", "ADD file:1 in /"),
        ("/bin/sh -c apt-get update", "RUN apt-get update"),
        ("RUN /bin/sh -c apt-get update # buildkit", "RUN apt-get update"),
        ("RUN |1 V=1 /bin/sh -c make # buildkit", "RUN make"),
        ("|1 VERSION=1.0 /bin/sh -c make", "RUN make"),
        ("COPY a b # buildkit", "COPY a b"),
        ("RUN /bin/bash -o pipefail -c set -e", "RUN set -e"),
        ("something else", "something else"),
        ("", ""),
    ],
)
def test_what_builders_wrap_around_is_stripped(written, read):
    assert clean(written) == read


@given(st.text())
def test_no_text_breaks_a_step(text):
    split_commands(clean(text))
    dockerfile(ImageConfig(history=[HistoryEntry(created_by=text)]))


def test_a_long_run_is_split_and_loses_nothing():
    run = "RUN " + " && ".join(f"command {number}" for number in range(30))
    assert " ".join(split_commands(run)) == run
    assert len(split_commands(run)) == 30
    assert split_commands("RUN a && b") == ("RUN a && b",)


def parts(*names: str) -> list[Descriptor]:
    return [Descriptor(digest=f"sha256:{name}", size=len(name)) for name in names]


def test_layers_stand_beside_the_steps_that_made_them():
    steps = [
        HistoryEntry(created_by="ADD a"),
        HistoryEntry(created_by="CMD b", empty_layer=True),
        HistoryEntry(),
    ]
    joined = join(steps, parts("1", "2", "3"))
    assert [(each.instruction, each.part and each.part.digest) for each in joined] == [
        ("ADD a", "sha256:1"),
        ("CMD b", None),
        ("", "sha256:2"),
        ("", "sha256:3"),
    ]
    assert join([HistoryEntry(), HistoryEntry()], []) == join(
        [HistoryEntry(empty_layer=True)] * 2, []
    )


def test_a_dockerfile_is_rebuilt():
    config = ImageConfig(
        history=[HistoryEntry(created_by="COPY a b # buildkit"), HistoryEntry(created_by="")],
        config=RunConfig(entrypoint=["/app"], cmd=["-v"]),
    )
    assert dockerfile(config) == ('FROM scratch\nCOPY a b\nENTRYPOINT ["/app"]\nCMD ["-v"]\n')
    assert dockerfile(ImageConfig()) == ""


@given(st.lists(st.integers(min_value=0, max_value=2**40), min_size=1, max_size=127))
def test_the_bar_is_full_and_every_layer_can_be_seen(sizes):
    laid = shares(sizes)
    assert sum(width for _, width in laid) == pytest.approx(100, abs=0.2)
    assert all(width > 0.1 for _, width in laid)
    for (start, width), (following, _) in pairwise(laid):
        assert start + width == pytest.approx(following, abs=0.01)


def test_layers_are_shared_added_and_removed():
    changes = layer_changes(parts("a", "b", "b"), parts("a", "c"), ImageConfig(), ImageConfig())
    assert [(each.change, each.digest) for each in changes] == [
        ("same", "sha256:a"),
        ("removed", "sha256:b"),
        ("added", "sha256:c"),
    ]


def test_values_are_added_removed_and_changed():
    changes = value_changes({"a": "1", "b": "2", "c": "3"}, {"a": "1", "b": "5", "d": "4"})
    assert [(each.change, each.name) for each in changes] == [
        ("changed", "b"),
        ("removed", "c"),
        ("added", "d"),
    ]


def test_history_is_compared_in_order():
    before = ImageConfig(history=[HistoryEntry(created_by=f"COPY {each}") for each in "abc"])
    after = ImageConfig(history=[HistoryEntry(created_by=f"COPY {each}") for each in "axc"])
    assert [(each.change, each.text) for each in history_changes(before, after)] == [
        ("same", "COPY a"),
        ("removed", "COPY b"),
        ("added", "COPY x"),
        ("same", "COPY c"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "|1 " + "=" * 40_000,
        "|1 " + "a=" * 20_000,
        "|1 " + "a='" * 20_000,
        "|1 " + "a='b c=\"d " * 8_000,
        "|1 " + "a=b " * 20_000,
        "RUN |1 " + "=" * 40_000,
        "RUN |1 " + "a=" * 20_000,
        "RUN |1 " + "a=b " * 20_000,
        "RUN /bin/sh " + "-e " * 20_000,
        "RUN x" + "\n" * 60_000 + "y",
        "/bin/sh " + "-a " * 20_000,
        " " * 60_000 + "x" + " " * 60_000 + "#",
    ],
    ids=lambda text: text.strip()[:12],
)
def test_a_step_of_any_text_is_read_in_one_pass(text):
    """With patterns that go back, one of these takes longer than the whole suite."""
    assert split_commands(clean(text * 3))
