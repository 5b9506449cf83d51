"""Where and with which arithmetic a model is trained."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

# cudnn puts an object with `conv` in the place of its module, which the checker does not see.
_BACKENDS = (torch.backends.cuda.matmul, torch.backends.cudnn.conv)  # pyright: ignore[reportAttributeAccessIssue]


@dataclass(frozen=True)
class Compute:
    """The section `compute` of config.yaml, as far as it changes the digits of a result.

    Attributes:
        device: cpu or cuda.
        precision: of matrix products and convolutions. float32; tf32, on GPUs that have it, float32 elsewhere; bf16,
            where weights, their averages, the optimiser and the losses stay float32.
        compile: whether `torch.compile` translates the denoiser; needs a C++ compiler on the CPU.
    """

    device: str = "cpu"
    precision: str = "float32"
    compile: bool = False

    def __post_init__(self) -> None:
        if self.precision not in ("float32", "tf32", "bf16"):
            raise ValueError(f"compute.precision must be float32, tf32 or bf16, not {self.precision!r}")

    @contextlib.contextmanager
    def arithmetic(self) -> Iterator[None]:
        """A block in which float32 products on a GPU are exact, or TF32 if the precision says so."""
        before = [backend.fp32_precision for backend in _BACKENDS]
        try:
            for backend in _BACKENDS:
                backend.fp32_precision = "tf32" if self.precision == "tf32" else "ieee"
            yield
        finally:
            for backend, value in zip(_BACKENDS, before, strict=True):
                backend.fp32_precision = value

    def autocast(self) -> torch.autocast:
        """A block for forward passes, in bfloat16 if the precision says so."""
        return torch.autocast(self.device, torch.bfloat16, enabled=self.precision == "bf16")

    @contextlib.contextmanager
    def compiled(self, module: nn.Module) -> Iterator[None]:
        """A block in which calls of `module` run compiled, if `compile` says so. Its parameters stay what they are."""
        if not self.compile:
            yield
            return
        module.compile()
        try:
            yield
        finally:
            module._compiled_call_impl = None

    def move(self, tensor: Tensor) -> Tensor:
        """A tensor of the CPU on the device; the CPU does not wait for what the GPU has yet to do."""
        if self.device == "cpu":
            return tensor
        return tensor.pin_memory().to(self.device, non_blocking=True)


def find_device(name: str) -> str:
    """The PyTorch device of a configured name: auto is a GPU where there is one.

    From then on float32 is float32 there, outside of `Compute.arithmetic` too; of itself, cuDNN convolves in TF32.

    Raises:
        ValueError: cuda is asked for, and there is none.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("compute.device is cuda, but PyTorch sees no GPU here; set it to auto or cpu")
    for backend in _BACKENDS:
        backend.fp32_precision = "ieee"
    return "cuda" if name != "cpu" and torch.cuda.is_available() else "cpu"
