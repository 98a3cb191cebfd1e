"""dbt without work whose result nobody sees.

That is half of its CPU time in a build of all models and tests, and two thirds of the server's,
where tables are small.

Tables, statements of models, log, artifacts and results are the same as without this.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from threading import get_ident
from types import CodeType
from typing import Any

# Compiled templates that are kept; a project has some hundred.
_TEMPLATES = 2000


@contextmanager
def without_waste(*heard: str) -> Iterator[None]:
    """Spare dbt, in this process, its waste; of debug events only those of these names are told."""
    with ExitStack() as stack:
        _drop_unheard(stack, frozenset(heard))
        _write_events_when_read(stack)
        _make_macros_fast(stack)
        _compile_once(stack)
        _name_one_source(stack)
        _make_one_empty_table(stack)
        _keep_sessions(stack)
        yield


def _drop_unheard(stack: ExitStack, heard: frozenset[str]) -> None:
    """Debug events that no log takes: dbt makes a message of each before it asks its logs."""
    from dbt_common.events.base_types import EventLevel
    from dbt_common.events.event_manager import EventManager

    def fire_heard(
        self: Any, e: Any, level: Any = None, node: Any = None, *arguments: Any, **options: Any
    ) -> None:
        if (level or e.level_tag()) != EventLevel.DEBUG or type(e).__name__ in heard:
            fire(self, e, level, node, *arguments, **options)

    fire = _replace(stack, EventManager, "fire_event", fire_heard)


def _write_events_when_read(stack: ExitStack) -> None:
    """Events as messages of protobuf, which dbt writes even of those that nobody hears."""
    from dbt_common.events.base_types import BaseEvent

    event: Any = BaseEvent  # three of its methods are replaced
    get, set_ = event.__getattr__, event.__setattr__

    def keep(self: Any, *arguments: Any, **values: Any) -> None:
        vars(self)["given"] = (arguments, values)

    def write(self: Any) -> None:
        if given := vars(self).pop("given", None):
            arguments, values = given
            write_(self, *arguments, **values)

    def write_and_get(self: Any, key: str) -> Any:
        write(self)
        return get(self, key)

    def write_and_set(self: Any, key: str, value: Any) -> None:
        write(self)
        set_(self, key, value)

    write_ = _replace(stack, event, "__init__", keep)
    _replace(stack, event, "__getattr__", write_and_get)
    _replace(stack, event, "__setattr__", write_and_set)


def _make_macros_fast(stack: ExitStack) -> None:
    """Functions of all macros, some 700: dbt makes them anew for each thing that it renders, by
    six calls each, and looks each up in five dictionaries."""
    from dbt.clients.jinja import MacroGenerator
    from dbt.context.macros import MacroNamespaceBuilder
    from dbt.exceptions import PackageNotFoundForMacroError

    class Namespace(dict[str, Any]):
        """Macros by name: those of the node's package first, dbt's own last."""

        def __init__(self, packages: dict[str, Any], first: Sequence[str], dbt: Sequence[str]):
            own = {name: of for name, of in packages.items() if name not in dbt}
            of_dbt = {}
            for name in reversed(dbt):
                of_dbt.update(packages.get(name, {}))
            super().__init__({**of_dbt, "dbt": of_dbt, **own})
            for name in reversed(first):
                self.update(own.get(name, {}))
            self.packages = {**own, "dbt": of_dbt}

        def get_from_package(self, package: str | None, name: str) -> Any:
            if package is None:
                return self.get(name)
            if package in self.packages:
                return self.packages[package].get(name)
            raise PackageNotFoundForMacroError(package)

    def make(
        self: Any, macro: Any, context: Any = None, node: Any = None, stack: Any = None
    ) -> None:
        self.context, self.macro, self.node, self.stack = context, macro, node, stack

    def build(self: Any, macros_by_package: Any, context: Any) -> Namespace:
        node, calls = self.node, self.thread_ctx
        packages = {
            package: {n: MacroGenerator(m, context, node, calls) for n, m in of.items()}
            for package, of in macros_by_package.items()
        }
        first = (self.search_package, self.root_package)
        return Namespace(packages, first, self.internal_package_names_order)

    _replace(stack, MacroGenerator, "__init__", make)
    _replace(stack, MacroNamespaceBuilder, "build_namespace", build)


_code: dict[tuple[type, str], CodeType] = {}


def _compile_once(stack: ExitStack) -> None:
    """Templates of the same text: the hooks of all models, and all of a project built again."""
    from dbt_common.clients.jinja import MacroFuzzEnvironment

    def compile_once(self: Any, source: Any, *arguments: Any, **options: Any) -> Any:
        if not isinstance(source, str) or arguments or options:
            return compile_(self, source, *arguments, **options)
        key = (type(self), source)
        if (code := _code.get(key)) is None:
            if len(_code) >= _TEMPLATES:
                _code.clear()
            code = _code[key] = compile_(self, source)
        return code

    compile_ = _replace(stack, MacroFuzzEnvironment, "compile", compile_once)


def _name_one_source(stack: ExitStack) -> None:
    """Where flags of dbt's adapter come from: it reads the whole stack for each of them."""
    from dbt_common.behavior_flags import BehaviorFlagRendered

    _replace(
        stack,
        BehaviorFlagRendered,
        "_default_source",
        staticmethod(lambda: "dbt.adapters.postgres.impl"),
    )


def _make_one_empty_table(stack: ExitStack) -> None:
    """The result of a statement without rows, for which dbt readies parsers of dates each time."""
    from dbt_common.clients import agate_helper

    helper: Any = agate_helper
    empty = helper.empty_table()
    _replace(stack, helper, "empty_table", lambda: empty)


def _keep_sessions(stack: ExitStack) -> None:
    """Sessions: dbt opens one for each model and test, and the server reads its catalogs for each.

    A model's session is made as if new, and its thread's next model has it, if it lives then.
    """
    import psycopg2
    from dbt.adapters.postgres.connections import PostgresConnectionManager

    manager: Any = PostgresConnectionManager  # two of its methods are replaced
    kept: dict[int, Any] = {}  # by thread
    open_ = manager.open

    def keep(cls: Any, connection: Any) -> None:
        session = connection.handle
        if session is None:  # it could not be opened
            return
        # After an interrupt dbt closes those of threads that are still at work.
        if connection.thread == get_ident() and connection.thread not in kept:
            try:
                session.rollback()
                session.autocommit = True
                session.cursor().execute("discard all")
            except psycopg2.Error:
                pass  # it is lost
            else:
                kept[connection.thread] = session
                return
        session.close()

    def open_or_reuse(cls: Any, connection: Any) -> Any:
        if connection.state == "open":
            return connection
        connection.thread = get_ident()
        if session := kept.pop(connection.thread, None):
            try:
                session.cursor().execute(f"set role {connection.credentials.role}")
                session.autocommit = False
            except psycopg2.Error:
                session.close()
            else:
                connection.handle, connection.state = session, "open"
                return connection
        return open_(connection)

    @stack.callback
    def close() -> None:
        for session in kept.values():
            session.close()

    _replace(stack, manager, "_close_handle", classmethod(keep))
    _replace(stack, manager, "open", classmethod(open_or_reuse))


def _replace(stack: ExitStack, owner: Any, name: str, new: Any) -> Any:
    """Replace an attribute until the stack is closed, and return what it was."""
    old = owner.__dict__.get(name)
    if old is None:  # of a class above
        stack.callback(delattr, owner, name)
        old = getattr(owner, name)
    else:
        stack.callback(setattr, owner, name, old)
    setattr(owner, name, new)
    return old
