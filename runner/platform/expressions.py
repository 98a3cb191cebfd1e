"""SQL expressions of a mapping file: parsed, of listed columns only, and unable to fail on a row.

One row that a view cannot compute would stop every build. So only what is here gets into a view:
columns, constants, comparisons, CASE, and functions that have a value for each row. Arithmetic is
that of numbers up to 1e100, and NaN beyond; a division by zero is NULL, and a text that is no
number is NaN. Staging sets such rows aside.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import sqlglot
from psycopg import sql
from sqlglot import exp

THIS = "this_row"
"""The alias of the role's own table."""

_LONGEST = 2_000
_LONGEST_WRITTEN = 100_000
_BINARY: Mapping[type[exp.Expr], str] = {
    exp.And: "and", exp.Or: "or", exp.EQ: "=", exp.NEQ: "<>", exp.GT: ">", exp.GTE: ">=",
    exp.LT: "<", exp.LTE: "<=", exp.DPipe: "||",
}  # fmt: skip
_ARITHMETIC: Mapping[type[exp.Expr], str] = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*"}
_FUNCTIONS: Mapping[type[exp.Expr], str] = {
    exp.Coalesce: "coalesce", exp.Nullif: "nullif", exp.Greatest: "greatest", exp.Least: "least",
    exp.Lower: "lower", exp.Upper: "upper", exp.Replace: "replace", exp.Abs: "abs",
    exp.Sum: "sum", exp.Min: "min", exp.Max: "max", exp.Count: "count",
}  # fmt: skip
_AGGREGATES = (exp.Sum, exp.Min, exp.Max, exp.Count)
_CONSTANTS = {"DATE": "date", "TIMESTAMPTZ": "timestamp with time zone"}
# Not \d, which has the digits of all scripts in some collations; a cast has not.
NUMBER = (
    r"^[ \t\r\n]*[-+]?([0-9]{1,90}([.][0-9]{0,90})?|[.][0-9]{1,90})"
    r"([eE][-+]?[0-9]{1,2})?[ \t\r\n]*$"
)
"""Texts that are numbers, as a regular expression of PostgreSQL's."""

KNOWN = (
    "columns, constants, + - * /, comparisons, and, or, not, between, in, like, is null, case, ||, "
    "->>, coalesce, nullif, greatest, least, abs, round, lower, upper, trim, left, right, "
    "substring, split_part, replace, to_timestamp, and casts to text or numeric"
)
"""What an expression may have, for people."""

# The parts of each form that are written. A form with any other part is refused.
_PARTS: Mapping[type[exp.Expr], str] = {
    **dict.fromkeys(_BINARY, "this expression safe"),
    **dict.fromkeys(_ARITHMETIC, "this expression"),
    **dict.fromkeys(_FUNCTIONS, "this expression expressions replacement ignore_nulls"),
    exp.Count: "this big_int", exp.Sum: "this", exp.Min: "this", exp.Max: "this",
    exp.Distinct: "expressions", exp.Div: "this expression typed", exp.Paren: "this",
    exp.Column: "this table", exp.Literal: "this is_string", exp.Boolean: "this", exp.Null: "",
    exp.Not: "this", exp.Neg: "this", exp.Round: "this decimals", exp.Is: "this expression negate",
    exp.Between: "this low high", exp.In: "this expressions", exp.Like: "this expression",
    exp.ILike: "this expression", exp.Case: "this ifs default", exp.If: "this true",
    exp.Cast: "this to", exp.DataType: "this", exp.Trim: "this", exp.Left: "this expression",
    exp.Right: "this expression", exp.Substring: "this start length",
    exp.SplitPart: "this delimiter part_index", exp.UnixToTime: "this",
    exp.JSONExtractScalar: "this expression only_json_types", exp.Filter: "this expression",
    exp.Where: "this",
}  # fmt: skip


class ExpressionError(Exception):
    """An expression is not one that a view may have; the message says why."""


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression as it stands in a view.

    Attributes:
        sql: its text, with qualified and quoted columns.
        columns: the alias and the name of each column in it.
        column: name of the one column of the role's table that it is, or None.
        is_aggregate: whether it sums up rows.
    """

    sql: str
    columns: frozenset[tuple[str, str]]
    column: str | None
    is_aggregate: bool


def read(text: str, scope: Mapping[str, Sequence[str]]) -> Expression:
    """Parse an expression over the columns of ``scope``, by alias; raise ExpressionError."""
    if len(text) > _LONGEST:
        raise ExpressionError(f"is longer than {_LONGEST} characters")
    try:
        parsed = [tree for tree in sqlglot.parse(text, dialect="postgres") if tree is not None]
    except RecursionError:
        raise ExpressionError("is nested too deeply") from None
    except sqlglot.errors.SqlglotError as error:
        told = str(error).splitlines()[0]
        raise ExpressionError(f"is no SQL expression: {told}") from None
    if len(parsed) != 1:
        raise ExpressionError("is not one SQL expression")
    (tree,) = parsed
    writer = _Writer(scope)
    try:
        written = writer.write(tree)
    except RecursionError:
        raise ExpressionError("is nested too deeply") from None
    if len(written) > _LONGEST_WRITTEN:
        raise ExpressionError("is too deep")
    bare = tree.unnest()
    own = [name for alias, name in writer.columns if alias == THIS]
    return Expression(
        written,
        frozenset(writer.columns),
        own[0] if isinstance(bare, exp.Column) and own else None,
        any(True for _ in tree.find_all(*_AGGREGATES)),
    )


class _Writer:
    """Writes a tree as SQL; a form that it does not know is refused.

    ``is_number``: what is being written is part of a sum or a product.
    """

    def __init__(self, scope: Mapping[str, Sequence[str]]) -> None:
        self._scope = scope
        self.columns: set[tuple[str, str]] = set()

    def write(self, node: exp.Expr, is_number: bool = False) -> str:
        kind = type(node)
        parts = {name for name, value in node.args.items() if value}
        if parts - set(_PARTS.get(kind, "").split()) or kind not in _PARTS:
            raise ExpressionError(f"has {_shown(node)}, which is none of {KNOWN}")
        if kind in _BINARY:
            return f"({self.write(node.this)} {_BINARY[kind]} {self.write(node.expression)})"
        if kind in _ARITHMETIC:
            left, right = self.write(node.this, True), self.write(node.expression, True)
            return f"({left} {_ARITHMETIC[kind]} {right})"
        if kind is exp.Replace:
            _check_replacement(node)
        if kind in _FUNCTIONS:
            is_number |= kind in (exp.Abs, exp.Sum)
            written = (
                "*" if isinstance(argument, exp.Star) else self.write(argument, is_number)
                for argument in _arguments(node)
            )
            return f"{_FUNCTIONS[kind]}({', '.join(written)})"
        return self._of_own_form(node, is_number)

    def _of_own_form(self, node: exp.Expr, is_number: bool) -> str:
        match node:
            case exp.Paren():
                return self.write(node.this, is_number)
            case exp.Column():
                return _amount(self._column(node)) if is_number else self._column(node)
            case exp.Null():
                return "null"
            case exp.Boolean():
                return "true" if node.this else "false"
            case exp.Literal():
                if is_number and node.is_string:
                    raise ExpressionError(f"has the text {_shown(node)} in a sum or a product")
                return f"{_literal(node)}::numeric" if is_number else _literal(node)
            case exp.Not():
                return f"(not {self.write(node.this)})"
            case exp.Neg():
                return f"(- {self.write(node.this, True)})"
            case exp.Div():
                above, below = self.write(node.this, True), self.write(node.expression, True)
                return f"({above} / nullif({below}, 0))"
            case exp.Round():
                decimals = node.args.get("decimals") or exp.Literal.number(0)
                return f"round({self.write(node.this, True)}, {_whole(decimals, 0, 30)})"
            case exp.Is() if isinstance(node.expression, exp.Null | exp.Boolean):
                negated = "not " if node.args.get("negate") else ""
                return f"({self.write(node.this)} is {negated}{self.write(node.expression)})"
            case exp.Between():
                low, high = self.write(node.args["low"]), self.write(node.args["high"])
                return f"({self.write(node.this)} between {low} and {high})"
            case exp.In() if node.expressions:
                values = ", ".join(map(self.write, node.expressions))
                return f"({self.write(node.this)} in ({values}))"
            case exp.Like() | exp.ILike():
                return self._like(node)
            case exp.Case():
                return self._case(node, is_number)
            case exp.Cast():
                return self._cast(node)
            case exp.Trim():
                return f"btrim({self.write(node.this)}, E' \\t\\r\\n')"
            case exp.Left() | exp.Right():
                name = type(node).__name__.lower()
                return f"{name}({self.write(node.this)}, {_whole(node.expression, 0, 10_000)})"
            case exp.Substring():
                start = _whole(node.args.get("start"), 1, 10_000)
                length = node.args.get("length") or exp.Literal.number(10_000)
                written = self.write(node.this)
                return f"substring({written} from {start} for {_whole(length, 0, 10_000)})"
            case exp.SplitPart():
                text, delimiter = self.write(node.this), self.write(node.args["delimiter"])
                return (
                    f"split_part({text}, {delimiter}, {_whole(node.args['part_index'], 1, 1000)})"
                )
            case exp.JSONExtractScalar():
                return f"({self.write(node.this)} ->> {_json_key(node.expression)})"
            case exp.UnixToTime():
                if any(moment is not node for moment in node.find_all(exp.UnixToTime)):
                    raise ExpressionError("has to_timestamp within to_timestamp")
                return _moment(f"round({self.write(node.this, True)}, 6)")
            case exp.Filter() if isinstance(node.this, _AGGREGATES):
                condition = self.write(node.expression.this)
                return f"{self.write(node.this, is_number)} filter (where {condition})"
            case exp.Distinct() if len(node.expressions) == 1 and isinstance(
                node.parent, exp.Count
            ):
                return f"distinct {self.write(node.expressions[0])}"
        raise ExpressionError(f"has {_shown(node)}, which is none of {KNOWN}")

    def _column(self, node: exp.Column) -> str:
        if node.args.get("db") or not isinstance(node.this, exp.Identifier):
            raise ExpressionError(f"has {_shown(node)}; write a column, or lookup.column")
        name = node.name if node.this.quoted else node.name.lower()
        alias = node.table or THIS
        if alias not in self._scope:
            lookups = ", ".join(known for known in self._scope if known != THIS) or "none"
            raise ExpressionError(f"has {_shown(node)}, and there is no lookup {alias}: {lookups}")
        if name not in self._scope[alias]:
            raise ExpressionError(f"has {_shown(node)}, {self._unlisted(name)}")
        self.columns.add((alias, name))
        return f"{quoted(alias)}.{quoted(name)}"

    def _unlisted(self, name: str) -> str:
        for alias, columns in self._scope.items():
            prefix = "" if alias == THIS else f"{alias}."
            if name in columns:
                return f"which is a column of the lookup: write {prefix}{_bare(name)}"
            for listed in columns:
                if listed.lower() == name.lower():
                    return (
                        f"and the column listed is {listed}: write '{prefix}{quoted(listed)}', in "
                        "both kinds of quotes, as YAML takes the outer ones"
                    )
        return "a column that its table does not list under tables"

    def _like(self, node: exp.Expr) -> str:
        pattern = node.expression
        if not (isinstance(pattern, exp.Literal) and pattern.is_string) or "\\" in pattern.this:
            raise ExpressionError("has like with a pattern that is no constant without backslash")
        operator = "ilike" if isinstance(node, exp.ILike) else "like"
        return f"({self.write(node.this)} {operator} {_literal(pattern)})"

    def _case(self, node: exp.Case, is_number: bool) -> str:
        parts = ["case"]
        if node.this:
            parts.append(self.write(node.this))
        for when in node.args["ifs"]:
            result = self.write(when.args["true"], is_number)
            parts.append(f"when {self.write(when.this)} then {result}")
        if (default := node.args.get("default")) is not None:
            parts.append(f"else {self.write(default, is_number)}")
        return f"({' '.join(parts)} end)"

    def _cast(self, node: exp.Cast) -> str:
        to, value = node.to, self.write(node.this)
        if any(part for name, part in to.args.items() if name != "this"):
            raise ExpressionError("has a cast to a type with a size; cast to text or numeric")
        name = str(getattr(to.this, "name", to.this))
        if name in ("TEXT", "VARCHAR"):
            return f"cast({value} as text)"
        if name == "DECIMAL":
            if any(cast is not node for cast in node.find_all(exp.Cast)):
                raise ExpressionError(
                    "has a cast within a cast to numeric; numeric takes any value"
                )
            text = f"cast({value} as text)"
            return (
                f"(case when {text} ~ '{NUMBER}' then cast({text} as numeric)"
                f" when {text} is not null then 'NaN'::numeric end)"
            )
        if name in _CONSTANTS and isinstance(node.this, exp.Literal):
            return f"cast({value} as {_CONSTANTS[name]})"
        raise ExpressionError(f"has a cast to {name.lower()}, which a row may break; use {KNOWN}")


def _arguments(node: exp.Expr) -> Iterator[exp.Expr]:
    for value in node.args.values():
        for argument in value if isinstance(value, list) else [value]:
            if isinstance(argument, exp.Expr):
                yield argument


def _amount(column: str) -> str:
    """A column's number, or NaN where sums and products could overflow with it."""
    return (
        f"case when {column} between -1e100 and 1e100 and scale({column}) <= 100 then {column}"
        f" when {column} is not null then 'NaN'::numeric end"
    )


def _literal(node: exp.Expr) -> str:
    text = str(node.this)
    if node.is_string:
        if "\0" in text:
            raise ExpressionError("has a constant with a zero byte")
        return sql.Literal(text).as_string().strip()
    if not re.fullmatch(r"\d{1,50}(\.\d{0,50})?|\.\d{1,50}", text):
        raise ExpressionError(f"has the number {text[:60]}; write it with at most 50 digits")
    return text


def _check_replacement(node: exp.Expr) -> None:
    """Refuse a replacement by which a text could grow without bound."""
    old, new = node.expression, node.args.get("replacement")
    if not (
        isinstance(old, exp.Literal)
        and isinstance(new, exp.Literal)
        and len(str(new.this)) <= len(str(old.this))
    ):
        raise ExpressionError("has replace, of which the texts are constants, the second no longer")


def _whole(node: exp.Expr | None, low: int, high: int) -> int:
    """The value of a constant that is a whole number in a range."""
    if (
        isinstance(node, exp.Literal)
        and not node.is_string
        and re.fullmatch(r"\d{1,9}", node.this)
        and low <= int(node.this) <= high
    ):
        return int(node.this)
    raise ExpressionError(f"has {_shown(node)} where a whole number from {low} to {high} stands")


def _json_key(path: exp.Expr | None) -> str:
    keys = path.expressions[1:] if isinstance(path, exp.JSONPath) else []
    if len(keys) == 1 and isinstance(keys[0], exp.JSONPathKey) and isinstance(keys[0].this, str):
        return sql.Literal(keys[0].this).as_string().strip()
    raise ExpressionError("has ->> with a key that is no plain name")


def _moment(seconds: str) -> str:
    return (
        f"(case when {seconds} between -62135596800 and 253402300799"
        f" then to_timestamp(cast({seconds} as double precision))"
        f" when {seconds} is not null then timestamptz 'infinity' end)"
    )


def _shown(node: exp.Expr | None) -> str:
    return "nothing" if node is None else node.sql(dialect="postgres")[:60]


def quoted(name: str) -> str:
    """A name as SQL has it in double quotes."""
    return sql.Identifier(name).as_string()


def _bare(name: str) -> str:
    return name if re.fullmatch(r"[a-z_][a-z0-9_]*", name) else quoted(name)
