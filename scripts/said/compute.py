"""The device and the arithmetic with which a model is trained."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

# cudnn puts an object with `conv` in the place of its module, which the checker does not see.
_BACKENDS = (torch.backends.cuda.matmul, torch.backends.cudnn.conv)  # pyright: ignore[reportAttributeAccessIssue]


@dataclass(frozen=True)
class Compute:
    """What the section `compute` of config.yaml says that changes the digits of a result.

    Attributes:
        device: cpu or cuda.
        precision: of matrix products and convolutions: float32; tf32, which is float32 on devices without it; or bf16,
            where weights, their averages, the optimiser and the losses stay float32.
        compile: whether `torch.compile` compiles the denoiser, which needs a C++ compiler on the CPU.

    Raises:
        ValueError: the precision is unknown.
    """

    device: str = "cpu"
    precision: str = "float32"
    compile: bool = False

    def __post_init__(self) -> None:
        if self.precision not in ("float32", "tf32", "bf16"):
            raise ValueError(f"compute.precision must be float32, tf32 or bf16, not {self.precision!r}")

    @contextlib.contextmanager
    def arithmetic(self) -> Iterator[None]:
        """A block in which float32 products on a GPU have full precision, or TF32 if `precision` says so."""
        before = [backend.fp32_precision for backend in _BACKENDS]
        try:
            for backend in _BACKENDS:
                backend.fp32_precision = "tf32" if self.precision == "tf32" else "ieee"
            yield
        finally:
            for backend, value in zip(_BACKENDS, before, strict=True):
                backend.fp32_precision = value

    def autocast(self) -> torch.autocast:
        """A block for forward passes, in bfloat16 if `precision` says so."""
        return torch.autocast(self.device, torch.bfloat16, enabled=self.precision == "bf16")

    @contextlib.contextmanager
    def compiled(self, module: nn.Module) -> Iterator[None]:
        """A block in which calls of `module` run compiled, if `compile` says so. Its parameters remain the same."""
        if not self.compile:
            yield
            return
        module.compile()
        try:
            yield
        finally:
            module._compiled_call_impl = None

    def move(self, tensor: Tensor) -> Tensor:
        """Move a tensor from the CPU to the device, without waiting for what the GPU has yet to do."""
        if self.device == "cpu":
            return tensor
        return tensor.pin_memory().to(self.device, non_blocking=True)


def find_device(name: str) -> str:
    """The PyTorch device that the configuration names: cpu, cuda, or auto, which is a GPU where there is one.

    From this call on float32 has full precision on GPUs, outside of `Compute.arithmetic` too; by default, cuDNN's
    convolutions have TF32.

    Raises:
        ValueError: cuda is asked for, and there is none.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("compute.device is cuda, but PyTorch sees no GPU here; set it to auto or cpu")
    for backend in _BACKENDS:
        backend.fp32_precision = "ieee"
    return "cuda" if name != "cpu" and torch.cuda.is_available() else "cpu"
