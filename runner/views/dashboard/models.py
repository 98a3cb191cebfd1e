"""Models: a model's skill, its calibration, and whether it learns."""

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
    with left, parts.section("Is its confidence meant?", "performance.model_calibration"):
        _calibration(asked)
    with right, parts.section("Does it fade?", "performance.model_skill"):
        _decay(asked)
    with parts.section("Is it learning?", "training.training_runs"):
        _runs(asked)
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
