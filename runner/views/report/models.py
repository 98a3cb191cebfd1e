"""Sections about models: what they know, whether they get worse, and how they train."""

from __future__ import annotations

from runner.views.dashboard.wording import count, day, moment, number
from runner.views.report.draft import Draft, text, yes


def models(draft: Draft) -> None:
    """Skill and calibration."""
    from runner.views import charts

    with draft.section(
        "Do the models know anything?",
        "performance.model_skill",
        "performance.model_calibration",
    ) as made:
        skill = draft.ask("model_skill", models=None)
        made.notes.append(
            "Of all days. A coin has a Brier score of 0.25 and a rank IC of 0: lower, and "
            "higher, is better."
        )
        draft.table(
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
            draft.chart(
                made,
                charts.skill(known, "brier_score", 0.25, "Brier score"),
                "Brier score of each model over windows that grow shorter",
            )
        if bins := draft.ask("calibration", models=None):
            draft.chart(
                made,
                charts.calibration(bins),
                "How often signals were right, by how often they claim to be",
            )


def health(draft: Draft) -> None:
    """Health, alarms, trials and stages."""
    with draft.section(
        "Do models get worse, and what replaces them?",
        "operations.model_health",
        "operations.retraining_triggers",
        "operations.model_trials",
        "operations.model_history",
    ) as made:
        health = draft.ask("model_health", models=None)
        if alarmed := [row["model"] for row in health if row["open_triggers"]]:
            made.notes.append(f"Retrain: {', '.join(alarmed)}.")
        made.notes.append("Of the last days, beside what each version was in its reference.")
        draft.table(
            made,
            "operations.model_health",
            health,
            ("model", "Model", str),
            ("stage", "Stage", str),
            ("open_triggers", "Retrain?", text),
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
        draft.table(
            made,
            "operations.retraining_triggers",
            draft.ask("model_triggers", models=None),
            ("model", "Alarm of", str),
            ("reason", "Reason", str),
            ("alarm_date", "Alarm", day),
            ("cleared_date", "Cleared", day),
            ("figure", "Figure", number),
            ("threshold", "Threshold", number),
        )
        draft.table(
            made,
            "operations.model_trials",
            draft.ask("model_trials", models=None),
            ("challenger", "In shadow", str),
            ("champion", "Champion", str),
            ("verdict", "Verdict", str),
            ("e_value", "e-value", number),
            ("challenger_outcomes", "Outcomes", count),
            ("started_at", "Began", moment),
        )
        draft.table(
            made,
            "operations.model_history",
            draft.ask("model_history", models=None),
            ("model", "Version", str),
            ("stage", "Stage", str),
            ("started_at", "From", moment),
            ("reason", "Why", str),
        )


def training(draft: Draft) -> None:
    """Training runs."""
    from runner.views import charts

    with draft.section(
        "Are they learning?",
        "training.training_runs",
        "training.rl_progress",
        "training.genetic_progress",
    ) as made:
        draft.table(
            made,
            "training.training_runs",
            draft.ask("training_runs", models=None),
            ("model", "Model", str),
            ("run_kind", "Trained by", str),
            ("is_learning", "Learning?", yes),
            ("is_plateau", "At a plateau?", yes),
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
            if rows := draft.ask(question, models=None):
                made_of = charts.training(rows, step=step, value=value)
                draft.chart(made, made_of, f"Training: {value} by {step}")
