"""The report: the dashboard's facts for a period in one HTML file that needs no server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from runner import extras
from runner.errors import UsageError
from runner.servers.database import Connection, Database
from runner.views.dashboard.accounts import Account
from runner.views.dashboard.marts import (
    LIMITS,
    MartError,
    MissingMartError,
    Row,
    ask,
    connect,
    explain,
    reading,
)
from runner.views.dashboard.wording import (
    ARROWS,
    UNDEFINED,
    count,
    day,
    duration,
    in_currency,
    interval,
    moment,
    money,
    number,
    price,
    quantity,
    share,
    sharpe_interval,
    total,
    wilson,
)
from runner.words import plural

if TYPE_CHECKING:
    from runner.views.charts import Chart

TOTALS = ["ai: all", "traditional: all"]

Form = Callable[[Any], str]


@dataclass(frozen=True)
class Figure:
    """A number, the text beside it, and its definition."""

    label: str
    value: str
    beside: str = ""
    about: str = ""


@dataclass(frozen=True)
class Table:
    """Formatted cells; ``columns`` are headings, definitions, and whether to align right."""

    columns: list[tuple[str, str, bool]]
    rows: list[list[str]]


@dataclass
class Section:
    """A part of the report. ``problem`` is the reason if it is incomplete."""

    title: str
    marts: tuple[str, ...]
    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    charts: list[tuple[int, str]] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    problem: str = ""


@dataclass(frozen=True)
class Period:
    """UTC days, both included."""

    first: date
    last: date

    def days(self) -> dict[str, Any]:
        return {"first": self.first, "last": self.last}

    def times(self) -> dict[str, Any]:
        """The days as moments, the last one excluded."""
        midnight = datetime.min.time()
        return {
            "first": datetime.combine(self.first, midnight, UTC),
            "last": datetime.combine(self.last + timedelta(days=1), midnight, UTC),
        }


def write_report(database: Database, path: Path, *, days: int, until: date | None = None) -> Period:
    """Write the report of ``days`` days up to ``until``, by default the last day in the data.

    Raise UsageError if the extra is not installed, there are no such days, or the file cannot be
    written; UnreachableError if the database cannot be reached.
    """
    extras.need("report")
    limits = replace(LIMITS, application_name="signal-marts report")
    with connect(database, limits) as marts, reading(marts):
        # All questions see the same moment, even if a build runs meanwhile.
        marts.execute("set transaction isolation level repeatable read")
        made = _Report(marts, database)
        period = made.period(days, until)
        text = made.html(period)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None
    return period


class _Report:
    """A report in the making: its connection, and the parts collected so far."""

    def __init__(self, connection: Connection, database: Database) -> None:
        self._connection = connection
        self._database = database
        self._sections: list[Section] = []
        self._specs: list[dict[str, Any]] = []
        self._used: dict[str, str] = {}
        self._descriptions = {
            row["name"]: " ".join(row["description"].split()) for row in self._ask("descriptions")
        }

    def period(self, days: int, until: date | None) -> Period:
        """The days of the report; raise UsageError if the marts have none of them."""
        has = self._ask("days")[0]
        if has["last_date"] is None:
            raise MissingMartError("the marts hold no day yet", "run signal-marts build")
        last = until or has["last_date"]
        first = last - timedelta(days=days - 1)
        if last < has["first_date"] or first > has["last_date"]:
            raise UsageError(
                f"there are no days from {first} to {last}; the marts have {has['first_date']} to "
                f"{has['last_date']}"
            )
        return Period(max(first, has["first_date"]), min(last, has["last_date"]))

    def html(self, period: Period) -> str:
        """The whole file."""
        from jinja2 import Environment, PackageLoader, StrictUndefined

        self._now()
        for account in self._currencies():
            self._performance(period, account)
            self._reconciliation(period, account)
            self._trades(period, account)
            self._positions(account)
        self._signals(period)
        self._models()
        self._health()
        self._training()
        self._operations()
        environment = Environment(
            loader=PackageLoader("runner.views", "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        marts = sorted({mart for section in self._sections for mart in section.marts})
        about_marts = [(mart, self._descriptions.get(mart, "")) for mart in marts]
        return environment.get_template("report.html.j2").render(
            period=period,
            made_at=moment(datetime.now(UTC)),
            address=self._database.address,
            sections=self._sections,
            marts=marts,
            definitions=[*about_marts, *sorted(self._used.items())],
            # So that no text of a mart can end its script element.
            specs=json.dumps(self._specs, separators=(",", ":")).replace("<", "\\u003c"),
            library=_library(),
        )

    def _currencies(self) -> list[Account]:
        """All accounts together of each currency."""
        try:
            found = [Account(**row) for row in self._ask("accounts")]
        except MartError:
            found = []
        return [each for each in found if each.is_all_accounts] or [Account()]

    # --- sections -----------------------------------------------------------------------------

    def _now(self) -> None:
        from runner.views import charts

        with self._section("Now", "ensemble.ensemble_decisions", "ensemble.expert_weights") as made:
            decisions = self._ask("decisions_now")
            if not decisions:
                made.notes.append("No decisions yet.")
                return
            newest = max(row["decided_at"] for row in decisions)
            age = duration(datetime.now(UTC) - newest)
            made.notes.append(
                f"The newest decision is of {moment(newest)}, {age} before this report."
            )
            self._table(
                made,
                "ensemble.ensemble_decisions",
                decisions,
                ("symbol", "Symbol", str),
                ("decision", "Decision", _decision),
                ("probability_up", "Probability up", lambda value: share(value, 1)),
                ("agreement", "Agreement", share),
                ("contributors", "Speak", count),
                ("close_price", "Close", price),
                ("confirming_experts", "For it", _text),
                ("contradicting_experts", "Against it", _text),
                ("decided_at", "Decided", moment),
            )
            if weights := self._ask("expert_weights"):
                self._chart(made, charts.weights(weights), "Weight of each expert, heaviest first")

    def _performance(self, period: Period, account: Account) -> None:
        from runner.views import charts

        with self._section(
            account.label("AI against traditional"),
            "performance.source_performance_daily",
            "performance.source_performance",
        ) as made:
            sources = self._ask("period_sources", **account.asked(), **period.days())
            for row in sources:
                _add_rate(row, "hit_rate", row["wins"], row["wins"] + row["losses"])
            totals = {row["source"]: row for row in sources}
            ai, traditional = totals.get(TOTALS[0], {}), totals.get(TOTALS[1], {})
            for label, column, form in (
                ("Net profit", "net_profit", money),
                ("Return", "period_return", lambda value: share(value, 2)),
                ("Lowest drawdown", "lowest_drawdown", lambda value: share(value, 2)),
                ("Hit rate", "hit_rate", share),
                ("Trades", "trades", count),
            ):
                made.figures.append(
                    Figure(
                        account.label(label) if form is money else label,
                        form(ai.get(column)),
                        f"traditional {form(traditional.get(column))}",
                    )
                )
            curves = self._ask("equity", sources=TOTALS, **account.asked(), **period.days())
            for row in curves:
                row["source"] = f"{row['source_type']}: {row['source_name']}"
            if curves:
                self._chart(made, charts.equity(curves), "Equity of AI and traditional by day")
                self._chart(made, charts.drawdown(curves), "Drawdown of AI and traditional by day")
            self._table(
                made,
                "performance.source_performance_daily",
                sources,
                ("source", "In the period", str),
                ("trades", "Trades", count),
                ("net_profit", "Net profit", money),
                ("period_return", "Return", lambda value: share(value, 2)),
                ("hit_rate", "Hit rate", share),
                ("hit_rate_95", "95% interval", str),
                ("lowest_drawdown", "Lowest drawdown", lambda value: share(value, 2)),
            )
            self._whole_window(made, account)

    def _whole_window(self, made: Section, account: Account) -> None:
        rows = self._ask("source_performance", window="all", **account.asked())
        for row in rows:
            row["source"] = f"{row['source_type']}: {row['source_name']}"
            ends = sharpe_interval(row["sharpe_ratio"], row["probabilistic_sharpe"])
            row["sharpe_95"] = interval(ends)
        self._table(
            made,
            "performance.source_performance",
            rows,
            ("source", "All days", str),
            ("days", "Days", count),
            ("net_profit", "Net profit", money),
            ("sharpe_ratio", "Sharpe", number),
            ("sharpe_95", "95% interval", str),
            ("probabilistic_sharpe", "Probabilistic Sharpe", share),
            ("deflated_sharpe", "Deflated Sharpe", share),
            ("profit_factor", "Profit factor", number),
            ("expectancy", "A trade earns", money),
            ("max_drawdown", "Worst drawdown", lambda value: share(value, 2)),
            ("max_drawdown_by_trade", "Drawdown by trade", money),
            ("exposure", "In the market", share),
        )

    def _reconciliation(self, period: Period, account: Account) -> None:
        from runner.views import charts

        with self._section(
            account.label("Does it add up?"), "performance.daily_performance"
        ) as made:
            days = self._ask("reconciliation", **account.asked(), **period.days())
            told = [row for row in days if row["unreconciled_profit"] is not None]
            off = [row for row in told if not row["is_reconciled"]]
            for label, column in (
                ("Platform reports", "reported_net_profit"),
                ("AI explains", "ai_net_profit"),
                ("Traditional explains", "traditional_net_profit"),
                ("Unreconciled", "unreconciled_profit"),
            ):
                value = money(total(row[column] for row in told)) if told else UNDEFINED
                about = self._about(f"performance.daily_performance.{column}", label)
                made.figures.append(Figure(account.label(label), value, about=about))
            if len(told) < len(days):
                left_out = plural(len(days) - len(told), "day")
                of = " of an account" if account.account == "all" else ""
                made.notes.append(f"{left_out}{of} that the platform did not report are left out.")
            if off:
                self._chart(made, charts.reconciliation(told), "Unreconciled profit by day")
                self._table(
                    made,
                    "performance.daily_performance",
                    sorted(off, key=lambda row: -abs(row["unreconciled_profit"]))[:20],
                    ("trading_date", "Day", day),
                    *([("account", "Account", str)] if account.account == "all" else ()),
                    ("reported_net_profit", "Reported", money),
                    ("ai_net_profit", "AI", money),
                    ("traditional_net_profit", "Traditional", money),
                    ("unreconciled_profit", "Unreconciled", money),
                )

    def _trades(self, period: Period, account: Account) -> None:
        with self._section(
            account.label("Trades by symbol"),
            "performance.trades",
            "performance.symbol_performance",
        ) as made:
            rows = self._ask(
                "trades_by_symbol",
                symbols=None,
                models=None,
                **account.asked(),
                **period.times(),
            )
            for row in rows:
                _add_rate(row, "hit_rate", row["wins"], row["wins"] + row["losses"])
            self._table(
                made,
                "performance.trades",
                rows,
                ("symbol", "Symbol", str),
                ("source_type", "Source", str),
                ("trades", "Trades", count),
                ("hit_rate", "Hit rate", share),
                ("hit_rate_95", "95% interval", str),
                ("fees", "Fees", money),
                ("net_profit", "Net profit", money),
            )
            symbols = self._ask("symbol_performance", symbols=None, models=None, **account.asked())
            self._table(
                made,
                "performance.symbol_performance",
                symbols,
                ("symbol", "All days", str),
                ("source", "Source", str),
                ("trades", "Trades", count),
                ("hit_rate", "Hit rate", share),
                ("profit_factor", "Profit factor", number),
                ("expectancy", "A trade earns", money),
                ("average_win", "A win earns", money),
                ("average_loss", "A loss costs", money),
                ("net_profit", "Net profit", money),
            )

    def _positions(self, account: Account) -> None:
        with self._section(account.label("Open positions"), "performance.open_positions") as made:
            rows = self._ask("open_positions", symbols=None, models=None, **account.asked())
            if not rows:
                made.notes.append("No position is open.")
                return
            positions, total_ = (
                rows[0]["positions"],
                in_currency(money(rows[0]["total"]), account.currency),
            )
            made.notes.append(
                f"{plural(positions, 'position')} as of the last build, unrealized {total_}."
                + (f" The {len(rows)} largest:" if len(rows) < positions else "")
            )
            self._table(
                made,
                "performance.open_positions",
                rows,
                ("symbol", "Symbol", str),
                ("source", "Source", str),
                *([("account", "Account", str)] if account.account == "all" else ()),
                ("direction", "Direction", str),
                ("open_quantity", "Quantity", quantity),
                ("opened_at", "In", moment),
                ("entry_price", "In at", price),
                ("last_close_at", "Last close", moment),
                ("last_close", "Now at", price),
                ("unrealized_profit", "Unrealized", money),
            )

    def _signals(self, period: Period) -> None:
        with self._section("Signals of the period", "performance.signal_outcomes") as made:
            rows = self._ask("period_signals", **period.times())
            made_by = self._ask("period_made", **period.times())
            currencies = list(dict.fromkeys(row["currency"] for row in made_by))
            earned = {
                (row["model"], row["currency"]): row["executed_net_profit"] for row in made_by
            }
            for row in rows:
                _add_rate(row, "rate", row["wins"], row["resolved"])
                for currency in currencies:
                    row[f"executed_net_profit {currency}"] = earned.get((row["model"], currency))
            made.notes.append(
                "Won: the prices after a signal went its way, whatever anybody traded and before "
                "fees. Made: what its trades really earned."
            )
            self._table(
                made,
                "performance.signal_outcomes",
                rows,
                ("model", "Model", str),
                ("signals", "Signals", count),
                ("holds", "of them HOLD", count),
                ("resolved", "Resolved", count),
                ("rate", "Won", share),
                ("rate_95", "95% interval", str),
                ("took_profit", "Take profit", count),
                ("stopped", "Stop loss", count),
                ("expired", "Expired", count),
                ("mean_return", "Mean return", lambda value: share(value, 2)),
                ("traded", "Traded", count),
                *(
                    (f"executed_net_profit {currency}", in_currency("Made", currency), money)
                    for currency in currencies
                ),
            )

    def _models(self) -> None:
        from runner.views import charts

        with self._section(
            "Do the models know anything?",
            "performance.model_skill",
            "performance.model_calibration",
        ) as made:
            skill = self._ask("model_skill", models=None)
            made.notes.append(
                "Of all days. A coin has a Brier score of 0.25 and a rank IC of 0: lower, and "
                "higher, is better."
            )
            self._table(
                made,
                "performance.model_skill",
                [row for row in skill if row["window_name"] == "all"],
                ("model", "Model", str),
                ("n", "Resolved signals", count),
                ("brier_score", "Brier score", lambda value: number(value, 4)),
                (
                    "expected_calibration_error",
                    "Calibration error",
                    lambda value: number(value, 3),
                ),
                ("rank_ic", "Rank IC", lambda value: number(value, 3)),
                ("ic_ir", "IC IR", number),
                ("signal_half_life_bars", "Half-life in bars", lambda value: number(value, 1)),
                ("turnover", "Turnover", number),
            )
            known = [row for row in skill if row["brier_score"] is not None]
            if known:
                self._chart(
                    made,
                    charts.skill(known, "brier_score", 0.25, "Brier score"),
                    "Brier score of each model over windows that grow shorter",
                )
            if bins := self._ask("calibration", models=None):
                self._chart(
                    made,
                    charts.calibration(bins),
                    "How often signals were right, by how often they claim to be",
                )

    def _health(self) -> None:
        with self._section(
            "Do models get worse, and what replaces them?",
            "operations.model_health",
            "operations.retraining_triggers",
            "operations.model_trials",
            "operations.model_history",
        ) as made:
            health = self._ask("model_health", models=None)
            if alarmed := [row["model"] for row in health if row["open_triggers"]]:
                made.notes.append(f"Retrain: {', '.join(alarmed)}.")
            made.notes.append("Of the last days, beside what each version was in its reference.")
            self._table(
                made,
                "operations.model_health",
                health,
                ("model", "Model", str),
                ("stage", "Stage", str),
                ("open_triggers", "Retrain?", _text),
                ("brier_score", "Brier score", lambda value: number(value, 4)),
                ("reference_brier_score", "Brier score then", lambda value: number(value, 4)),
                (
                    "expected_calibration_error",
                    "Calibration error",
                    lambda value: number(value, 3),
                ),
                ("excess_loss", "Excess loss", lambda value: number(value, 4)),
                ("rank_ic", "Rank IC", lambda value: number(value, 3)),
                ("days_since_signal", "Days silent", count),
            )
            self._table(
                made,
                "operations.retraining_triggers",
                self._ask("model_triggers", models=None),
                ("model", "Alarm of", str),
                ("reason", "Reason", str),
                ("alarm_date", "Alarm", day),
                ("cleared_date", "Cleared", day),
                ("figure", "Figure", number),
                ("threshold", "Threshold", number),
            )
            self._table(
                made,
                "operations.model_trials",
                self._ask("model_trials", models=None),
                ("challenger", "In shadow", str),
                ("champion", "Champion", str),
                ("verdict", "Verdict", str),
                ("e_value", "Evidence", number),
                ("challenger_outcomes", "Outcomes", count),
                ("started_at", "Began", moment),
            )
            self._table(
                made,
                "operations.model_history",
                self._ask("model_history", models=None),
                ("model", "Version", str),
                ("stage", "Stage", str),
                ("started_at", "From", moment),
                ("reason", "Why", str),
            )

    def _training(self) -> None:
        from runner.views import charts

        with self._section(
            "Are they learning?",
            "training.training_runs",
            "training.rl_progress",
            "training.genetic_progress",
        ) as made:
            self._table(
                made,
                "training.training_runs",
                self._ask("training_runs", models=None),
                ("model", "Model", str),
                ("run_kind", "Trained by", str),
                ("is_learning", "Learning?", _yes),
                ("is_plateau", "At a plateau?", _yes),
                ("steps", "Steps", count),
                ("first_mean_value", "First steps", number),
                ("last_mean_value", "Last steps", number),
                ("improvement_z_score", "Standard errors", number),
                ("last_step_at", "Last step", moment),
            )
            for question, step, value in (
                ("episodes", "episode", "reward"),
                ("generations", "generation", "fitness"),
            ):
                if rows := self._ask(question, models=None):
                    made_of = charts.training(rows, step=step, value=value)
                    self._chart(made, made_of, f"Training: {value} by {step}")

    def _operations(self) -> None:
        with self._section(
            "Operations",
            "operations.build_history",
            "operations.replication_health",
            "operations.rejected_rows",
        ) as made:
            builds = self._ask("builds")
            self._table(
                made,
                "operations.build_history",
                builds[:10],
                ("started_at", "Newest builds", moment),
                ("models_built", "Models", count),
                ("failures", "Failures", count),
                ("skipped", "Skipped", count),
                ("rows_written", "Rows written", lambda value: number(value, 0)),
                ("run_seconds", "Seconds of work", lambda value: number(value, 1)),
            )
            self._table(
                made,
                "operations.replication_health",
                self._ask("replication"),
                ("subscription_name", "Subscription", str),
                ("is_enabled", "Enabled", _yes),
                ("is_applying", "Applying", _yes),
                ("tables_ready", "Tables ready", count),
                ("tables", "of", count),
                ("apply_error_count", "Errors", count),
                ("last_message_received_at", "Last heard", moment),
            )
            rejected = self._ask("rejected_rows")
            if rejected:
                every = count(rejected[0]["count"])
                self._table(
                    made,
                    "operations.rejected_rows",
                    rejected[:10],
                    ("source_table", f"Rows that cannot be used, of {every}", str),
                    ("row_key", "Row", str),
                    ("column_name", "Column", str),
                    ("value", "Value", _text),
                    ("reason", "What is wrong", str),
                    ("first_seen_at", "First seen", moment),
                )

    # --- pieces -------------------------------------------------------------------------------

    @contextmanager
    def _section(self, title: str, *marts: str) -> Iterator[Section]:
        """A section; if one of its marts cannot be read, it says so and the report goes on."""
        made = Section(title, marts)
        self._sections.append(made)
        try:
            yield made
        except MartError as error:
            made.problem = f"{error}."

    def _ask(self, question: str, **parameters: Any) -> list[Row]:
        try:
            with self._connection.transaction():
                return ask(self._connection, question, parameters)
        except psycopg.Error as error:
            raise explain(error, self._database).error from error

    def _chart(self, section: Section, chart: Chart, alt: str) -> None:
        section.charts.append((len(self._specs), alt))
        self._specs.append(chart.properties(description=alt).to_dict())

    def _table(
        self, section: Section, mart: str, rows: Sequence[Row], *columns: tuple[str, str, Form]
    ) -> None:
        headings = [
            # What follows a blank tells apart several columns of one definition.
            (label, self._about(f"{mart}.{name.split()[0]}", label), form not in _WORDS)
            for name, label, form in columns
        ]
        cells = [[form(row.get(name)) for name, _, form in columns] for row in rows]
        section.tables.append(Table(headings, cells))

    def _about(self, column: str, label: str) -> str:
        """A column's definition, which is also added to the list at the end."""
        text = self._descriptions.get(column, "")
        if text:
            self._used[f"{label} ({column})"] = text
        return text


def _add_rate(row: Row, name: str, wins: int, cases: int) -> None:
    row[name] = wins / cases if cases else None
    row[f"{name}_95"] = interval(wilson(wins, cases), as_share=True)


def _text(value: str | None) -> str:
    return value or UNDEFINED


def _decision(value: str) -> str:
    return f"{ARROWS[value]} {value}"


def _yes(value: bool | None) -> str:
    return {True: "yes", False: "no", None: UNDEFINED}[value]


@cache
def _library() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script; it takes some seconds to make."""
    import altair
    import vl_convert

    version = ".".join(altair.SCHEMA_VERSION.split(".")[:2])
    return str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", version))


_WORDS = (str, _text, _decision, _yes, moment, day)
"""Forms whose columns stand on the left; numbers stand on the right."""
