"""A search is kept, and what is kept decides nothing."""

from __future__ import annotations

from runner.servers.database import Connection
from runner.tuning.ensemble import Settings
from runner.tuning.record import MODEL, record
from runner.tuning.search import Tuning

PRESENT = Settings(12, 24, 0.01, 0.01)


def tuning(generations: int) -> Tuning:
    return Tuning(
        present=PRESENT,
        found=PRESENT,
        verdict="keep",
        days=100,
        tried=3,
        folds=(),
        mean_difference=0.0,
        mean_difference_low=-1.0,
        mean_difference_high=1.0,
        out_of_sample_p=0.5,
        reality_check_p=0.5,
        generations=tuple(
            {
                "best_fitness": float(number),
                "average_fitness": 0.0,
                "population_diversity": 0.1,
                "best_individual": {"share": 0.01},
            }
            for number in range(generations)
        ),
    )


def test_searches_are_versions_that_never_decide(deployed_primary: Connection) -> None:
    first = record(deployed_primary, tuning(8), {"tried": 3})
    second = record(deployed_primary, tuning(2), {"tried": 4})
    assert first < second
    found = deployed_primary.execute(
        "select m.version, m.stage, s.evidence, count(g.id), max(g.best_fitness)"
        " from ai_models as m inner join ai_model_stages as s on s.model_id = m.id"
        " left join genetic_generations as g on g.model_id = m.id"
        " where m.model_name = %s and s.stage = 'retired'"
        " group by m.id, s.id order by m.id",
        (MODEL,),
    ).fetchall()
    assert found == [
        (first, "retired", {"tried": 3}, 8, 7.0),
        (second, "retired", {"tried": 4}, 2, 1.0),
    ]
