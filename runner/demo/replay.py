"""Replays a market, bar by bar, as the platform and the AI modules would have lived through it.

Nothing is decided from a bar before it closed. Market time stands in ``created_at``, ``stored_at``,
``filled_at`` and ``expires_at``; the database's own clock shows only in ``updated_at`` of rows that
changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from itertools import groupby
from random import Random

from runner.client.records import Bar, Signal, timeframe_length
from runner.demo import books, writer
from runner.demo.history import History, shortest_timeframes
from runner.demo.journal import IssuedSignal, Journal
from runner.demo.modules import AIModule, modules
from runner.demo.orders import price_decimals
from runner.demo.story import Story, first_version
from runner.demo.traders import CAPITAL, Desk
from runner.servers.database import Connection

# Trainings of a module over a whole replay, for a file of any length: the demo's time is limited.
MOST_TRAININGS = 25
# Bars for which a signal is compared with a pattern.
PATTERN_BARS = 12
# A transaction holds whole days, and at least so many bars.
TRANSACTION_BARS = 100

_INSTANT = timedelta(microseconds=1)


def replay(
    connection: Connection,
    bars: Sequence[Bar],
    *,
    seed: int,
    on_day: Callable[[date, int, int], None],
    story: Story | None = None,
) -> Counter[str]:
    """Replay ``bars`` and write the resulting rows to the primary.

    Bars of several symbols and timeframes mix freely; a symbol that has several timeframes is
    traded in its shortest, the others are only stored. The same bars and seed give the same rows.
    It commits as it goes, in transactions of whole days, unless the caller has one open.

    Args:
        connection: the primary, with the platform's tables and the migrations.
        bars: in any order; at most one for each symbol, timeframe and opening.
        seed: of the modules, the traders and the exchange.
        on_day: called after each day with the day, days done and days in all.
        story: what happens in some nights, with a model of its own.

    Returns:
        The counts of the ``days``, of the written ``bars``, ``patterns``, ``signals`` (of these,
        ``executed`` and ``expired``), ``plans`` and ``orders``, of the ``trades`` that the
        platform's books closed, of the modules' ``trainings``, and of the ``training_records``
        (episodes, generations and spectral analyses) that these produced.

    Raises:
        ValueError: a bar is there twice, overlaps another of its symbol and timeframe, or was in
            the database before.
    """
    ordered = sorted(bars, key=lambda bar: (bar.closed_at, bar.symbol, bar.timeframe))
    if not ordered:
        return Counter()
    session = _Session(connection, ordered, seed)
    if story is not None:
        session.add(first_version(seed))
    days = [(day, list(group)) for day, group in groupby(ordered, key=_trading_day)]
    with writer.by_the_markets_clock(connection):
        for done, (day, closed) in enumerate(days, start=1):
            session.live_through(closed)
            has_night = story is not None and story.is_due(done)
            session.write(is_last=done == len(days) or has_night)
            if story is not None and has_night:
                session.sleep(story)
            on_day(day, done, len(days))
    return session.close_books([day for day, _ in days])


class _Session:
    """The state of one replay: the market so far, the platform, the modules, the rows to write."""

    def __init__(self, connection: Connection, bars: Sequence[Bar], seed: int) -> None:
        self._connection = connection
        self._history = History()
        random = Random(f"{seed} replay")  # noqa: S311 - a market, not a secret
        self._desk = Desk(price_decimals(bars), random)
        self._journal = Journal(connection)
        self._traded = shortest_timeframes((bar.symbol, bar.timeframe) for bar in bars)
        self._modules: list[AIModule] = []
        self._now = bars[0].closed_at
        # Counted in bars rather than in time: trainings then go where the bars are.
        self._bars_done = 0
        self._bars_between_trainings = len(bars) / MOST_TRAININGS
        self._bars_at_training: dict[AIModule, int] = {}
        self._champions: dict[str, str] = {}
        for module in modules(seed):
            self.add(module)

    def add(self, module: AIModule) -> None:
        """Let a module take part from now on; its signals become plans if it is a champion."""
        with self._connection.transaction():
            module.next_number = self._journal.register(module.model, self._now)
            self._look_who_decides()
        self._modules.append(module)

    def sleep(self, story: Story) -> None:
        """Let the story's night pass."""
        challenger = story.night(self._connection, self._now)
        if challenger is not None:
            self.add(challenger)
        with self._connection.transaction():
            self._look_who_decides()

    def _look_who_decides(self) -> None:
        self._champions = dict(
            self._connection.execute(
                "select model_name, version from public.ai_models where stage = 'champion'"
            ).fetchall()
        )

    def live_through(self, bars: Sequence[Bar]) -> None:
        """Let ``bars``, sorted by the time they closed, happen."""
        self._journal.bars.extend(bars)
        for at, group in groupby(bars, key=lambda bar: bar.closed_at):
            closed = list(group)
            self._now = at
            self._bars_done += len(closed)
            traded = [bar for bar in closed if self._traded[bar.symbol] == bar.timeframe]
            for bar in traded:
                self._history.append(bar)
            self._desk.on_close(traded, self._history)
            for module in self._modules:
                self._train(module, at)
                for signal in module.signals(self._history, at):
                    self._issue(module, signal)

    def write(self, *, is_last: bool) -> None:
        """Commit the collected rows, if they are enough for a transaction."""
        if is_last or len(self._journal.bars) >= TRANSACTION_BARS:
            with self._connection.transaction():
                self._journal.write(self._desk.drain(), self._now)

    def close_books(self, days: Sequence[date]) -> Counter[str]:
        """Write the account's daily statistics; return the counts of the whole replay."""
        # The statistics come last, since an order counts in its final state: one that is filled
        # over two days belongs to the second.
        trades, _ = books.close_trades(self._journal.orders)
        with self._connection.transaction():
            writer.write_stats(self._connection, books.daily_stats(trades, days))
            writer.update_balances(self._connection, CAPITAL)
        return self._journal.counts + Counter(days=len(days), trades=len(trades))

    def _train(self, module: AIModule, at: datetime) -> None:
        last = self._bars_at_training.get(module)
        if last is not None and self._bars_done - last < self._bars_between_trainings:
            return
        if module.is_due(self._history):
            self._bars_at_training[module] = self._bars_done
            self._journal.trainings.append((module.model, module.retrain(self._history, at)))

    def _issue(self, module: AIModule, signal: Signal) -> None:
        model, plan = module.model, None
        if self._champions[model.model_name] == model.version:
            plan = self._desk.on_signal(model, signal, self._history[signal.symbol])
        age = PATTERN_BARS * timeframe_length(self._traded[signal.symbol])
        self._journal.signals.append(IssuedSignal(model, signal, age, plan))


def _trading_day(bar: Bar) -> date:
    """UTC day that a bar ends: one that closes at midnight ends the day before."""
    return (bar.closed_at - _INSTANT).date()
