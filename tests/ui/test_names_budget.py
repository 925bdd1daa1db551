"""Names and tags of all visitors have one budget, and what is over it is said."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred

from holm_registry.ui.client.single_flight import BackgroundSlots, SingleFlight
from holm_registry.ui.errors import RegistryUnreachable
from holm_registry.ui.state import visitor_cache as module
from holm_registry.ui.state.names_budget import COST_OF_REPOSITORY, COST_OF_TAG, NamesBudget
from holm_registry.ui.state.visitor_cache import RegistryView, VisitorCaches

from .wire import Ui, answer


def costs(tags: int, names: int = 0) -> int:
    return tags * (COST_OF_TAG + 10) + names * (COST_OF_REPOSITORY + 10)


def crowded(ui: Ui, tags: dict[str, int], budget: NamesBudget) -> None:
    """Have a registry of repositories with so many tags each."""
    ui.context.visitor_caches.budget = budget

    def serve(method, path, headers):
        if "_catalog" in path:
            return answer(200, json.dumps({"repositories": list(tags)}).encode())
        if path.endswith("/tags/list?n=1000"):
            name = path.split("/")[2]
            listed = [f"v{number}" for number in range(tags[name])]
            return answer(200, json.dumps({"tags": listed}).encode())
        return answer(404, b"{}")

    ui.wire.intercept = serve


def test_what_there_is_no_room_for_is_said_and_not_counted(ui):
    crowded(ui, {"big": 60, "huge": 500, "small": 3}, NamesBudget(costs(80, 6)))
    page = ui.page("/")
    assert "1 repository is not counted: its tags are more than the UI keeps" in page.text
    assert set(page.rows()) == {"/repo/big", "/repo/huge", "/repo/small"}
    assert "1 repository was searched without" in ui.page("/search?q=v1").text
    assert ui.get("/api/search?q=v1").json["complete"] is False


def test_a_repository_that_is_opened_has_room(ui):
    budget = NamesBudget(costs(80, 6))
    crowded(ui, {"big": 60, "large": 70, "small": 3}, budget)
    ui.page("/")
    for name, tags in (("large", 70), ("big", 60), ("large", 70)):
        page = ui.page(f"/repo/{name}")
        assert f"{tags} tags" in page.text
        assert len(page.rows()) == tags
        assert budget.cost_bytes <= budget.max_bytes
    assert "not counted" in ui.page("/").text


def test_more_tags_than_there_is_room_for_are_shown_as_far_as_there_is(ui):
    crowded(ui, {"huge": 500}, NamesBudget(costs(80, 6)))
    page = ui.page("/repo/huge")
    assert "Not all tags are shown. This repository has at least 500 tags" in page.text
    assert 80 <= len(page.rows()) <= 100
    assert len(ui.get("/api/tags/huge").json["tags"]) == 500


def test_nothing_is_deleted_where_not_all_tags_can_be_looked_at(ui, monkeypatch):
    monkeypatch.setattr("holm_registry.ui.state.deletion.MAX_TAGS", 10)
    crowded(ui, {"big": 11, "few": 10}, NamesBudget())
    refused = ui.get("/delete?repo=big&tag=v1")
    assert refused.status == 409
    assert b"11 tags" in refused.body
    assert b"DELETE /v2/big/manifests/TAG" in refused.body
    assert ui.post("/delete", {"repo": "big", "how": "tag", "tag": "v1"}).status == 409
    assert ui.get("/delete?repo=few&tag=v1").status != 409
    assert not [each for each in ui.wire.requests_sent if each.startswith("DELETE")]


def test_nothing_is_deleted_when_the_tags_made_room_for_others_meanwhile(ui):
    """Without its tags, nothing would seem to need what an image consists of."""
    gallery = ui.gallery
    child = gallery.image("app", "v1", [b"x"])
    gallery.index("app", "multi", [{"digest": child}])

    def forget(method, path, headers):
        if "/referrers/" in path:
            ui.context.visitor_caches.of("").repository("app").let_go()

    ui.wire.intercept = forget
    found = ui.post("/delete", {"repo": "app", "digest": child})
    assert found.status == 504
    assert b"nothing was deleted" in found.body
    assert ui.has("app", child)


def test_more_repositories_than_are_remembered_are_said(ui, monkeypatch):
    monkeypatch.setattr(module, "MAX_REPOSITORIES", 20)
    crowded(ui, {f"r{number:02}": 1 for number in range(30)}, NamesBudget())
    page = ui.page("/")
    assert "Not all repositories are shown. This registry has at least 30" in page.text
    assert len(page.rows()) == 20
    assert "at least 30 were searched" in ui.page("/search?q=r").text
    assert ui.page("/repo/r29").rows() == ["/image/r29:v0"]
    assert len(ui.get("/api/repos").json["repositories"]) == 30


def test_visitors_share_one_budget():
    libraries = VisitorCaches()
    libraries.budget = budget = NamesBudget(costs(100, 40))
    for number in range(module.MAX_VISITORS):
        library = libraries.of(str(number))
        library.list_repositories([f"r{n}" for n in range(10)], 1.0, 0)
        library.repository("r1").list_tags([f"v{n}" for n in range(50)], 1.0)
        assert budget.cost_bytes <= budget.max_bytes
    assert libraries.of("0").named_at == float("-inf")
    assert len(libraries.of(str(module.MAX_VISITORS - 1)).repository("r1").tags) == 50


def test_a_visitor_who_is_forgotten_gives_up_room_and_surveys():
    libraries, running = VisitorCaches(), Deferred()
    first = libraries.of("first")
    first.list_repositories(["a"], 1.0, 0)
    first.repository("a").list_tags(["v1"], 1.0)
    first.surveys.begin(first.flights, "survey", lambda: running)
    waiting = first.flights.join("survey", lambda: None)
    for number in range(module.MAX_VISITORS):
        libraries.of(str(number))
    assert running.called
    assert waiting.called
    assert libraries.budget.cost_bytes == 0
    assert not first.flights.in_progress("survey")


def test_surveys_of_all_visitors_together_are_few():
    libraries, begun = VisitorCaches(), []
    for number in range(module.MAX_VISITORS):
        library = libraries.of(str(number))
        library.surveys.begin(
            library.flights, "survey", lambda: begun.append(Deferred()) or begun[-1]
        )
    assert len(begun) == module.MAX_SURVEYS
    begun[0].callback(None)
    library.surveys.begin(library.flights, "survey", lambda: begun.append(Deferred()) or begun[-1])
    assert len(begun) == module.MAX_SURVEYS + 1


def test_a_place_is_given_up_by_what_fails():
    places, flights = BackgroundSlots(1), SingleFlight()

    async def fail():
        raise RegistryUnreachable("gone")

    places.begin(flights, "a", fail)
    begun = []
    places.begin(flights, "b", lambda: begun.append(Deferred()) or begun[-1])
    assert begun


@pytest.mark.parametrize("number", [0, 1, 5000])
def test_missing_content_has_a_budget_too(number):
    library = RegistryView(budget=NamesBudget(200_000))
    known = library.repository("a")
    for each in range(number):
        known.mark_missing(f"sha256:{each:064}", 1.0)
        assert library.budget.cost_bytes <= library.budget.max_bytes
    assert len(known.absent) <= module.MAX_ABSENT
    for each in list(known.absent):
        known.regain(each)
    assert library.budget.cost_bytes == COST_OF_REPOSITORY + 1


@given(
    st.lists(
        st.tuples(st.sampled_from("abcdef"), st.integers(0, 60), st.booleans(), st.booleans()),
        max_size=40,
    )
)
def test_the_budget_is_kept_whatever_happens(steps):
    library = RegistryView(budget=NamesBudget(costs(80, 4)))
    clock = 0.0
    for name, tags, make_room, forgets in steps:
        clock += 1
        known = library.repository(name)
        known.list_tags([f"v{n}" for n in range(tags)], clock, make_room=make_room)
        library.keep(known)
        if forgets:
            library.forget(name)
        held = sum(len(each.tags) for each in library.repositories.values())
        assert held * COST_OF_TAG <= library.budget.cost_bytes + costs(0, 6)
        assert 0 <= library.budget.cost_bytes <= library.budget.max_bytes + costs(0, 6)
    library.close()
    assert library.budget.cost_bytes == 0
