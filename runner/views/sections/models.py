"""Sections about models: what they know, their health and training, and whether it is true."""

from __future__ import annotations

from collections.abc import Callable

from runner.views import charts, evidence_tables, tables
from runner.views.asked import WINDOWS, Asked
from runner.views.dashboard.marts import Row
from runner.views.dashboard.wording import UNDEFINED, count, day, label
from runner.views.surface import Section, Surface, Table
from runner.words import plural

_PROGRESS = {True: "improving", False: "not improving", None: UNDEFINED}


def _skill(to: Surface, asked: Asked) -> None:
    found = to.ask("model_skill", asked)
    if not found:
        _none(to, asked, "No model yet. AI modules register themselves when they first write.")
        return
    to.say(
        "Of all BUY and SELL signals, whatever anybody traded. A coin has a Brier score of 0.25 "
        "and a rank IC of 0: lower, and higher, is better."
    )
    to.table(tables.SKILL, [row for row in found if row["is_chosen"]])


def _decay(to: Surface, asked: Asked) -> None:
    found = to.ask("model_skill", asked)
    told = {name: window for window, name in WINDOWS.items()}
    known = [
        row | {"window_told": told[row["window_name"]]}
        for row in found
        if row["brier_score"] is not None
    ]
    if not known:
        _none(to, asked, "No resolved signal yet.")
        return
    lasting = [
        row for row in found if row["is_chosen"] and row["signal_half_life_bars"] is not None
    ]
    shown = [(charts.skill(known, 0.25), "Brier score of each model in each window")]
    if lasting:
        shown.append((charts.half_lives(lasting), "Part of the rank IC left after so many bars"))
    to.charts(shown, [], "")
    if not lasting:
        to.say("No model has a half-life in this window.")


def _calibration(to: Surface, asked: Asked) -> None:
    found = to.ask("calibration", asked)
    if not found:
        _none(to, asked, "No resolved signal yet.")
        return
    to.say(
        "On the dashed line, a model is right as often as it predicts. The size is the number of "
        "signals resolved so far, those of the open day too; a line is the 95% interval."
    )
    for row in found:
        row["observed_rate_95"] = row["observed_rate_lower"], row["observed_rate_upper"]
    models = dict.fromkeys(row["model"] for row in found)
    to.charts(
        [
            (
                charts.calibration([row for row in found if row["model"] == model], model),
                f"Observed hit rate of {model} by predicted probability",
            )
            for model in models
        ],
        [],
        "",
    )
    to.table(evidence_tables.CALIBRATION, found)


def _runs(to: Surface, asked: Asked) -> None:
    found = to.ask("training_runs", asked)
    if not found:
        _none(to, asked, "No training yet. Episodes, generations and analyses show here.")
        return
    for row in found:
        row["answer"] = _PROGRESS[row["is_learning"]]
        if row["is_plateau"]:
            row["answer"] += ", plateau"
    to.table(tables.TRAINING, found)


def _curve(step: str, value: str) -> Callable[[Surface, Asked], None]:
    def draw(to: Surface, asked: Asked) -> None:
        found = [row for row in to.ask("training_steps", asked) if row["step_kind"] == step]
        if not found:
            _none(to, asked, f"No {step} of any model.")
            return
        if any(row["run"] > 1 for row in found):
            to.say("A dotted line is where a retraining begins.")
        to.charts(
            [(charts.training(found, step=step, value=value), f"Training: {value} by {step}")],
            found,
            f"{step}s",
        )

    return draw


def _health(to: Surface, asked: Asked) -> None:
    found = to.ask("model_health", asked)
    if not found:
        _none(to, asked, "No closed day of a model yet.")
        return
    if alarmed := alarms(to, asked):
        to.warn(alarmed)
    to.say("Of the last days, beside each version's reference.")
    to.table(tables.HEALTH, found)


def alarms(to: Surface, asked: Asked) -> str:
    """The models that must be retrained, why and since when; or nothing."""
    by_model: dict[str, list[str]] = {}
    for row in to.ask("open_alarms", asked):
        told = f"{label(row['reason'])} since {day(row['first_breach_date'])}"
        by_model.setdefault(row["model"], []).append(told)
    told = ", ".join(f"{model} ({', '.join(why)})" for model, why in by_model.items())
    return f"Retrain: {told}." if told else ""


def _listed(question: str, table: Table, none: str) -> Callable[[Surface, Asked], None]:
    def draw(to: Surface, asked: Asked) -> None:
        if found := to.ask(question, asked):
            to.table(table, found)
        else:
            _none(to, asked, none)

    return draw


def _spectra(to: Surface, asked: Asked) -> None:
    found = to.ask("spectra", asked)
    if not found:
        _none(to, asked, "No spectral analysis yet.")
        return
    for row in found:
        row["anomaly"] = {True: "yes", False: "no", None: None}[row["is_anomaly"]]
    if anomalies := [f"{row['symbol']} ({label(row['analysis_type'])})" for row in found
                     if row["is_anomaly"]]:  # fmt: skip
        to.say(f"Anomalies now: {', '.join(anomalies)}.")
    to.table(tables.SPECTRA, found)


def _audit(to: Surface, asked: Asked) -> None:
    found = to.ask("model_audit", asked)
    if not found:
        _none(to, asked, "No model yet. AI modules register themselves when they first write.")
        return
    if high := not_as_they_say(found):
        to.warn(high)
    if unknown := sum(row["signals_not_known"] for row in found):
        to.say(f"When they were stored is not known of {plural(unknown, 'signal')}.")
    if imported := sum(row["signals_imported"] for row in found):
        to.say(f"Imported, with times that nothing proves: {plural(imported, 'signal')}.")
    to.table(tables.AUDIT, found)
    findings = to.ask("signal_audit", asked)
    if not findings:
        to.say("No finding.")
        return
    for row in findings:
        row["finding_told"] = label(row["finding_kind"])
    if findings[0]["count"] > len(findings):
        to.say(f"The first {len(findings)} of {count(findings[0]['count'])}.")
    to.table(tables.FINDINGS, findings)


def not_as_they_say(found: list[Row]) -> str:
    """The models with signals that are not as they say, and how many findings; or nothing."""
    high = [
        f"{row['model']} ({count(row['high_findings'])})" for row in found if row["high_findings"]
    ]
    return f"Not as they say: {', '.join(high)}." if high else ""


def _none(to: Surface, asked: Asked, text: str) -> None:
    to.empty(f"Nothing in this choice ({asked})." if asked.chosen else text)


def _section(
    title: str,
    mart: str,
    question: str,
    draw: Callable[[Surface, Asked], None],
    *,
    is_half: bool = False,
) -> Section:
    return Section(title, (mart,), (question,), draw, is_half)


SECTIONS = (
    _section("Skill", "performance.model_skill", "model_skill", _skill),
    _section("Skill decay", "performance.model_skill", "model_skill", _decay),
    _section("Calibration", "performance.model_calibration", "calibration", _calibration),
    _section("Training progress", "training.training_runs", "training_runs", _runs),
    _section(
        "Rewards", "training.rl_progress", "training_steps",
        _curve("episode", "reward"), is_half=True,
    ),
    _section(
        "Fitness", "training.genetic_progress", "training_steps",
        _curve("generation", "fitness"), is_half=True,
    ),
    Section(
        "Health", ("operations.model_health", "operations.retraining_triggers"),
        ("model_health",), _health,
    ),
    _section(
        "Alarms", "operations.retraining_triggers", "model_triggers",
        _listed("model_triggers", tables.TRIGGERS, "No alarm yet."),
    ),
    _section(
        "Trials", "operations.model_trials", "model_trials",
        _listed("model_trials", tables.TRIALS, "No version in shadow beside a champion."),
        is_half=True,
    ),
    _section(
        "Stages", "operations.model_history", "model_history",
        _listed("model_history", tables.HISTORY, "No stage of a version yet."),
        is_half=True,
    ),
    Section(
        "Audit", ("operations.model_audit", "operations.signal_audit"),
        ("model_audit", "signal_audit"), _audit,
    ),
    _section("Spectral analysis", "training.spectrum_findings", "spectra", _spectra),
)  # fmt: skip
