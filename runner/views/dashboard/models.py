"""Models: a model's skill, its calibration, whether it learns, its health and its versions."""

from __future__ import annotations

import streamlit as st

from runner.views import charts
from runner.views.dashboard import data, parts
from runner.views.dashboard.parts import Column, Filters
from runner.views.dashboard.wording import escaped

SKILL = {
    "model": Column("Model", of="performance.model_skill.model_name"),
    "n": Column("Resolved signals", "number"),
    "brier_score": Column("Brier score", "number", "%.4f"),
    "expected_calibration_error": Column("Calibration error", "number", "%.3f"),
    "rank_ic": Column("Rank IC", "number", "%.3f"),
    "ic_ir": Column("IC IR", "number", "%,.2f"),
    "rank_ic_observations": Column("IC signals", "number"),
    "signal_half_life_bars": Column("Half-life in bars", "number", "%.1f"),
    "turnover": Column("Turnover", "number", "%,.2f"),
    "window_first_date": Column("From", "day"),
    "window_last_date": Column("To", "day"),
}
TRAINING = {
    "model": Column("Model", of="training.training_runs.model_name"),
    "run_kind": Column("Trained by"),
    "answer": Column("Learning?", of="training.training_runs.is_learning"),
    "steps": Column("Steps", "number"),
    "first_mean_value": Column("First steps", "number", "%.3f"),
    "last_mean_value": Column("Last steps", "number", "%.3f"),
    "improvement": Column("Improvement", "number", "%.3f"),
    "improvement_z_score": Column("Standard errors", "number", "%,.2f"),
    "best_value": Column("Best", "number", "%.3f"),
    "steps_since_best": Column("Steps since", "number"),
    "last_step_at": Column("Last step", "time"),
}
SPECTRA = {
    "model": Column("Model", of="training.spectrum_findings.model_name"),
    "symbol": Column("Symbol"),
    "analysis_type": Column("Analysis"),
    "dominant_period_bars": Column("Cycle in bars", "number", "%.1f"),
    "dominant_period_bars_change": Column("Change", "number", "%.1f"),
    "dominant_share": Column("Share of power", "share"),
    "pattern_confidence": Column("Confidence", "share"),
    "anomaly_score": Column("Anomaly score", "number", "%,.2f"),
    "unusual": Column("Unusual?", of="training.spectrum_findings.is_anomaly"),
    "created_at": Column("Analysed", "time"),
}
HEALTH = {
    "model": Column("Model", of="operations.model_health.model_name"),
    "stage": Column("Stage"),
    "open_triggers": Column("Retrain?", of="operations.retraining_triggers.reason"),
    "window_signals": Column("Signals", "number"),
    "psi_confidence": Column("PSI confidence", "number", "%.2f"),
    "psi_signal_mix": Column("PSI mix", "number", "%.2f"),
    "brier_score": Column("Brier score", "number", "%.4f"),
    "reference_brier_score": Column("was", "number", "%.4f"),
    "expected_calibration_error": Column("Calibration error", "number", "%.3f"),
    "reference_expected_calibration_error": Column("was ", "number", "%.3f"),
    "excess_loss": Column("Excess loss", "number", "%.4f"),
    "reference_excess_loss": Column("was  ", "number", "%.4f"),
    "rank_ic": Column("Rank IC", "number", "%.3f"),
    "days_since_signal": Column("Days silent", "number"),
    "days_since_training": Column("Days untrained", "number"),
    "health_date": Column("On", "day"),
}
TRIGGERS = {
    "model": Column("Model", of="operations.retraining_triggers.model_name"),
    "reason": Column("Reason"),
    "first_breach_date": Column("Since", "day"),
    "alarm_date": Column("Alarm", "day"),
    "cleared_date": Column("Cleared", "day"),
    "figure": Column("Figure", "number", "%,.2f"),
    "threshold": Column("Threshold", "number", "%,.2f"),
    "n": Column("Facts", "number"),
}
TRIALS = {
    "challenger": Column("In shadow", of="operations.model_trials.challenger_version"),
    "champion": Column("Champion", of="operations.model_trials.champion_version"),
    "verdict": Column("Verdict"),
    "e_value": Column("e-value", "number", "%,.2f"),
    "challenger_outcomes": Column("Outcomes", "number"),
    "loss_difference": Column("Better by", "number", "%.4f"),
    "started_at": Column("Began", "time"),
    "deadline_date": Column("Over on", "day"),
}
HISTORY = {
    "model": Column("Model", of="operations.model_history.model_name"),
    "stage": Column("Stage"),
    "started_at": Column("From", "time"),
    "ended_at": Column("To", "time"),
    "reason": Column("Why"),
}
YES_NO = {True: "yes", False: "no", None: None}


def page() -> None:
    """Draw the page."""
    st.title("Models", anchor=False)
    window = parts.window()
    asked = Filters()
    with parts.section(""):
        asked = parts.filters(symbols=True, models=True)
    with parts.section("Skill", "performance.model_skill"):
        _skill(asked, window)
    left, right = st.columns(2, gap="large")
    with left, parts.section("Calibration", "performance.model_calibration"):
        _calibration(asked)
    with right, parts.section("Skill decay", "performance.model_skill"):
        _decay(asked)
    with parts.section("Training: is it learning?", "training.training_runs"):
        _runs(asked)
    with parts.section("Health", "operations.model_health"):
        _health(asked)
    left, right = st.columns(2, gap="large")
    with left, parts.section("Is another version better?", "operations.model_trials"):
        _listed(asked, "model_trials", TRIALS, "No version in shadow beside a champion.")
    with right, parts.section("Which version decided?", "operations.model_history"):
        _listed(asked, "model_history", HISTORY, "No stage of a version yet.")
    left, right = st.columns(2, gap="large")
    with left, parts.section("Rewards", "training.rl_progress"):
        _curve(asked, "episodes", "episode", "reward", "Reinforcement learning: reward by episode")
    with right, parts.section("Fitness", "training.genetic_progress"):
        _curve(asked, "generations", "generation", "fitness", "Genetic search: average and best")
    with parts.section("Spectra", "training.spectrum_findings"):
        _spectra(asked)


def _skill(asked: Filters, window: str) -> None:
    found = data.rows("model_skill", models=asked.models)
    if not found:
        st.info("**No model yet.** AI modules register themselves when they first write.")
        return
    rows = [row for row in found if row["window_name"] == window]
    parts.remark(
        "Of all BUY and SELL signals, whatever anybody traded. A coin has a Brier score of "
        "0.25 and a rank IC of 0: lower, and higher, is better."
    )
    parts.table(
        rows, SKILL, mart="performance.model_skill", name=f"model_skill_{window}",
        alt="Skill of each model in the window",
    )  # fmt: skip


def _calibration(asked: Filters) -> None:
    found = data.rows("calibration", models=asked.models)
    if not found:
        st.info("No resolved signal yet.")
        return
    parts.chart(
        charts.calibration(found),
        "How often signals were right, by how often they claim to be, with 95% intervals",
    )
    parts.remark(
        "On the dashed line, a model is right as often as it claims. The size is the number "
        "of signals; a line is the 95% interval."
    )
    parts.download(found, "model_calibration")


def _decay(asked: Filters) -> None:
    found = data.rows("model_skill", models=asked.models)
    known = [row for row in found if row["brier_score"] is not None]
    if not known:
        st.info("No resolved signal yet.")
        return
    parts.chart(
        charts.skill(known, "brier_score", 0.25, "Brier score"),
        "Brier score of each model over windows that grow shorter, beside a coin's 0.25",
    )
    lasting = [
        row
        for row in found
        if row["window_name"] == "all" and row["signal_half_life_bars"] is not None
    ]
    if lasting:
        parts.chart(
            charts.half_lives(lasting), "Share of a signal's rank IC left after so many bars"
        )
    else:
        parts.remark("No model has a half-life: see its definition in the table above.")


def _runs(asked: Filters) -> None:
    found = data.rows("training_runs", models=asked.models)
    if not found:
        st.info("**No training yet.** The modules' episodes, generations and analyses show here.")
        return
    for row in found:
        row["answer"] = _answer(row["is_learning"], row["is_plateau"])
    parts.table(
        found, TRAINING, mart="training.training_runs", name="training_runs",
        alt="Whether each model is learning",
    )  # fmt: skip


def _answer(is_learning: bool | None, is_plateau: bool | None) -> str | None:
    if is_learning is None:
        return "too early to say"
    if is_learning:
        return "yes"
    return "no, at a plateau" if is_plateau else "no"


def _health(asked: Filters) -> None:
    found = data.rows("model_health", models=asked.models)
    if not found:
        st.info("No closed day of a model yet.")
        return
    alarmed = [f"{row['model']} ({row['open_triggers']})" for row in found if row["open_triggers"]]
    if alarmed:
        st.warning(f"Retrain: {escaped(', '.join(alarmed))}.")
    parts.remark("Of the last days, beside what each version was in its reference.")
    parts.table(
        found, HEALTH, mart="operations.model_health", name="model_health",
        alt="Health of each model version on its last day",
    )  # fmt: skip
    _listed(asked, "model_triggers", TRIGGERS, "No alarm yet.", mart="retraining_triggers")


def _listed(
    asked: Filters, name: str, columns: dict[str, Column], none: str, *, mart: str | None = None
) -> None:
    found = data.rows(name, models=asked.models)
    if not found:
        st.info(none)
        return
    mart = mart or name
    parts.table(found, columns, mart=f"operations.{mart}", name=mart, alt=mart.replace("_", " "))


def _curve(asked: Filters, question: str, step: str, value: str, alt: str) -> None:
    found = data.rows(question, models=asked.models)
    if not found:
        st.info(f"No {step} of {'these models' if asked.models else 'any model'}.")
        return
    parts.chart(charts.training(found, step=step, value=value), alt)
    parts.download(found, question)


def _spectra(asked: Filters) -> None:
    found = data.rows("spectra", **asked.names())
    if not found:
        st.info("No spectral analysis in this choice.")
        return
    for row in found:
        row["unusual"] = YES_NO[row["is_anomaly"]]
    unusual = [f"{row['symbol']} ({row['analysis_type']})" for row in found if row["is_anomaly"]]
    if unusual:
        st.markdown(f"Unusual now: {escaped(', '.join(unusual))}.")
    parts.table(
        found, SPECTRA, mart="training.spectrum_findings", name="spectrum_findings",
        alt="Newest spectral analysis of each model and symbol",
    )  # fmt: skip
