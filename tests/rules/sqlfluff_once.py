"""sqlfluff, whose templater compiles each text once: ``python -m tests.rules.sqlfluff_once lint``.

It loads all macros for each file that it looks at, twice, and compiles them anew each time, which
takes some nine tenths of its time. Rules and results are the same as without this.
"""

from __future__ import annotations

from types import CodeType
from typing import Any

from jinja2 import Environment
from sqlfluff.cli.commands import cli

_code: dict[tuple[object, ...], CodeType] = {}
_compile = Environment.compile


def _compile_once(self: Environment, source: Any, *arguments: Any, **options: Any) -> Any:
    if not isinstance(source, str) or options:
        return _compile(self, source, *arguments, **options)
    key = (type(self), *self.extensions, source, *arguments)
    if key not in _code:
        _code[key] = _compile(self, source, *arguments)
    return _code[key]


# In the processes of `--processes` as well: they import this module.
Environment.compile = _compile_once  # type: ignore[method-assign]

if __name__ == "__main__":
    cli()
