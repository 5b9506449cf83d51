"""Which codes of head motion are used, and how often."""

from collections.abc import Mapping

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from said.figures.style import PALETTE
from said.headpose.pose_vq import PoseVQ
from said.headpose.rotations import to_directions


def codes_of(vq: PoseVQ, samples: Mapping[str, NDArray]) -> NDArray[np.int64]:
    """(T, components) codes of all tokens of poses: clip -> (S, N, 3) rotation vectors in radians."""
    directions = np.concatenate([to_directions(np.asarray(poses, np.float64)) for poses in samples.values()])
    codes = vq.encode(torch.from_numpy(directions).to(vq.mean))
    return codes.flatten(0, 1).cpu().numpy()


def draw_codes(vq: PoseVQ, methods: Mapping[str, Mapping[str, NDArray]]) -> Figure:
    """The share of each code, a panel for each codebook, from the code that the first method uses most.

    The legend has each method's perplexity: as many codes, used alike, would be as various.

    Args:
        methods: name -> clip -> (S, N, 3) rotation vectors in radians; they are encoded anew.
    """
    size = vq.config.codes
    used = {name: codes_of(vq, samples) for name, samples in methods.items()}
    figure = Figure(figsize=(10, 6), layout="constrained")
    panels = figure.subplots(-(-vq.config.components // 2), 2, squeeze=False).ravel()
    for component, panel in enumerate(panels[: vq.config.components]):
        shares = {name: np.bincount(codes[:, component], minlength=size) / len(codes) for name, codes in used.items()}
        order = np.argsort(-next(iter(shares.values())), kind="stable")
        for number, (name, share) in enumerate(shares.items()):
            perplexity = np.exp(-(share * np.log(np.maximum(share, 1e-12))).sum())
            style = {"color": "black", "linewidth": 2} if number == 0 else {"color": PALETTE[(number - 1) % 6]}
            dashed = "--" if number > 6 else "-"
            panel.plot(np.arange(size), 100 * share[order], dashed, label=f"{name} ({perplexity:.0f})", **style)
        panel.set(title=f"Codebook {component + 1}", xlabel="code, by use", ylabel="% of the tokens", ylim=(0, None))
        panel.legend(frameon=False, fontsize=7, title="perplexity in brackets", title_fontsize=7)
        panel.spines[["top", "right"]].set_visible(False)
    for panel in panels[vq.config.components :]:
        panel.set_axis_off()
    figure.suptitle(f"Use of the {size} codes in each codebook of head motion")
    return figure
