"""What dbt is spared: work that nobody sees, for as long as the runner calls it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from dbt.adapters.postgres.connections import PostgresConnectionManager
from dbt.clients import jinja as macros
from dbt.context.macros import MacroNamespaceBuilder
from dbt.events.types import NodeFinished
from dbt.exceptions import PackageNotFoundForMacroError
from dbt_common.behavior_flags import BehaviorFlagRendered
from dbt_common.clients import agate_helper, jinja
from dbt_common.events.base_types import BaseEvent
from dbt_common.events.event_manager import EventManager
from dbt_common.events.types import Formatting, Note

from runner.build.dbt_speed import without_waste


def told(*events: Any) -> list[str]:
    """The names of the events that a listener hears."""
    heard: list[str] = []
    manager = EventManager()
    manager.add_callback(lambda message: heard.append(message.info.name))
    for event in events:
        manager.fire_event(event)
    return heard


def test_only_debug_events_that_are_heard_are_told() -> None:
    # dbt's level of the one is debug, and of the other info.
    events = (NodeFinished(), Note(msg="a"), Formatting(msg="b"))
    assert told(*events) == ["NodeFinished", "Note", "Formatting"]
    with without_waste("NodeFinished"):
        assert told(*events) == ["NodeFinished", "Note", "Formatting"]
    with without_waste():
        assert told(*events) == ["Note", "Formatting"]


def test_an_event_says_the_same_when_it_is_read() -> None:
    def said() -> list[object]:
        note: Any = Note(msg="a")
        other: Any = Formatting("c")
        first = note.msg
        note.msg = "b"
        return [first, note.msg, note.message(), note.to_dict(), other.to_dict()]

    before = said()
    with without_waste():
        assert said() == before
        with pytest.raises(AttributeError, match="unknown"):
            _ = Note(msg="a").unknown


def test_a_macro_is_made_of_the_same_parts() -> None:
    parts: list[tuple[Any, ...]] = [("macro", {"a": 1}, "node", "stack"), ("macro",)]
    before = [vars(macros.MacroGenerator(*given)) for given in parts]
    with without_waste():
        assert [vars(macros.MacroGenerator(*given)) for given in parts] == before


@pytest.mark.parametrize("package", ["ours", "other", "dbt"])
def test_a_name_is_looked_up_as_dbt_does(package: str) -> None:
    """In the node's package, in ours, among packages, in dbt's for the database, in dbt's own."""
    names = {
        "ours": ["a", "b", "other", "f"],
        "other": ["a", "c", "dbt"],
        "dbt_postgres": ["b", "c", "d", "ours"],
        "dbt": ["c", "d", "e", "dbt", "f"],
    }
    calls: Any = object()
    macros: Any = {
        of: {name: SimpleNamespace(package_name=of, name=name) for name in found}
        for of, found in names.items()
    }

    def found() -> object:
        builder = MacroNamespaceBuilder("ours", package, calls, ["dbt_postgres", "dbt"])
        namespace: Any = builder.build_namespace(macros, {})

        def macro(given: Any) -> object:
            if isinstance(given, dict):
                return {name: macro(each) for name, each in given.items()}
            return None if given is None else (given.macro, given.context, given.stack)

        flat: dict[str, Any] = {}
        flat.update(namespace)
        asked = [
            macro(namespace.get_from_package(of, name))
            for of in (None, "ours", "other", "dbt")
            for name in (*"abcdef", "other", "none")
        ]
        with pytest.raises(PackageNotFoundForMacroError):
            namespace.get_from_package("dbt_postgres", "d")
        return str((sorted((name, macro(each)) for name, each in flat.items()), asked))

    before = found()
    with without_waste():
        assert found() == before


def test_a_template_is_compiled_once_and_is_itself_in_each_context() -> None:
    text = "{{ name }} {{ [1, 2] }}"

    def rendered(name: str, *, native: bool = False) -> object:
        context = {"name": name}
        return jinja.get_template(text, context, native=native).render(context)

    before = [rendered("a"), rendered("a", native=True)]
    with without_waste():
        assert [rendered("a"), rendered("a", native=True)] == before
        assert rendered("b") == "b [1, 2]"
        codes = {
            native: [jinja.get_environment(native=native).compile(text) for _ in range(2)]
            for native in (False, True)
        }
    assert codes[False][0] is codes[False][1]
    assert codes[True][0] is codes[True][1] is not codes[False][0]


def test_an_error_in_a_template_is_told_each_time() -> None:
    with without_waste():
        for _ in range(2):
            with pytest.raises(Exception, match="unexpected"):
                jinja.get_template("{{ ) }}", {})


def test_dbt_is_afterwards_as_it_was() -> None:
    owners = (
        *(EventManager, jinja.MacroFuzzEnvironment, macros.MacroGenerator, MacroNamespaceBuilder),
        *(BaseEvent, BehaviorFlagRendered, agate_helper, PostgresConnectionManager),
    )
    before = [dict(vars(owner)) for owner in owners]
    with without_waste():
        assert [dict(vars(owner)) for owner in owners] != before
    assert [dict(vars(owner)) for owner in owners] == before
