"""Diffusion on blendshape coefficients (Section 4.2): the training losses, sampling and editing."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import diffusers
import torch
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from jaxtyping import Bool, Float, Integer, Real
from torch import Tensor

from said.model import CHANNELS, ModelConfig, SAiD
from said.prediction import snr_weight, target
from said.running.shapes import shaped

Generators = torch.Generator | Sequence[torch.Generator] | None


class _Box:
    """Clips the estimate of the clean coefficients to a box, whose sides differ where coefficients are scaled."""

    lower: Tensor
    upper: Tensor

    def _threshold_sample(self, sample: Tensor) -> Tensor:
        return sample.clamp(min=self.lower, max=self.upper)


SAMPLERS: dict[str, tuple[str, dict[str, Any]]] = {
    "ddim": ("DDIMScheduler", dict(clip_sample=False, timestep_spacing="leading")),
    "ddpm": ("DDPMScheduler", dict(clip_sample=False, timestep_spacing="leading")),
    # Second order, in equal steps of the log-SNR, which is unbounded at the end of the cosine schedule unless clipped.
    "dpmsolver++": ("DPMSolverMultistepScheduler", dict(use_lu_lambdas=True, lambda_min_clipped=-5.1)),
}
"""The samplers by name: a scheduler of diffusers and its settings."""
_PREDICTIONS: dict[str, Any] = {"epsilon": "epsilon", "v": "v_prediction", "x0": "sample"}


def scheduler(model: SAiD, sampler: str = "ddim", clip: str = "symmetric") -> Any:
    """A sampler with the noise schedule of a model.

    Args:
        sampler: a key of `SAMPLERS`.
        clip: where the estimate of raw clean coefficients is clipped at each step: symmetric, to [-1, 1] as in the
            authors' implementation, or unit, to [0, 1]. Scaled coefficients are clipped to what [0, 1] becomes.

    Raises:
        ValueError: the sampler is unknown.
    """
    if sampler not in SAMPLERS:
        raise ValueError(f"sampler must be one of {', '.join(SAMPLERS)}, not {sampler!r}")
    name, settings = SAMPLERS[sampler]
    # diffusers imports a scheduler when it is asked for it; DPM-Solver brings scipy.stats, as long again as the others.
    kind: Any = type(name, (_Box, getattr(diffusers, name)), {})
    config = model.config
    schedule = kind(
        **_noise_schedule(config),
        prediction_type=_PREDICTIONS[config.prediction],
        thresholding=True,
        **settings,
    )
    schedule.upper = 1 / model.coefficient_scale
    schedule.lower = torch.zeros_like(schedule.upper) if config.scaled or clip == "unit" else -schedule.upper
    return schedule


def alphas_cumprod(config: ModelConfig) -> Tensor:
    """(diffusion steps,) share of the signal's variance that remains at each timestep."""
    return DDPMScheduler(**_noise_schedule(config)).alphas_cumprod


def _noise_schedule(config: ModelConfig) -> dict[str, Any]:
    return {"num_train_timesteps": config.diffusion_steps, "beta_schedule": config.noise_schedule}


@shaped
def training_losses(
    model: SAiD,
    coefficients: Float[Tensor, "B N 32"],
    audio: Float[Tensor, "B M D"],
    conditioned: Bool[Tensor, " B"],
    timesteps: Integer[Tensor, " B"],
    noise: Float[Tensor, "B N 32"],
    norm: str = "l1",
    *,
    reduction: str = "mean",
    std: Float[Tensor, "32"] | None = None,
    alphas: Float[Tensor, " steps"] | None = None,
    displacements: Float[Tensor, "B 32 V3"] | None = None,
    snr_gamma: float | None = None,
) -> tuple[Float[Tensor, ""], ...]:
    """The noise loss (Eq. 5) and the noise-level velocity loss (Eq. 7) of a batch.

    With another prediction both are of that. Under autocast, only the prediction has less than single precision.

    Args:
        model: a SAiD model.
        coefficients: (B, N, 32) in [0, 1].
        audio: (B, M, D) features of the speech encoder.
        conditioned: (B,) bool; where it is false, the null condition takes the place of the audio.
        timesteps: (B,) int in [0, diffusion steps).
        noise: (B, N, 32) standard normal.
        norm: l1, the absolute error, or l2, the squared error.
        reduction: mean, over everything; or sum, over frames and blendshapes, and mean over the batch (the paper's).
        std: (32,) by which the errors are divided, per blendshape; None leaves them as they are.
        alphas: (diffusion steps,) from `alphas_cumprod`, where the caller keeps it between batches.
        displacements: (B, 32, 3 V) of each item's face, for the loss on its vertices, see `vertex_loss`.
        snr_gamma: errors are multiplied by the root of `prediction.snr_weight`, which is of squared ones; None: not.

    Returns:
        two scalars, noise loss and velocity loss; with `displacements` a third, the vertex loss, whose errors are not
        divided by `std` or weighed.

    Raises:
        ValueError: the norm or the reduction is unknown.
    """
    if alphas is None:
        alphas = alphas_cumprod(model.config)
    error = _prediction_error(model, coefficients, audio, conditioned, timesteps, noise, alphas)
    with torch.autocast(error.device.type, enabled=False):
        scaled = error if std is None else error / std
        if snr_gamma is not None:
            alpha = alphas.to(error.device)[timesteps][:, None, None]
            scaled = scaled * snr_weight(model.config.prediction, alpha, snr_gamma).sqrt()
        losses = _norm(scaled, norm, reduction), _norm(scaled.diff(dim=1), norm, reduction)
        return losses if displacements is None else (*losses, vertex_loss(error, displacements))


def _prediction_error(
    model: SAiD,
    coefficients: Tensor,
    audio: Tensor,
    conditioned: Tensor,
    timesteps: Tensor,
    noise: Tensor,
    alphas: Tensor,
) -> Tensor:
    """(B, N, 32) prediction of the denoiser less its target. The arguments are those of `training_losses`."""
    alpha = alphas.to(coefficients.device)[timesteps][:, None, None]
    clean = model.to_diffusion(coefficients)
    noisy = alpha.sqrt() * clean + (1 - alpha).sqrt() * noise
    predicted = model.denoiser(noisy, timesteps, model.condition(audio, conditioned))
    return predicted - target(model.config.prediction, clean, noise, alpha)


def _norm(error: Tensor, norm: str, reduction: str) -> Tensor:
    """An error (B, N, 32) as a scalar; the arguments are those of `training_losses`."""
    if norm not in ("l1", "l2"):
        raise ValueError(f"loss must be l1 or l2, not {norm!r}")
    distance = error.abs() if norm == "l1" else error.square()
    if reduction == "mean":
        return distance.mean()
    if reduction == "sum":
        return distance.sum() / len(error)
    raise ValueError(f"loss_reduction must be sum or mean, not {reduction!r}")


def vertex_loss(error: Tensor, displacements: Tensor) -> Tensor:
    """The optional loss of the authors' implementation: the error in the vertices of each speaker's face.

    Args:
        error: (B, N, 32) prediction of the denoiser less its target.
        displacements: (B, 32, 3 V) vertices of each blendshape less the template, of each item's speaker, in any
            unit: they are divided by the speaker's mean absolute displacement.

    Returns:
        a scalar, the mean absolute error over frames and coordinates.
    """
    scale = displacements.abs().mean(dim=(1, 2), keepdim=True)
    return (error @ (displacements / scale)).abs().mean()


Predictor = Callable[[Tensor, int], Tensor]
"""The prediction at a step of a sampler: noisy coefficients (B, N, 32) and the number of the step -> (B, N, 32)."""


def guided(model: SAiD, audio: Tensor, timesteps: Tensor, guidance: float) -> Predictor:
    """Eq. 9 as it is written, eps_c + gamma (eps_c - eps_null); `said.guidance.GuidedDenoiser` is faster.

    Args:
        model: in evaluation mode.
        audio: (B, N, D) features of the speech encoder.
        timesteps: (S,) int, of the sampler's steps.
        guidance: gamma.
    """
    unconditional = torch.zeros(len(audio), dtype=torch.bool, device=audio.device)
    both = audio if guidance == 0 else torch.cat([audio, model.condition(audio, unconditional)])

    def predict(values: Tensor, step: int) -> Tensor:
        batch = values if guidance == 0 else torch.cat([values, values])
        predicted = model.denoiser(batch, timesteps[step].expand(len(batch)), both)
        if guidance == 0:
            return predicted
        with_audio, without = predicted.chunk(2)
        return with_audio + guidance * (with_audio - without)

    return predict


@torch.no_grad()
@shaped
def sample(
    model: SAiD,
    audio: Float[Tensor, "B N D"],
    *,
    steps: int,
    guidance: float,
    generator: Generators = None,
    initial_noise: Float[Tensor, "B N 32"] | None = None,
    reference: Float[Tensor, "B N 32"] | Float[Tensor, "N 32"] | None = None,
    mask: Real[Tensor, "B N 32"] | Real[Tensor, "N 32"] | None = None,
    strength: float = 1.0,
    eta: float = 0.0,
    sampler: str = "ddim",
    clip: str = "symmetric",
    predictor: Callable[..., Predictor] = guided,
) -> Float[Tensor, "B N 32"]:
    """Sample coefficients for encoded speech (Eq. 9), or edit a reference (Eq. 10).

    Args:
        model: in evaluation mode.
        audio: (B, N, D) features of the speech encoder.
        steps: number of steps of the sampler, at most the model's diffusion steps.
        guidance: gamma of Eq. 9, at least 0; 0 means no guidance, and half of the work.
        generator: of the noise; one for the batch, or one for each item, which makes the result of an item independent
            of the others in its batch.
        initial_noise: (B, N, 32) the start, and in editing the noise of the reference; None draws it.
        reference: (B, N, 32) or (N, 32) coefficients to edit, in [0, 1].
        mask: like `reference`, 1 where the reference is kept; None keeps only what `strength` leaves of it.
        strength: share of the steps that are done, in (0, 1]; below 1 they begin at the noised reference.
        eta: of DDIM: 0 is deterministic, 1 has as much noise as DDPM. The other samplers disregard it.
        sampler: ddim, ddpm or dpmsolver++.
        clip: symmetric or unit, see `scheduler`.
        predictor: gives the guided prediction for a model, audio, timesteps and gamma.

    Returns:
        (B, N, 32) in [0, 1].

    Raises:
        ValueError: steps, guidance, strength or a shape is impossible, or editing lacks its reference.
    """
    shape = (audio.shape[0], audio.shape[1], CHANNELS)
    _check(model, shape, steps, guidance, initial_noise, reference, mask, strength)
    generator = generator if generator is None or isinstance(generator, torch.Generator) else list(generator)
    noise = draw_noise(shape, generator, audio.device) if initial_noise is None else initial_noise
    course = Course(
        model,
        noise,
        steps=steps,
        generator=generator,
        reference=None if reference is None else reference.expand(shape),
        mask=None if mask is None else mask.expand(shape),
        strength=strength,
        eta=eta,
        sampler=sampler,
        clip=clip,
    )
    predict = predictor(model, audio, course.timesteps.to(audio.device), guidance)
    for step in range(len(course.timesteps)):
        course.advance(predict(course.values, step))
    return course.result()


class Course:
    """Coefficients on their way from noise to a sample, a step of the sampler at a time.

    What a step does to a frame depends on that frame alone; only predictions look at the frames around it.

    Args:
        model: a SAiD model.
        noise: (B, N, 32) the start, and in editing the noise of the reference.
        reference: (B, N, 32) coefficients to edit; None: nothing is edited.
        mask: (B, N, 32), 1 where the reference is kept (Eq. 10).
        steps, generator, strength, eta, sampler, clip: see `sample`.

    Attributes:
        timesteps: (S,) int, of the steps that are made.
        values: (B, N, 32) in the space of the diffusion, after the steps so far.
    """

    def __init__(
        self,
        model: SAiD,
        noise: Tensor,
        *,
        steps: int,
        sampler: str = "ddim",
        clip: str = "symmetric",
        eta: float = 0.0,
        generator: Generators = None,
        reference: Tensor | None = None,
        mask: Tensor | None = None,
        strength: float = 1.0,
    ):
        self.model, self.noise, self.reference, self.mask = model, noise, reference, mask
        self.schedule = scheduler(model, sampler, clip)
        self.schedule.set_timesteps(steps)  # on the CPU, like its tables: a look-up would have to wait for a GPU
        remaining = min(max(int(steps * strength), 1), steps)
        # diffusers annotates them as IntTensor here, int there
        self.timesteps: Any = self.schedule.timesteps[steps - remaining :]
        self.options: dict[str, Any] = {"generator": generator} | ({"eta": eta} if sampler == "ddim" else {})
        self.clean = None if reference is None else model.to_diffusion(reference)
        self.keep = torch.zeros_like(noise) if mask is None else mask
        self.done = 0
        self.values = noise if self.clean is None else self.schedule.add_noise(self.clean, noise, self.timesteps[:1])

    def advance(self, predicted: Tensor) -> None:
        """Make the next step with the (B, N, 32) guided prediction for `values`."""
        timestep = self.timesteps[self.done]
        self.values = self.schedule.step(predicted, timestep, self.values, **self.options, return_dict=False)[0]
        self.done += 1
        if self.clean is not None:
            following = self.timesteps[self.done : self.done + 1]
            last = not len(following)
            fixed = self.clean if last else self.schedule.add_noise(self.clean, self.noise, following)
            self.values = torch.where(self.keep.gt(0), self.keep * fixed + (1 - self.keep) * self.values, self.values)

    def state(self) -> dict[str, Tensor]:
        """All that changes from step to step, for `restore`."""
        state = {"values": self.values, "done": torch.tensor(self.done)}
        outputs = [output for output in self._earlier_outputs() if output is not None]
        state |= {f"output{number}": output for number, output in enumerate(outputs)}
        if isinstance(generator := self.options["generator"], torch.Generator):
            state["generator"] = generator.get_state()
        return state

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from where `state` was asked for, in a course that was made alike."""
        self.values, self.done = state["values"].to(self.noise.device), int(state["done"])
        if self.done and (order := len(self._earlier_outputs())):
            outputs = [state[name].to(self.noise.device) for name in sorted(state) if name.startswith("output")]
            self.schedule.model_outputs = [None] * (order - len(outputs)) + outputs
            self.schedule.lower_order_nums = min(self.done, order)
            self.schedule._init_step_index(self.timesteps[0])
            self.schedule._step_index = (self.schedule._step_index or 0) + self.done
        if "generator" in state:
            self.options["generator"].set_state(state["generator"])

    def _earlier_outputs(self) -> list[Tensor | None]:
        """What a multistep sampler keeps of its last steps; others keep nothing."""
        return getattr(self.schedule, "model_outputs", [])

    def result(self) -> Tensor:
        """(B, N, 32) coefficients in [0, 1]."""
        result = self.model.to_coefficients(self.values)
        if self.mask is not None and self.reference is not None:
            # Scaling back and forth costs a digit; what is kept is returned as it was given.
            result = torch.where(self.mask == 1, self.reference.clamp(0, 1), result)
        return result


def draw_noise(shape: Sequence[int], generator: Generators, device: torch.device | str = "cpu") -> Tensor:
    """Standard normal noise (B, ...), drawn on the CPU, so that it is the same for every device.

    Raises:
        ValueError: there are several generators, and not one for each item of the batch.
    """
    if generator is None or isinstance(generator, torch.Generator):
        return torch.randn(shape, generator=generator).to(device)
    if len(generator) != shape[0]:
        raise ValueError(f"{len(generator)} generators for a batch of {shape[0]}")
    return torch.stack([torch.randn(tuple(shape[1:]), generator=item) for item in generator]).to(device)


def _check(
    model: SAiD,
    shape: tuple[int, int, int],
    steps: int,
    guidance: float,
    initial_noise: Tensor | None,
    reference: Tensor | None,
    mask: Tensor | None,
    strength: float,
) -> None:
    if not 1 <= steps <= model.config.diffusion_steps:
        raise ValueError(f"steps must be in [1, {model.config.diffusion_steps}], not {steps}")
    if guidance < 0:
        raise ValueError(f"guidance (gamma of Eq. 9) must be at least 0, not {guidance}")
    if not 0 < strength <= 1:
        raise ValueError(f"strength must be in (0, 1], not {strength}")
    if reference is None and (mask is not None or strength < 1):
        raise ValueError("editing, by a mask or a strength below 1, needs a reference")
    if initial_noise is not None and tuple(initial_noise.shape) != shape:
        raise ValueError(f"initial_noise is {tuple(initial_noise.shape)}, the result {shape}")
    for name, value in (("reference", reference), ("mask", mask)):
        if value is not None and tuple(value.shape) not in (shape, shape[1:]):
            raise ValueError(f"{name} is {tuple(value.shape)}, expected {shape} or {shape[1:]}")
