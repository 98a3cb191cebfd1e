"""Whatever an AI module writes is stored exactly as it is, or refused by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from ai_desk import AT, Desk, dictionaries
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from runner.client import (
    AITradingIntegration,
    InvalidRecordError,
    validation,
)
from runner.client.records import Model, Signal, SpectrumResult

# --- anything at all ----------------------------------------------------------------------------

# What ends a string, a statement, a COPY's field or row, a JSON text or a format somewhere.
METACHARACTERS = "'\"\\;-/*$%{}[]():,\t\n\r\x08\x0b\x1f\x7f\0\u2028\ufeff\U0001f40d é\ud800N."
TEXT = st.one_of(
    st.text(METACHARACTERS, max_size=12),
    st.text(max_size=12),
    st.sampled_from(
        [
            "'; drop table ai_models; --", "\\N", "\\.", "\\\\n", "%s", "{0}", "$1", "null", "NaN",
            "<script>", "../..", "\u202eevil", "x" * 100, "x" * 101, "ü" * 200, "",
        ]
    ),
)  # fmt: skip
NUMBER = st.one_of(
    st.floats(0, 1), st.floats(), st.integers(-2, 2**60), st.sampled_from([None, True, "0.5", 1])
)
PRICE = st.one_of(
    st.decimals("0.00000001", "999999999999.99999999", places=8),
    st.decimals(allow_nan=True, allow_infinity=True),
    st.sampled_from([None, 1, 1.5, Decimal("1.50"), Decimal("1E+11"), Decimal("1e-9"), "1"]),
)
TIME = st.one_of(
    st.datetimes(datetime(1980, 1, 1), datetime(2100, 1, 1), timezones=st.timezones()),
    st.datetimes(),
    st.just("2025-03-01"),
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.floats(), st.integers(-(2**70), 2**70), TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=6,
)
OBJECT = st.one_of(st.dictionaries(TEXT, JSON, max_size=3), JSON)
KIND = st.sampled_from(["BUY", "SELL", "HOLD", "hold", "BUY'", None])
ANALYSIS = st.sampled_from(["fourier", "wavelet", "compressed_sensing", "tarot"])

# A field in doubt beside fields that are good, so that not all are refused for the same reason.
GOOD_SIGNAL: Mapping[str, Any] = {
    "symbol": "BTCUSD", "signal_type": "BUY", "confidence": 0.5, "created_at": AT,
    "expires_at": None, "price_target": None, "stop_loss": None, "take_profit": None,
    "metadata": {}, "idempotency_key": None,
}  # fmt: skip
ANY_SIGNAL: Mapping[str, st.SearchStrategy[Any]] = {
    "symbol": TEXT, "signal_type": KIND, "confidence": NUMBER, "created_at": TIME,
    "expires_at": TIME, "price_target": PRICE, "stop_loss": PRICE, "take_profit": PRICE,
    "metadata": OBJECT, "idempotency_key": TEXT,
}  # fmt: skip
GOOD_RESULT: Mapping[str, Any] = {
    "symbol": "BTCUSD", "analysis_type": "fourier", "dominant_frequencies": (),
    "pattern_confidence": None, "anomaly_score": None, "created_at": AT, "analysis_data": {},
}  # fmt: skip
ANY_RESULT: Mapping[str, st.SearchStrategy[Any]] = {
    "symbol": TEXT, "analysis_type": ANALYSIS, "pattern_confidence": NUMBER,
    "dominant_frequencies": st.one_of(st.lists(OBJECT, max_size=2).map(tuple), OBJECT),
    "anomaly_score": NUMBER, "created_at": TIME, "analysis_data": OBJECT,
}  # fmt: skip
GOOD_MODEL: Mapping[str, Any] = {
    "model_type": "sparse_spectrum", "model_name": "m", "version": "1", "config": {},
}  # fmt: skip
ANY_MODEL: Mapping[str, st.SearchStrategy[Any]] = {
    "model_type": st.sampled_from(("sparse_spectrum", "genetic_optimization", "", " x", None, 7)),
    "model_name": TEXT, "version": TEXT, "config": OBJECT,
}  # fmt: skip


def generated(
    kind: type[Any],
    good: Mapping[str, Any],
    doubtful: Mapping[str, st.SearchStrategy[Any]],
    count: int,
) -> list[Any]:
    """``count`` records with up to three fields in doubt, the same in every run."""
    made: list[Any] = []
    records = st.sets(st.sampled_from(sorted(doubtful)), min_size=1, max_size=3).flatmap(
        lambda names: st.fixed_dictionaries({name: doubtful[name] for name in sorted(names)})
    )

    # Most of the time goes into an example, hardly any into what one holds.
    @settings(
        max_examples=count // 25,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.tuples(*[records] * 25))
    def collect(fields: tuple[dict[str, Any], ...]) -> None:
        made.extend(kind(**{**good, **some}) for some in fields)

    collect()
    assert len(made) >= count
    return made


def split(records: list[Any], check: Callable[[Any], object]) -> list[Any]:
    """The records that validation lets through; the others' refusals can be read by a person."""
    accepted = []
    for record in records:
        refusal = refused(check, record)
        if refusal is None:
            accepted.append(record)
        else:
            # It can be printed and logged, whatever stood in the record.
            assert len(str(refusal).encode()) < 1000
            assert refusal.field in str(refusal)
    # Both happen often, or the generator tests nothing.
    assert 0.1 < len(accepted) / len(records) < 0.9
    return accepted


def refused(check: Callable[[Any], object], record: Any) -> InvalidRecordError | None:
    try:
        check(record)
    except InvalidRecordError as refusal:
        return refusal
    return None


def in_utc(value: Any) -> Any:
    """A time that a zone has twice a year equals no time of another zone, in Python's eyes."""
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def same_json(stored: Any, given: Any) -> bool:
    """Whether jsonb kept a value: it writes 1e16 with its zeros, which Python reads as an int."""
    if isinstance(given, dict):
        return stored.keys() == given.keys() and all(same_json(stored[k], given[k]) for k in given)
    if isinstance(given, list | tuple):
        return len(stored) == len(given) and all(map(same_json, stored, given))
    if isinstance(given, float):
        return float(stored) == given
    return type(stored) is type(given) and bool(stored == given)


def test_generated_signals_are_stored_exactly_or_refused(desk: Desk) -> None:
    made = generated(Signal, GOOD_SIGNAL, ANY_SIGNAL, 7_000)
    ready = [replace(signal, model_id=desk.model_id) for signal in made]
    accepted = split(ready, lambda signal: validation.signal_row(signal, "made"))
    # One of a key: the others are the business of other tests.
    keyed = {signal.idempotency_key: signal for signal in accepted if signal.idempotency_key}
    one_of_each = [*keyed.values(), *(s for s in accepted if s.idempotency_key is None)]
    singles, bulk = one_of_each[::5], [s for n, s in enumerate(one_of_each) if n % 5]
    ids = desk.module.store_ai_signals(bulk)
    with desk.landscape.primary.connect() as connection, connection.transaction():
        inside = AITradingIntegration.inside(connection)
        ids += [inside.store_ai_signal(signal) for signal in singles]
    stored = {row["id"]: row for row in dictionaries(desk, "select * from ai_trading_signals")}
    assert len(stored) == len(one_of_each)
    for id_, signal in zip(ids, [*bulk, *singles], strict=True):
        row = stored[id_]
        for name in GOOD_SIGNAL:
            if name == "metadata":
                assert same_json(row[name], signal.metadata)
            elif name != "idempotency_key" or signal.idempotency_key is not None:
                assert row[name] == in_utc(getattr(signal, name)), name


def test_other_generated_records_are_stored_exactly_or_refused(desk: Desk) -> None:
    results = generated(SpectrumResult, GOOD_RESULT, ANY_RESULT, 2_000)
    accepted = split(results, lambda result: validation.spectrum_row(1, result))
    ids = desk.module.store_spectrum_results(desk.model_id, accepted)
    rows = dictionaries(desk, "select * from spectrum_analysis order by id")
    for id_, result, row in zip(ids, accepted, rows, strict=True):
        assert row["id"] == id_
        for name in GOOD_RESULT:
            value = getattr(result, name)
            is_json = name in ("dominant_frequencies", "analysis_data")
            assert same_json(row[name], value) if is_json else row[name] == in_utc(value), name

    models = generated(Model, GOOD_MODEL, ANY_MODEL, 1_000)
    kept = {(m.model_name, m.version): m for m in reversed(split(models, validation.model_row))}
    with desk.landscape.primary.connect() as connection, connection.transaction():
        inside = AITradingIntegration.inside(connection)
        by_id = {inside.register_model(model): model for model in kept.values()}
    for row in dictionaries(desk, "select * from ai_models"):
        if row["id"] in by_id:
            model = by_id.pop(row["id"])
            assert (row["model_name"], row["version"]) == (model.model_name, model.version)
            assert same_json(row["config"], model.config)
    assert by_id == {}
