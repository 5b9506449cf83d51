"""From speech to coefficients by a method of Table 1 (Section 12): its meshes, then Eq. 2's quadratic program."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from said.arkit import SPEECH_BLENDSHAPES
from said.baselines.clips import Utterance
from said.baselines.resampling import Resampling, to_corpus_rate
from said.coefficients import fit_coefficients
from said.files.fingerprint import digest
from said.files.finished import Finished
from said.rig import Rig
from said.running.console import naming
from said.seeds import derive_seed


@dataclass(frozen=True)
class Solver:
    """Settings of the quadratic program, the section `coefficients` of config.yaml."""

    max_step: float = 0.1
    solver: str = "banded"
    ridge: float = 0.0

    def fit(self, rig: Rig, frames: NDArray) -> NDArray[np.float32]:
        """(N, 32) coefficients of frames (N, V, 3), all vertices of the corpus, for the rig of a speaker."""
        seen = frames if rig.vertices is None else frames[:, rig.vertices]
        fitted = fit_coefficients(
            rig.template, rig.blendshapes, seen, self.max_step, self.solver, ridge=self.ridge, names=SPEECH_BLENDSHAPES
        )
        return fitted.astype(np.float32)


@dataclass(frozen=True)
class Baseline:
    """A method with its trained model, ready to be asked.

    Attributes:
        method: its module in `said.baselines.methods`.
        model: that the module loaded.
        settings: the method's section of config.yaml.
        styles: samples of a method that has styles: of the first so many; None: of all.
        resampling: from 30 frames per second to 60.
        seed: of what is drawn.
    """

    method: ModuleType
    model: Any
    settings: Mapping
    styles: int | None = None
    resampling: Resampling = "clamped"
    seed: int = 0

    def sequences(self, speech: Utterance, template: NDArray) -> Iterator[NDArray[np.float32]]:
        """The motion of each style, one after the other: meshes (N, V, 3) or coefficients (N, 32), 60 per second.

        Args:
            template: (V, 3) metres, all vertices of the corpus.
        """
        rate = self.method.frame_rate(self.settings)
        seed = derive_seed(self.seed, speech.name)
        made = self.method.animate(self.model, speech, template, self._styles(), self.settings, seed)
        for one in made:
            yield one if rate is None else to_corpus_rate(one, rate, self.resampling)

    def _styles(self) -> list[int]:
        return list(range(self.method.styles(self.model))[: self.styles])


def sample_baseline(
    baseline: Baseline, speeches: Iterable[Utterance], template: NDArray, rig: Rig, solver: Solver, finished: Finished
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Coefficients for every sentence of one speaker, a sample for each style.

    Meshes are fitted as they come: those of one sentence lie in memory at a time, and none on disk.

    Args:
        template: (V, 3) metres, the speaker's, all vertices of the corpus.
        rig: the speaker's.
        finished: where sentences are kept until the job is done, and found again after an interruption.

    Yields:
        name of a sentence, (S, N, 32) float32 in [0, 1].
    """
    for speech in speeches:
        key = f"{speech.name}-{digest({'waveform': speech.waveform})}"
        samples = finished.read(key)
        if samples is None:
            made = baseline.sequences(speech, template)
            with naming(speech.name):
                samples = np.stack([one if one.ndim == 2 else solver.fit(rig, one) for one in made]).astype(np.float32)
            finished.write(key, samples)
        yield speech.name, samples
