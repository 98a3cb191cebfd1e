"""Limits of a record's values. The checks of the API and of the importer use them.

SQL has the same limits of its own: in the functions ``ai_is_…`` of the migrations 0026 to 0029,
and in the rules of staging (``macros/rejected/``). ``tests/integration/client/test_same_limits.py``
holds all three to the same bounds. To change one, change all three; the migration replaces the
function and calls ``limit_ai_rows`` for each table, since triggers have the limits written out.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal, get_args

SignalType = Literal["BUY", "SELL", "HOLD"]
AnalysisType = Literal["fourier", "wavelet", "compressed_sensing"]
SignalStatus = Literal["ACTIVE", "EXECUTED", "EXPIRED"]

SIGNAL_TYPES: tuple[str, ...] = get_args(SignalType)
ANALYSIS_TYPES: tuple[str, ...] = get_args(AnalysisType)
STATUSES: tuple[str, ...] = get_args(SignalStatus)

MAX_JSON_BYTES = 64 * 1024
"""Size of a JSON column as PostgreSQL writes it in UTF-8: larger data belong in a file."""
MAX_JSON_DEPTH = 64
MAX_SYMBOL = 64
"""Characters of a symbol."""
MAX_NAME = 200
"""Characters of a model's name, a version and an idempotency key: an index can hold them."""
WORD = re.compile(r"[a-z][a-z0-9_]{0,63}")
"""A kind of model."""
PRICE_DECIMALS = 18
MAX_AMOUNT = Decimal(10) ** 15
"""A price, a volume or a portfolio's value is below this: a sum of 100,000 fits numeric(38, 18)."""
MIN_DOUBLE, MAX_DOUBLE = 1e-100, 1e100
"""A double is 0 or of this magnitude, so that squares and sums neither overflow nor underflow."""
FIRST_TIME, END_OF_TIME = datetime(1971, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
"""A time outside these bounds was never set, or has a wrong unit: a time within them, in seconds,
is outside if it is read as milliseconds, and the other way round."""
FIRST_YEAR, LAST_YEAR = FIRST_TIME.year, END_OF_TIME.year - 1
TIMEFRAME = re.compile(r"[1-9][0-9]{0,3}[mhdw]")
MAX_COUNT = 2**31 - 1
MAX_ID = 2**63 - 1
