"""The API for AI modules: it stores signals and trainings, creates trade plans and reads marts.

It writes to the primary as ``ai_writer`` and reads the replica as ``bi_reader``, and loads neither
dbt nor the command line. Rooms it imports: servers.
"""

from runner.client.errors import (
    DuplicateRecordError,
    ExecutedSignalError,
    ExpiredSignalError,
    HoldSignalError,
    IdempotencyConflictError,
    ModelConflictError,
    NotStoredError,
    OutcomeUnknownError,
    PlanRefusedError,
    PlatformTableError,
    RowsRefusedError,
    ShadowSignalError,
    StoreError,
    UnknownSignalError,
)
from runner.client.limits import MAX_JSON_BYTES, AnalysisType, SignalType
from runner.client.pools import AsyncPools, Pools
from runner.client.records import (
    Bar,
    Episode,
    Generation,
    Model,
    PlatformKey,
    RelatedPattern,
    Signal,
    SpectrumResult,
)
from runner.client.signals import AITradingIntegration, AsyncAITradingIntegration
from runner.client.values import InvalidRecordError

__all__ = [
    "MAX_JSON_BYTES",
    "AITradingIntegration",
    "AnalysisType",
    "AsyncAITradingIntegration",
    "AsyncPools",
    "Bar",
    "DuplicateRecordError",
    "Episode",
    "ExecutedSignalError",
    "ExpiredSignalError",
    "Generation",
    "HoldSignalError",
    "IdempotencyConflictError",
    "InvalidRecordError",
    "Model",
    "ModelConflictError",
    "NotStoredError",
    "OutcomeUnknownError",
    "PlanRefusedError",
    "PlatformKey",
    "PlatformTableError",
    "Pools",
    "RelatedPattern",
    "RowsRefusedError",
    "ShadowSignalError",
    "Signal",
    "SignalType",
    "SpectrumResult",
    "StoreError",
    "UnknownSignalError",
]
