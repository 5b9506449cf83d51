"""FaceFormer (Fan et al., CVPR 2022): vertex offsets from speech, each frame from all that it gave before."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Integer, Real
from numpy.typing import ArrayLike
from torch import Tensor, nn
from transformers import Wav2Vec2Config, Wav2Vec2Model

from said.attention import zero_initialised
from said.baselines.speech_decoder import Generation, SpeechDecoder, decoder_sizes, whole_vertices
from said.baselines.states import from_state, read_size
from said.running.shapes import shaped


class FaceFormer(SpeechDecoder):
    """The model; its defaults are the published one's for VOCASET.

    A fresh one gives the template, without motion.

    Args:
        encoder: of the speech.
        vertices: of the face.
        styles: training speakers.
        width, heads, feed_forward, layers: of the decoder.
        period: in frames, of the position.
        dropout: of the decoder and its inputs, in training.
    """

    def __init__(
        self,
        encoder: Wav2Vec2Model,
        vertices: int = 5023,
        styles: int = 8,
        *,
        width: int = 64,
        heads: int = 4,
        feed_forward: int = 128,
        layers: int = 1,
        period: int = 30,
        dropout: float = 0.1,
    ):
        super().__init__(encoder, vertices, width, heads, feed_forward, layers, period, dropout)
        self.vertice_map_r = nn.Linear(width, 3 * vertices)
        zero_initialised(self.vertice_map_r)
        self.obj_vector = nn.Linear(styles, width, bias=False)

    @classmethod
    def from_state_dict(
        cls, state: Mapping[str, Tensor], encoder: Wav2Vec2Config, *, heads: int = 4, period: int = 30
    ) -> "FaceFormer":
        """The published model, in evaluation mode.

        Args:
            state: the published keys and their tensors; sizes are read off their shapes.
            encoder: what the speech encoder in it is.
            heads, period: what the shapes do not tell.

        Raises:
            ValueError: lists every missing, unexpected and misshapen key; or the sizes do not go together.
        """
        sizes = decoder_sizes(state, width=64)
        coordinates = {"vertice_map.weight": 1, "vertice_map_r.weight": 0, "vertice_map_r.bias": 0}
        vertices = whole_vertices(read_size(state, coordinates, 15069))
        styles = read_size(state, {"obj_vector.weight": 1}, 8)
        return from_state(
            lambda: cls(Wav2Vec2Model(encoder), vertices, styles, heads=heads, period=period, **sizes),
            state,
            "FaceFormer",
        )

    @torch.no_grad()
    @shaped
    def animate(
        self,
        audio: ArrayLike | Real[Tensor, " T"],
        template: ArrayLike | Real[Tensor, "V 3"],
        styles: ArrayLike | Integer[Tensor, " S"] | Float[Tensor, "S K"],
    ) -> Float[Tensor, "S N V 3"]:
        """A face that says what is heard, once in each style.

        Args:
            audio: (T,) at 16 kHz, of zero mean and unit variance; of any length.
            template: (V, 3) the resting face.
            styles: (S,) int64; or (S, K) weights of all K styles, which mixes them.

        Returns:
            (S, N, V, 3) positions at 30 frames per second, in the template's unit.

        Raises:
            ValueError: an argument has the wrong shape, the audio is too short, or there is no such style.
        """
        template = self.read_template(template)
        style = self.read_styles(styles, self.obj_vector.weight.T)
        _, outputs = self._generate(self.listen(self.read_audio(audio)), style)
        return self.vertice_map_r(outputs).unflatten(-1, (-1, 3)) + template

    @shaped
    def predict(
        self,
        audio: Float[Tensor, "B T"] | Float[Tensor, "B N C"],
        targets: Float[Tensor, "B N V 3"],
        templates: Float[Tensor, "B V 3"],
        styles: Integer[Tensor | np.ndarray, " B"] | Sequence[int],
        teach: bool,
    ) -> Float[Tensor, "B N V 3"]:
        """Motion as the training has it, with gradients.

        In training mode the speech encoder's masking and all dropout act. Frames that were fed back, and the keys and
        values of each, come from one draw of it, the prediction from another; the authors drew anew for every frame
        and all that precede it, at a cost that grows with the square of the length.

        Args:
            audio: (B, T) at 16 kHz, each of zero mean and unit variance, stretched to the frames of the targets; or
                what convolutions made of it, as `SpeechDecoder.listen` has it.
            targets: (B, N, V, 3) the true motion.
            templates: (B, V, 3).
            styles: (B,) int64.
            teach: feed back the truth; else what the model gave.

        Returns:
            (B, N, V, 3).
        """
        style = self.read_styles(styles, self.obj_vector.weight.T)
        memory = self.listen(audio, targets.shape[1])
        if teach:
            inputs = self.taught_inputs((targets - templates[:, None]).flatten(2), style)
        else:
            inputs, _ = self._generate(memory, style)
        offsets = self.vertice_map_r(self.decode(inputs, memory))
        return templates[:, None] + offsets.unflatten(-1, (-1, 3))

    def _generate(self, memory: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
        """The decoder's inputs and outputs, (B, N, width) each.

        Output and input layer follow each other without anything between: they are one matrix, and the loop never
        sees a vertex.
        """
        weight = self.vertice_map.weight @ self.vertice_map_r.weight
        constant = self.vertice_map(self.vertice_map_r.bias) + style
        generation, x = Generation(self, memory), style
        inputs, outputs = [], []
        for _ in range(memory.shape[1]):
            inputs.append(x)
            outputs.append(generation.step(x))
            x = F.linear(outputs[-1], weight) + constant
        return torch.stack(inputs, dim=1), torch.stack(outputs, dim=1)


@shaped
def motion_loss(
    model: FaceFormer,
    audio: Float[Tensor, "B T"] | Float[Tensor, "B N C"],
    targets: Float[Tensor, "B N V 3"],
    templates: Float[Tensor, "B V 3"],
    styles: Integer[Tensor | np.ndarray, " B"] | Sequence[int],
    *,
    teach: bool,
) -> Float[Tensor, ""]:
    """Mean squared error of all coordinates.

    With `teach` the truth is fed back, which is what the authors validate with. Without it, what the model made is fed
    back, and gradients pass through the whole chain of frames: what training minimises. Arguments as
    `FaceFormer.predict` has them.
    """
    return F.mse_loss(model.predict(audio, targets, templates, styles, teach), targets)
