"""The models that widen a selection, for any graph of models and any books."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from runner.build.books import Books
from runner.build.lineage import Lineage

MODELS = 8
TABLES = ("source.landing.one", "source.landing.two")


def name(id_: str) -> str:
    return ".".join(id_.split(".")[1:])


@st.composite
def projects(draw: st.DrawFn) -> dict[str, list[str]]:
    """The parents of models, which come after them; those without any read a landing table."""
    parents: dict[str, list[str]] = {}
    for number in range(MODELS):
        above = draw(st.lists(st.sampled_from(sorted(parents)), unique=True)) if parents else []
        parents[f"model.marts.m{number}"] = above or [draw(st.sampled_from(TABLES))]
    return parents


def lineage(parents: dict[str, list[str]]) -> Lineage:
    project: Any = SimpleNamespace(
        sources={
            id_: SimpleNamespace(schema="landing", identifier=id_.split(".")[2]) for id_ in TABLES
        },
        nodes={
            id_: SimpleNamespace(
                name=id_.split(".")[2],
                schema="marts",
                alias=id_.split(".")[2],
                tags=[],
                depends_on_nodes=above,
            )
            for id_, above in parents.items()
        },
    )
    return Lineage(project)


def ancestors(parents: dict[str, list[str]], id_: str) -> set[str]:
    above = set(parents.get(id_, ()))
    return above.union(*(ancestors(parents, parent) for parent in above))


@settings(deadline=None)
@given(parents=projects(), data=st.data())
def test_no_model_is_built_below_an_older_one(parents: dict[str, list[str]], data: Any) -> None:
    """Whatever was built when, and whichever models change in the build."""
    ids = sorted(parents)
    versions = {id_: data.draw(st.integers(1, 2)) for id_ in ids if data.draw(st.booleans())}
    reads = {
        (id_, parent): data.draw(st.integers(1, 2))
        for id_ in versions
        for parent in parents[id_]
        if parent not in TABLES
    }
    unread = data.draw(st.sets(st.sampled_from(TABLES)))
    selected = data.draw(st.sets(st.sampled_from(ids), min_size=1))
    found = Books(
        {name(id_): version for id_, version in versions.items()},
        {(name(reader), name(parent)): version for (reader, parent), version in reads.items()},
        {name(id_) for id_ in unread},
    )
    added = set(lineage(parents).needed(selected, found))
    assert not added & selected
    assert added <= {above for id_ in selected for above in ancestors(parents, id_)}

    is_read = {id_: not unread & set(parents[id_]) for id_ in ids}
    for id_ in ids:  # parents come first
        if id_ not in selected | added:
            continue
        for above in ancestors(parents, id_) - {*TABLES}:
            assert above in versions
            assert is_read[above]
            for parent in parents[above]:
                assert parent in TABLES or reads[above, parent] == versions[parent]
        is_read[id_] = True
        for parent in parents[id_]:
            reads[id_, parent] = versions.get(parent, 0)
        versions[id_] = versions.get(id_, 0) + data.draw(st.integers(0, 1))


@settings(deadline=None)
@given(parents=projects(), data=st.data())
def test_what_is_up_to_date_is_not_built_again(parents: dict[str, list[str]], data: Any) -> None:
    found = Books(
        {name(id_): 1 for id_ in parents},
        {(name(id_), name(parent)): 1 for id_ in parents for parent in parents[id_]},
        set(),
    )
    selected = data.draw(st.sampled_from(sorted(parents)))
    assert lineage(parents).needed({selected}, found) == {}
