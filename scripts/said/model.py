"""SAiD, the model of Section 4.2: a denoiser, a null condition, and the speech encoder where that is finetuned."""

import dataclasses
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import Wav2Vec2Config, Wav2Vec2Model

from said.arkit import SPEECH_BLENDSHAPES
from said.denoiser import Denoiser
from said.files.models import load_model, load_published, save_model
from said.files.tensors import mismatches, write_state_dict
from said.prediction import PREDICTIONS
from said.running.atomic import PathLike

CHANNELS = len(SPEECH_BLENDSHAPES)
_FORMAT = "said"


@dataclass(frozen=True)
class ModelConfig:
    """The settings of a SAiD model, which are saved with its weights."""

    width: int = 192
    """Channels of the denoiser; attention heads are 32 wide."""
    audio_width: int = 768
    """Width of the speech encoder's features."""
    dropout: float = 0.1
    alignment_bias: int | None = 1
    """Cross-attention sees audio frames with |i - j| <= this; None for all of them."""
    alignment_schedule: str = "constant"
    """Whether that width changes over diffusion time: constant, linear or geometric, see `attention.scheduled_bias`."""
    prediction: str = "epsilon"
    """What the denoiser predicts, see `said.prediction`: epsilon, v or x0."""
    noise_schedule: str = "squaredcos_cap_v2"
    diffusion_steps: int = 1000
    scaled: bool = False
    """Whether coefficients are divided by `SAiD.coefficient_scale` before the noise is added."""
    channels_per_group: int = 6
    """Of the normalisations, at least, see `said.denoiser.groups`."""

    def __post_init__(self) -> None:
        if self.prediction not in PREDICTIONS:
            raise ValueError(f"prediction must be one of {', '.join(PREDICTIONS)}, not {self.prediction!r}")


class SAiD(nn.Module):
    """The diffusion model.

    Args:
        config: its settings; None for those of the paper.
        audio_encoder: the speech encoder that is finetuned with it, if any.

    Raises:
        ValueError: the speech encoder has another width than `config.audio_width`.

    Attributes:
        denoiser: (noisy (B, N, 32), timesteps (B,), audio (B, M, D)) -> (B, N, 32).
        null_cond_emb: (1, 1, D) the trainable null condition of classifier-free guidance.
        audio_encoder: the finetuned speech encoder; None where the encoder is frozen and kept elsewhere.
        coefficient_scale: (32,) by which coefficients are divided; ones where `config.scaled` is false.
    """

    coefficient_scale: Tensor

    def __init__(self, config: ModelConfig | None = None, audio_encoder: Wav2Vec2Model | None = None):
        super().__init__()
        self.config = config = config or ModelConfig()
        if audio_encoder is not None and audio_encoder.config.hidden_size != config.audio_width:
            raise ValueError(
                f"the speech encoder's features are {audio_encoder.config.hidden_size} wide, "
                f"audio_width is {config.audio_width}"
            )
        self.denoiser = Denoiser(
            CHANNELS,
            config.width,
            config.audio_width,
            config.dropout,
            config.alignment_bias,
            config.alignment_schedule,
            config.diffusion_steps,
            config.channels_per_group,
        )
        self.null_cond_emb = nn.Parameter(torch.randn(1, 1, config.audio_width))
        self.audio_encoder = audio_encoder
        # Not part of the state dict, so that its keys are those of the published weights.
        self.register_buffer("coefficient_scale", torch.ones(CHANNELS), persistent=False)

    def condition(self, audio: Tensor, conditioned: Tensor) -> Tensor:
        """The audio (B, M, D) where `conditioned` (B,) bool, the null condition elsewhere."""
        return torch.where(conditioned[:, None, None], audio, self.null_cond_emb)

    def to_diffusion(self, coefficients: Tensor) -> Tensor:
        """Coefficients (..., 32) in [0, 1] -> (..., 32) in the space of the diffusion."""
        return coefficients / self.coefficient_scale

    def to_coefficients(self, values: Tensor) -> Tensor:
        """The inverse of `to_diffusion`, clamped to [0, 1]."""
        return (values * self.coefficient_scale).clamp(0, 1)


def load_official(path: PathLike, encoder_config: Wav2Vec2Config | None = None) -> SAiD:
    """Read the authors' SAiD.pth, with or without its speech encoder (`audio_encoder.*`).

    Args:
        path: of a state dict; pickled code in it is not run.
        encoder_config: of the speech encoder in the file; by default wav2vec2-base's, in the sizes of its tensors.

    Returns:
        the model in evaluation mode. `audio_encoder` is None where the file has none; the hub has it then.

    Raises:
        ValueError: lists every missing, unexpected and misshapen key.
    """

    def build(state: dict[str, Tensor]) -> SAiD:
        encoder = None
        if any(name.startswith("audio_encoder.") for name in state):
            encoder = Wav2Vec2Model(encoder_config or _encoder_config(state))
        width = state["denoiser.model.out.0.weight"].shape[0] if "denoiser.model.out.0.weight" in state else 192
        audio_width = state["null_cond_emb"].shape[-1] if "null_cond_emb" in state else 768
        config = ModelConfig(width=width, audio_width=audio_width, channels_per_group=_published_groups(width))
        return SAiD(config, encoder)

    return load_published(path, build)


def _encoder_config(state: dict[str, Tensor]) -> Wav2Vec2Config:
    """Of the speech encoder in a state dict: wav2vec2-base's, whose heads are 64 wide, in the sizes of its tensors.

    Where one of those is missing it is wav2vec2-base itself, against which the others are then held.
    """
    sizing = ("feature_projection.projection.weight", "encoder.layers.0.feed_forward.intermediate_dense.bias")
    if any(f"audio_encoder.{name}" not in state for name in sizing):
        return Wav2Vec2Config()
    parts = [name.removeprefix("audio_encoder.").split(".") for name in state if name.startswith("audio_encoder.")]
    hidden, channels = state[f"audio_encoder.{sizing[0]}"].shape
    return Wav2Vec2Config(
        hidden_size=hidden,
        num_attention_heads=max(1, hidden // 64),
        num_hidden_layers=1 + max(int(name[2]) for name in parts if name[:2] == ["encoder", "layers"]),
        intermediate_size=len(state[f"audio_encoder.{sizing[1]}"]),
        conv_dim=(channels,) * 7,
    )


def _published_groups(width: int) -> int:
    """Channels per group of the authors' programs and of our models before they could choose: always 32 groups."""
    return width // 32


_OFFICIAL = {
    "width": (192, "its denoiser has 192 channels"),
    "audio_width": (768, "its speech encoder is wav2vec2-base, 768 wide"),
    "alignment_bias": (1, "its denoiser always sees one audio frame on either side"),
    "alignment_schedule": ("constant", "its alignment bias does not change over diffusion time"),
    "prediction": ("epsilon", "it takes the output for the noise, and the file cannot say otherwise"),
    "noise_schedule": ("squaredcos_cap_v2", "its schedule is fixed"),
    "diffusion_steps": (1000, "its schedule is fixed"),
    "channels_per_group": (6, "its normalisations have 32 groups"),
    "scaled": (
        False,
        "it adds noise to raw coefficients; a scale of the data against the noise is no scale of weights, so none of "
        "them can take it in",
    ),
}
"""The settings that a model must have for the authors' programs to run it, and why."""


def export_official(path: PathLike, model: SAiD, encoder: Wav2Vec2Model) -> None:
    """Write a model as the authors' SAiD.pth, which their inference reads and their Blender add-on animates from.

    Args:
        encoder: the frozen speech encoder; where the model has a finetuned one, that is written instead.

    Raises:
        ValueError: lists every setting and tensor of the model that their programs cannot run.
    """
    faults = [
        f"  {name} is {getattr(model.config, name)!r}, not {needed!r}: {reason}"
        for name, (needed, reason) in _OFFICIAL.items()
        if getattr(model.config, name) != needed
    ]
    encoder = model.audio_encoder or encoder
    state = model.state_dict() | {f"audio_encoder.{name}": value for name, value in encoder.state_dict().items()}
    if not faults:
        with torch.device("meta"):
            faults = mismatches(SAiD(audio_encoder=Wav2Vec2Model(Wav2Vec2Config())).state_dict(), state)
    if faults:
        raise ValueError("\n".join([f"{path}: the authors' programs cannot run this model:", *faults]))
    write_state_dict(path, state)


def save(path: PathLike, model: SAiD) -> None:
    """Write a model as one safetensors file with all that sampling needs, except a frozen speech encoder."""
    facts = {
        "config": dataclasses.asdict(model.config),
        "encoder": None if model.audio_encoder is None else model.audio_encoder.config.to_dict(),
    }
    save_model(path, model, _FORMAT, facts, buffers=["coefficient_scale"])


def load(path: PathLike) -> SAiD:
    """Read what `save` wrote, in evaluation mode.

    Raises:
        ValueError: the file holds no such model, or its keys or shapes are wrong.
    """

    def build(facts: dict) -> SAiD:
        encoder = facts["encoder"]
        config = {"channels_per_group": _published_groups(facts["config"]["width"])} | facts["config"]
        with torch.device("meta"):  # no random weights are drawn only to be replaced
            own = encoder and Wav2Vec2Model(Wav2Vec2Config(**encoder))
        return SAiD(ModelConfig(**config), own)

    return load_model(path, _FORMAT, "a SAiD model", build, buffers=["coefficient_scale"])


def parameter_count(module: nn.Module) -> int:
    """Number of a module's parameters."""
    return sum(parameter.numel() for parameter in module.parameters())
