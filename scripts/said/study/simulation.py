"""SIMULATED participants, whose mean opinions are known: the proof that the analysis finds what is there.

A participant's opinion of a film is normal: the method's effect, the audio's, the participant's leniency and liking of
the method, and a moment's noise. Where it lies between four thresholds is the rating. So the mean of all ratings that
could be given is known in closed form, and with it the truth that an interval should cover.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr
from scipy.stats import kendalltau

from said.study import measures
from said.study.answers import Answers, Rating
from said.study.key import Key
from said.study.orders import screens
from said.study.questions import QUESTIONS, asked

_THRESHOLDS = np.array([-1.5, -0.5, 0.5, 1.5])
_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"


@dataclass(frozen=True)
class Opinions:
    """How simulated participants judge; in units in which the steps of the scale are 1 apart.

    Attributes:
        spread: between the best method's effect and the worst's.
        leniency: standard deviation over participants.
        liking: over participants and methods.
        audio: over audios, the same for all participants.
        noise: over all.
    """

    spread: float = 2.0
    leniency: float = 0.5
    liking: float = 0.3
    audio: float = 0.2
    noise: float = 0.8

    def effects(self, methods: int, audios: int) -> NDArray[np.float64]:
        """(M, A) of each method and audio, in falling order of the methods."""
        by_audio = self.audio * np.sqrt(3) * np.linspace(-1, 1, audios) if audios > 1 else np.zeros(audios)
        return np.linspace(self.spread / 2, -self.spread / 2, methods)[:, None] + by_audio

    def truth(self, methods: int, audios: int) -> NDArray[np.float64]:
        """(M,) mean opinion of all participants there could be: 1 + sum over thresholds of P(opinion above it)."""
        deviation = np.sqrt(self.leniency**2 + self.liking**2 + self.noise**2)
        above = ndtr((self.effects(methods, audios)[..., None] - _THRESHOLDS) / deviation)
        return 1 + above.sum(-1).mean(-1)

    def draw(self, participants: int, methods: int, audios: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """(P, M, A) ratings from 1 to 5."""
        value = self.effects(methods, audios) + self.leniency * rng.normal(size=(participants, 1, 1))
        value = value + self.liking * rng.normal(size=(participants, methods, 1))
        value = value + self.noise * rng.normal(size=(participants, methods, audios))
        return 1 + (value[..., None] > _THRESHOLDS).sum(-1)


def without_names(key: Key) -> Key:
    """A key whose methods are numbers, so that nobody takes simulated scores for those of a method."""
    numbers = {
        part: {name: f"simulated {number}" for number, name in enumerate(key.methods(part), start=1)} for part in (1, 2)
    }
    items = {name: replace(item, method=numbers[item.part][item.method]) for name, item in key.items.items()}
    return replace(key, items=items)


def simulate(key: Key, participants: int, seed: int, judging: Opinions | None = None) -> list[Answers]:
    """Answers of SIMULATED participants, in the orders in which the page would have asked them."""
    judging, rng = judging or Opinions(), np.random.default_rng(seed)
    drawn: dict[tuple[str, str], NDArray] = {}
    for name, question in QUESTIONS.items():
        methods = key.methods(question.part)
        audios = list(dict.fromkeys(item.audio for item in key.items.values() if item.part == question.part))
        ratings = judging.draw(participants, len(methods), len(audios), rng)
        for item_name, item in key.items.items():
            if item.part == question.part:
                drawn[name, item_name] = ratings[:, methods.index(item.method), audios.index(item.audio)]
    found = []
    for number in range(participants):
        code = "".join(rng.choice(list(_LETTERS), 8))
        ratings = tuple(
            Rating(place, *screen, question, int(drawn[question, screen.item][number]), round(rng.gamma(4, 3), 1))
            for place, screen in enumerate(screens(key.study, key.audios, key.groups, key.order, number, code), start=1)
            for question in asked(screen.part)
        )
        found.append(Answers(code, number, ratings))
    return found


def prove(
    participants: int, methods: int, audios: int, draws: int, seed: int, judging: Opinions | None = None
) -> dict[str, float]:
    """What the analysis finds in many studies of which the truth is known.

    Returns:
        coverage: share of the intervals of mean opinions that hold the true one; should be .95.
        order_tau: mean Kendall's tau between the methods' order found and the true one.
        best_found: share of the studies in which the best method has the highest mean opinion.
        false_alarms: share of studies of methods that do not differ in which Friedman's p is below .05.
        family_errors: share of these in which a pair of methods differs after Holm's correction, .05 at most.
        draws: studies of each kind.
    """
    judging, rng = judging or Opinions(), np.random.default_rng(seed)
    null = Opinions(0.0, judging.leniency, judging.liking, judging.audio, judging.noise)
    truth = judging.truth(methods, audios)
    covered, taus, best, alarms, errors = [], [], [], [], []
    for _ in range(draws):
        means = judging.draw(participants, methods, audios, rng).mean(-1)
        found = measures.opinions(means)
        covered += [one.low <= value <= one.high for one, value in zip(found, truth, strict=True)]
        order = [-one.mean for one in found]
        tau: Any = kendalltau(order, range(methods))
        taus.append(tau.statistic)
        best.append(int(np.argmin(order)) == 0)
        means = null.draw(participants, methods, audios, rng).mean(-1)
        alarms.append(measures.friedman(means).p < 0.05)
        errors.append(any(pair.corrected < 0.05 for pair in measures.pairs(means)))
    shares: Mapping[str, Sequence | Iterable] = {
        "coverage": covered, "order_tau": taus, "best_found": best, "false_alarms": alarms, "family_errors": errors,
    }  # fmt: skip
    return {name: float(np.mean(list(values))) for name, values in shares.items()} | {"draws": float(draws)}
