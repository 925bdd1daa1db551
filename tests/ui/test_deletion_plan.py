"""Working out what a deletion takes along."""

from __future__ import annotations

import json

import pytest

from holm_registry.oci.names import is_tag
from holm_registry.ui.model.attachments import KnownDependents, attachment_of, fallback_tag
from holm_registry.ui.model.deletion_plan import plan_deletion
from holm_registry.ui.model.manifest_summary import summarize_manifest
from holm_registry.ui.model.snapshots import RepositorySnapshot, TagSet, TagSnapshot
from holm_registry.ui.state.content_cache import ContentCache


@pytest.mark.parametrize(
    ("digest", "tag"),
    [
        ("sha256:" + "a" * 64, "sha256-" + "a" * 64),
        ("sha512:" + "ab" * 64, "sha512-" + "ab" * 32),
        ("x" * 40 + ":" + "b" * 100, "x" * 32 + "-" + "b" * 64),
    ],
)
def test_a_list_of_referrers_has_a_tag_as_the_specification_says(digest, tag):
    """OCI distribution-spec, "Referrers Tag Schema": 32 and 64 characters at the most."""
    assert fallback_tag(digest) == tag
    assert is_tag(tag)


def test_a_tag_of_sha512_is_known_for_what_it_is():
    about = attachment_of(fallback_tag("sha512:" + "ab" * 64))
    assert about == ("sha512:" + "ab" * 32, "referrers")


class Counting(ContentCache):
    """Counts how often facts are looked up."""

    def __init__(self) -> None:
        super().__init__()
        self.looked_up = 0
        peek = self.manifests.peek

        def counted(key):
            self.looked_up += 1
            return peek(key)

        self.manifests.peek = counted


def digest_of(number: int) -> str:
    return f"sha256:{number:064x}"


def crowd(images: int) -> tuple[Counting, RepositorySnapshot]:
    """A repository of so many images of two platforms, each with a tag."""
    contents, tags = Counting(), []
    for number in range(images):
        children = [digest_of(3 * number + 1), digest_of(3 * number + 2)]
        for child in children:
            manifest = {"layers": [{"digest": f"{child}-layer", "size": 1}]}
            contents.learn(summarize_manifest(child, "x", json.dumps(manifest).encode()))
        index = {"manifests": [{"digest": child, "size": 1} for child in children]}
        digest = digest_of(3 * number)
        contents.learn(summarize_manifest(digest, "x", json.dumps(index).encode()))
        tags.append(TagSnapshot(f"v{number}", digest, settled=True))
    return contents, RepositorySnapshot("app", TagSet(tuple(tags)), 1.0, "")


def test_deleting_many_images_is_worked_out_in_one_pass():
    """Twice as many images take about twice as much, not four times."""
    effort = {}
    for images in (100, 200):
        contents, shot = crowd(images)
        digests = [tag.digest for tag in shot.tags[: images // 2]]
        plan = plan_deletion(contents, shot, digests, KnownDependents())
        assert len(plan.tags) == images // 2
        assert all(len(image.companions) == 2 for image in plan.images)
        effort[images] = contents.looked_up
    assert effort[200] < 2.5 * effort[100]


def test_a_platform_that_several_tags_need_names_all_of_them():
    contents, shot = crowd(3)
    again = TagSnapshot("latest", digest_of(0), settled=True)
    shot = RepositorySnapshot("app", TagSet((*shot.tags, again)), 1.0, "")
    [image] = plan_deletion(contents, shot, [digest_of(1)], KnownDependents()).images
    assert image.parents == ("latest", "v0")
