"""A platform whose costs are looked at."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from landscapes import Landscape, drop_landscape, make_landscape

from runner.demo.embedded import EmbeddedPair

MARTS = ("index_usage", "table_activity", "query_costs", "trading_impact", "storage_forecast")


@pytest.fixture(scope="package")
def built(pair: EmbeddedPair, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Landscape]:
    """A deployed platform with the marts of its costs."""
    made = make_landscape(pair, pair.urls().replica)
    made.deploy()
    assert not made.build(tmp_path_factory.mktemp("target"), *MARTS).failures
    yield made
    drop_landscape(made)


@pytest.fixture
def observed(built: Landscape) -> Landscape:
    """The same without a sample."""
    built.on_replica(
        "truncate signal_marts.samples cascade; truncate signal_marts.index_definitions"
    )
    return built
