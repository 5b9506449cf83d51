"""A start that depends on the data (Salimans & Kingma 2016): no layer begins with outputs that hardly vary."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

_LEAST = 1e-6


@torch.no_grad()
def standardise_outputs(layers: Sequence[nn.Linear | nn.Conv1d], run: Callable[[], object]) -> None:
    """Scale and shift each layer so that every unit of its output has zero mean and unit variance on some data.

    Args:
        layers: in the order of the signal; each is measured with those before it already changed.
        run: sends the data through all of them, without anything random.
    """
    for layer in layers:
        outputs: list[Tensor] = []
        handle = layer.register_forward_hook(lambda _module, _inputs, output, outputs=outputs: outputs.append(output))
        run()
        handle.remove()
        units = (
            outputs[0].transpose(1, -1).flatten(0, -2) if isinstance(layer, nn.Conv1d) else outputs[0].flatten(0, -2)
        )
        deviation, mean = torch.std_mean(units.flatten(0, -2), dim=0, correction=0)
        deviation = deviation.clamp_min(_LEAST)
        assert layer.bias is not None
        layer.weight.div_(deviation.view(-1, *[1] * (layer.weight.ndim - 1)))
        layer.bias.sub_(mean).div_(deviation)
