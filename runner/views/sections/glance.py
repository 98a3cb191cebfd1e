"""The section that answers a desk's first questions, in a line each, and says where more is."""

from __future__ import annotations

from runner.views.asked import Asked
from runner.views.dashboard.marts import MartError, UnreachableError
from runner.views.dashboard.wording import in_currency, money, number, share, total
from runner.views.sections import journal, models
from runner.views.sections.money import difference, unexplained
from runner.views.surface import Section, Surface
from runner.words import plural


def _glance(to: Surface, asked: Asked) -> None:
    for answer, page, title in _ANSWERS:
        try:
            told = answer(to, asked)
        except UnreachableError:
            raise
        except MartError:
            continue  # The section that it points to says so.
        if told:
            to.point(told, page, title)


def _earned(to: Surface, asked: Asked) -> str:
    rows = {row["source"]: row for row in to.ask("source_performance", asked)}
    all_ = "all " if asked.sources else ""
    told = [
        f"{all_}{name} {in_currency(money(rows[source]['net_profit']), asked.account.currency)}"
        for name, source in (("AI", "ai: all"), ("rule-based", "traditional: all"))
        if source in rows
    ]
    if not told:
        return ""
    more = difference(to, asked, "ai: all", "traditional: all")
    return f"Realized P&L, {asked.period}: {', '.join(told)}. {more}".rstrip()


def _open(to: Surface, asked: Asked) -> str:
    found = to.ask("open_positions", asked)
    if not found:
        return f"No position is open{_in_choice(asked)}."
    count, valued = found[0]["positions"], found[0]["valued"]
    told = plural(count, "open position")
    if not valued:
        return f"{told}, none with a price."
    total_ = in_currency(money(found[0]["total"]), asked.account.currency)
    return f"{told}, unrealized {total_}{f' of {valued} with a price' if valued < count else ''}."


def _drawdown(to: Surface, asked: Asked) -> str:
    rows = to.ask("drawdowns", asked)
    return f"Drawdowns: {journal.drawdown_now(rows)}" if rows else ""


def _weights(to: Surface, asked: Asked) -> str:
    found = to.ask("expert_weights", asked)
    if not found:
        return ""
    first = found[0]
    return (
        f"The ensemble's weights are worth {number(first['effective_experts'])} of {len(found)} "
        f"experts: {first['expert_name']} has {share(first['weight'])}."
    )


def _alarms(to: Surface, asked: Asked) -> str:
    return models.alarms(to, asked) or f"No model has an open alarm{_in_choice(asked)}."


def _in_choice(asked: Asked) -> str:
    is_part = asked.symbols or asked.sources or not asked.account.is_all_accounts
    return " in this choice" if is_part else ""


def _unexplained(to: Surface, asked: Asked) -> str:
    days = [
        row for row in to.ask("reconciliation", asked) if row["unreconciled_profit"] is not None
    ]
    if not days:
        return ""
    off, on = unexplained(days)
    if not off:
        return "The P&L of every reported day is explained by its trades."
    amount = money(total(abs(row["unreconciled_profit"]) for row in off))
    return (
        f"Unexplained P&L: {on}, of {in_currency(amount, asked.account.currency)} together, "
        "gains and losses alike."
    )


def _audit(to: Surface, asked: Asked) -> str:
    found = to.ask("model_audit", asked)
    if not found:
        return ""
    findings = sum(row["findings"] for row in found)
    return models.not_as_they_say(found) or (
        f"Audit of signals: {plural(findings, 'finding')}, none high{_in_choice(asked)}."
    )


def _rejected(to: Surface, asked: Asked) -> str:
    found = to.ask("rejected_rows", asked)
    if not found:
        return "No row was rejected."
    newest = found[0]
    return (
        f"{plural(newest['count'], 'value')} cannot be used, the newest in "
        f"{newest['source_table']}: {newest['reason']}."
    )


_ANSWERS = (
    (_earned, "Performance", "AI vs. rule-based"),
    (_open, "Journal", "Open positions"),
    (_drawdown, "Journal", "Drawdowns"),
    (_alarms, "Models", "Health"),
    (_weights, "Now", "Model weights"),
    (_unexplained, "Performance", "P&L reconciliation"),
    (_audit, "Models", "Audit"),
    (_rejected, "Operations", "Rows that cannot be used"),
)
SECTION = Section(
    "At a glance",
    (
        "performance.source_performance_daily",
        "performance.open_positions",
        "performance.drawdowns",
        "operations.retraining_triggers",
        "ensemble.expert_weights",
        "performance.daily_performance",
        "operations.model_audit",
        "operations.rejected_rows",
    ),
    ("source_performance",),
    _glance,
    has_money=True,
)
