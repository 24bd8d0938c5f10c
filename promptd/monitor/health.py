"""Health: one score with its arithmetic, and a grade.

The score is the weighted mean of the progress of all targets with data, of 100; the grade follows the
weighted share of targets that are met, so a near miss costs the grade but hardly the score. Targets without
data count for neither; without any data there is no score. Pure.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec

from promptd.monitor.targets import TargetVerdict

Grade = Literal["A", "B", "C", "D", "F"]
GRADES: tuple[tuple[float, Grade], ...] = ((0.9, "A"), (0.8, "B"), (0.7, "C"), (0.6, "D"), (0.0, "F"))


class ScoreTerm(msgspec.Struct, frozen=True):
    """One target's part: `points` is weight x progress."""

    target: str
    weight: int
    progress: float
    points: float


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """Score, grade and their parts; `arithmetic` is the calculation in words, for checking."""

    score: float | None
    grade: Grade | None
    targets_met: int
    targets_judged: int
    weight_met: int
    weight_judged: int
    arithmetic: str
    terms: list[ScoreTerm]


def health_of(verdicts: Sequence[TargetVerdict]) -> Health:
    """The health that follows from the verdicts."""
    judged = [verdict for verdict in verdicts if verdict.progress is not None]
    met = [verdict for verdict in judged if verdict.state != "missed"]
    terms = [_term(verdict) for verdict in judged]
    weight, weight_met = (sum(verdict.weight for verdict in some) for some in (judged, met))
    score = round(100 * sum(term.points for term in terms) / weight, 1) if weight else None
    return Health(
        score=score,
        grade=grade_of(weight_met / weight) if weight else None,
        targets_met=len(met),
        targets_judged=len(judged),
        weight_met=weight_met,
        weight_judged=weight,
        arithmetic=_arithmetic(terms, weight, weight_met, score),
        terms=terms,
    )


def grade_of(share_met: float) -> Grade:
    """A from 90 % of the weighted targets, B 80, C 70, D 60, F below."""
    return next(grade for least, grade in GRADES if share_met >= least - 1e-9)


def _term(verdict: TargetVerdict) -> ScoreTerm:
    progress = verdict.progress or 0.0
    return ScoreTerm(verdict.name, verdict.weight, progress, round(verdict.weight * progress, 4))


def _arithmetic(terms: Sequence[ScoreTerm], weight: int, weight_met: int, score: float | None) -> str:
    if score is None:
        return "not enough data yet: no score"
    parts = " + ".join(f"{term.target} {term.weight} x {term.progress:g}" for term in terms)
    return (
        f"({parts}) / {weight} x 100 = {score:g}; grade by weight met: {weight_met} of {weight}"
        f" = {weight_met / weight:.0%}"
    )
