"""What belongs to an image that is to go: asked anew, and honest where it cannot be read."""

from __future__ import annotations

import pytest
from twisted.internet.error import ConnectionLost

from .deletion import agreed_form
from .wire import answer

ODD = [b"<html>sign in</html>", b'{"manifests": 5}', b'{"manifests": [{"size": 1}]}']


@pytest.fixture
def signed(ui):
    """An image with a signature by the API, and one by cosign's tag; give their digests."""
    gallery = ui.gallery
    subject = gallery.image("app", "v1", [b"x"])
    listed = gallery.attach("app", subject, "application/spdx+json", b"one")
    part = gallery.part("app", b"two", "application/vnd.dev.cosign.simplesigning.v1+json")
    tagged = gallery.artifact("app", subject.replace(":", "-") + ".sig", "", [part])
    return ui, subject, listed, tagged


def unreadable(ui, found):
    ui.wire.intercept = lambda method, path, headers: found if "/referrers/" in path else None


@pytest.mark.parametrize(
    "found", [*(answer(200, body) for body in ODD), answer(500), answer(403), answer(302)]
)
def test_an_image_can_be_deleted_whose_references_cannot_be_read(signed, found):
    ui, subject, listed, tagged = signed
    unreadable(ui, found)
    page = ui.page("/delete?repo=app&tag=v1")
    assert "such as signatures and SBOMs, could not be read" in page.text
    assert "Frees up to" in page.text
    assert "what refers to it could not be read" in page.text
    assert ui.post("/delete", agreed_form(page, "image")).status == 303
    # What the tag tells is deleted along; what only the list would have told stays.
    assert [ui.has("app", each) for each in (subject, tagged, listed)] == [False, False, True]


def test_a_program_that_wants_all_of_it_gone_is_told_that_it_cannot_be_known(signed):
    ui, subject, _, _ = signed
    unreadable(ui, answer(200, ODD[0]))
    found = ui.post("/delete", {"repo": "app", "digest": subject, "companions": "1"})
    assert found.status == 502
    assert b"is not understood" in found.body
    assert b"nothing was deleted" in found.body
    assert ui.has("app", subject)
    assert ui.post("/delete", {"repo": "app", "digest": subject}).status == 303
    assert not ui.has("app", subject)


def test_a_registry_that_is_down_is_not_taken_for_one_without_references(signed):
    ui, _, _, _ = signed
    unreadable(ui, ConnectionLost())
    ui.page("/delete?repo=app&tag=v1", status=502)


def test_a_child_that_was_deleted_since_is_not_said_to_go(ui):
    gallery = ui.gallery
    one, two = (gallery.image("app", "", [name]) for name in (b"one", b"two" * 5000))
    gallery.index("app", "v1", [{"digest": one}, {"digest": two}])
    before = ui.page("/delete?repo=app&tag=v1").text
    assert "2 manifests are deleted too" in before
    assert ui.server.request("DELETE", f"/v2/app/manifests/{two}").status == 202
    page = ui.page("/delete?repo=app&tag=v1")
    assert "1 manifest is deleted too" in page.text
    assert two.partition(":")[2][:12] not in page.text
    freed = [text.split("Frees ")[1].split(" after")[0] for text in (before, page.text)]
    assert freed[0].endswith(" KiB")
    assert freed[1].endswith(" B") or float(freed[1].split()[0]) < float(freed[0].split()[0]) - 14
    done = ui.post("/delete", agreed_form(page, "image"))
    assert "did not exist any more" not in ui.page(done.header("Location")).text


def test_a_referrer_that_was_deleted_since_is_not_said_to_go(signed):
    ui, subject, listed, _ = signed
    page = ui.server.request("GET", f"/v2/app/referrers/{subject}")
    assert "1 SBOM and 1 signature are deleted too" in ui.page("/delete?repo=app&tag=v1").text
    assert ui.server.request("DELETE", f"/v2/app/manifests/{listed}").status == 202
    # A list that is kept by something in between, or by hand, may be older than the registry.
    unreadable(ui, answer(200, page.body))
    assert "1 signature is deleted too" in ui.page("/delete?repo=app&tag=v1").text
