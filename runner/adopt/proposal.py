"""A mapping file proposed from the catalog and a sample, with a reason for each line.

A role gets the table whose columns are named most like it; a column of a role gets the platform's
column of the likeliest name, in an expression that its values call for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from runner.adopt import catalog, names
from runner.adopt.catalog import Found
from runner.adopt.proposed import Line, Proposed, written
from runner.platform import expressions
from runner.platform.expressions import THIS, ExpressionError
from runner.platform.roles import COUNT, DAILY, DAY, KEY, NAIVE, NUMBER, ROLES, TEXT, TIME, WORD
from runner.servers.database import Connection

_LEAST = {
    "micro_patterns": {"symbol", "signal", "created_at"},
    "trade_plans": {"symbol", "created_at"},
    "trading_orders": {"symbol", "side", "created_at"},
    "trading_stats": {"date", "net_profit"},
}
"""The columns without which a table is no candidate for a role."""

_LARGEST_RATE = 0.01
_ORDER = ("trading_orders", "trade_plans", "micro_patterns", "trading_stats")


class Proposer:
    """Proposes a mapping for the tables found, reading samples as it needs them."""

    def __init__(self, primary: Connection, found: Mapping[str, Found], timezone: str) -> None:
        self._primary = primary
        self._found = found
        self._timezone = timezone
        self.roles: dict[str, Proposed] = {}

    def propose(self) -> str:
        """The file's text."""
        for role in _ORDER:
            proposed = self._role(role)
            if proposed is not None:
                self.roles[role] = proposed
        if DAILY not in self.roles and (daily := self._summed_up()) is not None:
            self.roles[DAILY] = daily
        nearest = {role: self.nearest(role) for role in ROLES if role not in self.roles}
        return written(self.roles, self._found, self._timezone, nearest)

    def nearest(self, role: str) -> str:
        """The table that has most of what a role needs, with what it lacks; empty without any."""
        least = _LEAST[role]
        lacking = {
            table.name: sorted(c for c in least if self._named(role, c, table) is None)
            for table in self._found.values()
        }
        if not lacking:
            return ""
        name = min(lacking, key=lambda each: (len(lacking[each]), each))
        if len(lacking[name]) == len(least):
            return ""
        if not self._found[name].key:
            return f"{name} comes nearest, and has no primary key"
        if not lacking[name]:
            return f"{name} comes nearest, by its columns alone"
        return f"{name} comes nearest, without {', '.join(lacking[name])}"

    # --- tables ---------------------------------------------------------------------------------

    def _role(self, role: str) -> Proposed | None:
        candidates = [
            (score, found)
            for found in self._found.values()
            if (score := self._score(role, found)) is not None
        ]
        if not candidates:
            return None
        _, table = max(candidates, key=lambda each: (each[0], each[1].rows, each[1].name))
        lines = {c: line for c in ROLES[role] if (line := self._line(role, c, table)) is not None}
        proposed = Proposed(table.name, f"about {table.rows:,} rows" if table.rows else "", lines)
        unreal = [name for name in table.columns if names.plain(name) in names.UNREAL]
        if unreal and table.columns[unreal[0]] == "boolean":
            proposed.where = f"not coalesce({_sql(unreal[0])}, false)"
        if role == "trading_orders":
            self._look_up(proposed, table)
            self._fills(proposed)
            self._fee(proposed, table)
            self._signal_key(proposed, table)
        return proposed

    def _score(self, role: str, table: Found) -> int | None:
        matched = {
            column for column in names.COLUMNS[role] if self._named(role, column, table) is not None
        }
        through = self._referred(table)
        reached = matched | {
            column
            for column in ("symbol", "side")
            if role == "trading_orders" and through and self._named(role, column, through[0])
        }
        has_name = re.search(names.TABLES[role], table.name.split(".", 1)[1], re.IGNORECASE)
        taken = {each.table for name, each in self.roles.items() if name != role}
        is_plan_of_orders = role == "trade_plans" and table.name in self._plans_of_orders()
        if not table.key or not reached >= _LEAST[role]:
            return None
        if role == "trading_orders" and not matched & {"quantity", "filled_quantity"}:
            return None
        if role != "trading_orders" and not has_name and not is_plan_of_orders:
            return None
        if table.name in taken and not is_plan_of_orders:
            return None
        return len(matched) + 4 * bool(has_name) + 20 * is_plan_of_orders

    def _plans_of_orders(self) -> set[str]:
        orders = self.roles.get("trading_orders")
        if orders is None:
            return set()
        table = self._found[orders.table]
        return {
            target
            for column, (target, _) in table.references.items()
            if re.search(names.TABLES["trade_plans"], names.plain(column))
        } & self._found.keys()

    def _named(self, role: str, column: str, table: Found) -> str | None:
        """The table's column of the likeliest name whose type can fit."""
        by_name = {names.plain(name): name for name in table.columns}
        for candidate in names.COLUMNS[role].get(column, ()):
            name = by_name.get(names.plain(candidate))
            if name is not None and self._may_fit(ROLES[role][column].kind, table.columns[name]):
                return name
        return None

    @staticmethod
    def _may_fit(kind: str, data_type: str) -> bool:
        moments = {"timestamp with time zone", NAIVE}
        return (
            data_type
            in {
                KEY: {"bigint", "text"},
                TEXT: {"text", "bigint"},
                WORD: {"text", "boolean", "bigint"},
                NUMBER: {"numeric", "bigint", "text"},
                COUNT: {"bigint"},
                TIME: moments | {"bigint"},
                DAY: moments | {"date"},
            }[kind]
        )

    # --- columns --------------------------------------------------------------------------------

    def _line(self, role: str, column: str, table: Found, prefix: str = "") -> Line | None:
        kind = ROLES[role][column].kind
        if kind == KEY and column == "id":
            key = [name for name in table.key if table.columns.get(name) in ("bigint", "text")]
            return Line(_sql(key[0]), "its primary key") if key and role != DAILY else None
        if kind == KEY:
            return self._reference(role, column, table)
        name = self._named(role, column, table)
        if name is None:
            return None
        bare, reason = prefix + _sql(name), f"named {name}"
        data_type = table.columns[name]
        if kind == WORD:
            return self._words(role, column, table, name, prefix)
        if kind == NUMBER and data_type == "text":
            if not catalog.are_numbers(self._primary, table.name, name):
                return None
            return Line(f"cast({bare} as numeric)", f"{reason}, numbers kept as text")
        if kind == NUMBER and column == "confidence":
            extent = catalog.extent(self._primary, table.name, name)
            if extent is not None and 1 < extent[1] <= 100:
                return Line(f"{bare} / 100", f"{reason}; up to {extent[1]}, so a percentage")
        if kind == TIME and data_type == "bigint":
            return self._epoch(table, name, bare)
        if kind in (TIME, DAY) and data_type == NAIVE:
            ahead = catalog.hours_ahead(self._primary, table.name, name, self._timezone)
            if ahead is not None:
                reason += f"; CHECK timezone: the newest is {ahead} hours ahead of the clock"
        return Line(bare, reason)

    def _reference(self, role: str, column: str, table: Found) -> Line | None:
        for name, (target, _) in table.references.items():
            if re.search(names.TABLES["trade_plans"], names.plain(name)) and target in self._found:
                return Line(_sql(name), f"refers to {target}")
        named = self._named(role, column, table)
        return None if named is None else Line(_sql(named), f"named {named}")

    def _epoch(self, table: Found, name: str, bare: str) -> Line | None:
        extent = catalog.extent(self._primary, table.name, name)
        greatest = 0 if extent is None else extent[1]
        for digits, divisor, unit in (
            (12, "", "seconds"),
            (15, " / 1000", "ms"),
            (18, " / 1000000", "µs"),
        ):
            if 10 ** (digits - 3) <= greatest < 10**digits:
                return Line(f"to_timestamp({bare}{divisor})", f"named {name}; {unit} since 1970")
        return None

    def _words(self, role: str, column: str, table: Found, name: str, prefix: str) -> Line:
        known, bare = ROLES[role][column].words, prefix + _sql(name)
        if table.columns[name] == "boolean":
            is_sell = names.plain(name) in ("is_sell", "is_short")
            yes, no = ("SELL", "BUY") if is_sell else ("BUY", "SELL")
            return Line(
                f"case when {bare} then '{yes}' else '{no}' end", f"named {name}, yes or no"
            )
        mapped: dict[str, list[str]] = {}
        unmapped = []
        for text in catalog.words(self._primary, table, name):
            spelled = text.strip().lower()
            word = next((w for w in known if spelled in (w.lower(), *names.WORDS[w])), None)
            if word is None:
                unmapped.append(text)
            elif spelled != word.lower():
                mapped.setdefault(word, []).append(text)
        return Line(bare, f"named {name}", mapped, unmapped)

    # --- what orders need of other tables and columns ---------------------------------------------

    def _referred(self, table: Found) -> tuple[Found, str, str] | None:
        """The table that an order refers to, and the columns that join them."""
        for name, (target, column) in table.references.items():
            other = self._found.get(target)
            if other is not None and other.key == (column,) and target != table.name:
                return other, column, name
        return None

    def _look_up(self, proposed: Proposed, table: Found) -> None:
        if (referred := self._referred(table)) is None:
            return
        other, key, column = referred
        alias = re.sub(r"[^a-z0-9_]", "", names.plain(other.name.split(".", 1)[1])).rstrip("s")
        if not alias.isidentifier() or alias == THIS:
            alias = "other"
        for missing in ("symbol", "side", "account", "currency", "exit_reason", "tag", "leverage"):
            if missing in proposed.lines:
                continue
            line = self._line("trading_orders", missing, other, f"{alias}.")
            if line is not None:
                line.reason += f" in {other.name}"
                proposed.lines[missing] = line
                proposed.lookups[alias] = (other.name, key, column)

    def _fills(self, proposed: Proposed) -> None:
        lines = proposed.lines
        if "filled_quantity" in lines or "quantity" not in lines:
            return
        quantity, status = lines["quantity"].value, lines.get("status")
        filled = status.words.get("FILLED", []) if status else []
        if status is None:
            lines["filled_quantity"] = Line(
                quantity, "no status and no filled quantity: all are fills"
            )
        else:
            texts = ", ".join(_text(each.lower()) for each in ["filled", *filled])
            lines["filled_quantity"] = Line(
                f"case when lower({status.value}) in ({texts}) then {quantity} else 0 end",
                "no filled quantity: a filled order is filled whole",
            )

    def _fee(self, proposed: Proposed, table: Found) -> None:
        line, name = proposed.lines.get("fee"), self._named("trading_orders", "fee", table)
        price = proposed.lines.get("filled_price") or proposed.lines.get("price")
        quantity = proposed.lines.get("filled_quantity")
        if line is None or name is None or table.columns[name] == "text":
            return
        extent = catalog.extent(self._primary, table.name, name)
        if extent is None or not 0 < extent[1] <= _LARGEST_RATE:
            return
        seen = f"{extent[0]} to {extent[1]}"
        if "rate" not in names.plain(name) or price is None or quantity is None:
            line.reason += f"; CHECK: {seen}, as small as a rate"
            return
        line.reason += f"; looks like a rate: {seen}"
        line.value = f"({quantity.value}) * ({price.value}) * {line.value}"

    def _signal_key(self, proposed: Proposed, table: Found) -> None:
        """The column that carries keys of signals, or a hint at the likeliest to do so."""
        by_name = {names.plain(c): c for c, kind in table.columns.items() if kind == "text"}
        named = [by_name[name] for name in names.SIGNAL_KEYS if name in by_name]
        for name in named:
            if catalog.carries_signal_keys(self._primary, table.name, name):
                proposed.lines["signal_key"] = Line(_sql(name), "has keys of AI signals")
                return
        if named:
            proposed.likely_key = _sql(named[0])

    def _summed_up(self) -> Proposed | None:
        """Days from closed trades, where the platform reports none."""
        for found in sorted(self._found.values(), key=lambda each: -each.rows):
            by_name = {names.plain(name): name for name in found.columns}
            profit = next((by_name[n] for n in names.PROFITS if n in by_name), None)
            closed = next((by_name[n] for n in names.CLOSED if n in by_name), None)
            if profit is None or closed is None or found.columns[profit] != "numeric":
                continue
            day: Line | None = Line(_sql(closed), f"named {closed}")
            if found.columns[closed] == "bigint":
                day = self._epoch(found, closed, _sql(closed))
            elif not self._may_fit(DAY, found.columns[closed]):
                day = None
            if day is None:
                continue
            bare = _sql(profit)
            lines = {
                "date": day,
                "net_profit": Line(f"sum({bare})", f"of {profit}, by day"),
                "total_trades": Line("count(*)", "trades closed on the day"),
                "winning_trades": Line(f"count(*) filter (where {bare} > 0)", "with a profit"),
                "losing_trades": Line(f"count(*) filter (where {bare} < 0)", "with a loss"),
            }
            for column in ("account", "currency"):
                if (line := self._line(DAILY, column, found)) is not None:
                    lines[column] = line
            reason = f"no table of days; has {profit} and {closed}"
            return Proposed(found.name, reason, lines, where=f"{_sql(closed)} is not null")
        return None


def _sql(name: str) -> str:
    """A column's name as an expression has it: quoted where SQL would read it otherwise."""
    try:
        if expressions.read(name, {THIS: [name]}).column == name:
            return name
    except ExpressionError:
        pass
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
