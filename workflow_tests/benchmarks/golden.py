"""How near the project comes to the authors' implementation: each golden value, the largest error, the bound.

    SAID_OFFICIAL=<folder of the authors' files> python workflow_tests/benchmarks/golden.py

The bounds are those of the tests. Whole runs of 20 steps end as near to the authors' as theirs is to the same run in
double precision, which is the bound printed for them; test_diffusion.py says why.
"""

import argparse
import copy
import json
import os
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from transformers import Wav2Vec2Config, Wav2Vec2Model

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from said import extractor
from said.diffusion import sample, scheduler, training_losses
from said.files.tables import read_coefficients
from said.model import load_official
from said.speech import encode, normalise


def tensors(path: Path) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(value) for name, value in np.load(path).items()}


def worst(reached, expected) -> float:
    return (reached.double() - expected.double()).abs().max().item()


def extractor_checks(folder: Path):
    vae, golden = extractor.load_official(folder / "vae.pth"), tensors(folder / "golden/vae_golden.npz")
    mean, log_variance = vae.encode(golden["x"])
    yield "VAE: latent mean", worst(mean, golden["mean"]), 1e-5
    yield "VAE: logarithm of the variance", worst(log_variance, golden["log_var"]), 1e-5
    yield "VAE: reconstruction", worst(vae.decode(golden["mean"]), golden["reconst_from_mean"]), 1e-5


def speech_checks(folder: Path):
    golden = tensors(folder / "golden/tiny_wav2vec2_golden.npz")
    config = Wav2Vec2Config(**json.loads((folder / "golden/tiny_wav2vec2_config.json").read_text()))
    encoder = Wav2Vec2Model(config).eval()
    encoder.load_state_dict(load_file(folder / "golden/tiny_wav2vec2.safetensors"))
    yield "wav2vec 2.0: normalised speech", worst(normalise(golden["raw"]), golden["processed"]), 1e-4
    features = encode(encoder, golden["processed"], int(golden["frames"]))
    yield "wav2vec 2.0: features at the frame rate", worst(features, golden["embedding"]), 1e-4


def denoiser_checks(folder: Path, model, golden):
    seen = {}
    for name, module in model.denoiser.model.named_modules():
        if "act_" + name in golden:
            module.register_forward_hook(lambda _, __, output, name=name: seen.update({name: output}))
    out = model.denoiser(golden["fwd_x"], golden["fwd_t"], golden["fwd_ctx"])
    yield "denoiser: output", worst(out, golden["fwd_out"]), 1e-4
    yield "denoiser: every activation", max(worst(seen[name], golden["act_" + name]) for name in seen), 1e-4
    out = model.denoiser(golden["fwd_x"], golden["fwd_t"], golden["fwd_ctx100"])
    yield "denoiser: 100 audio frames for 120", worst(out, golden["fwd_out100"]), 1e-4
    given = [golden[name] for name in ("loss_coeffs", "audio_emb_120", "loss_cond", "loss_t", "loss_noise")]
    std = torch.from_numpy(read_coefficients(folder / "coeffs_std.csv")[0]).float()
    for label, prefix, divisor in (("losses", "loss", None), ("losses over the deviations", "loss_std", std)):
        for name, reached in zip(("predict", "velocity"), training_losses(model, *given, std=divisor), strict=True):
            expected = golden[f"{prefix}_{name}"]
            yield f"{label}: {name}, relative", worst(reached, expected) / expected.item(), 1e-5


def sampling_checks(model, golden):
    audio, states = golden["audio_emb_120"], [*golden["ddim20_interm"]]
    both = torch.cat([audio, model.condition(audio, torch.zeros(2, dtype=torch.bool))])
    schedule = scheduler(model)
    schedule.set_timesteps(20)

    def step(state, timestep):
        conditional, unconditional = model.denoiser(torch.cat([state, state]), timestep.expand(4), both).chunk(2)
        return schedule.step(3 * conditional - 2 * unconditional, timestep, state).prev_sample

    single = [worst(step(one, t), two) for t, one, two in zip(schedule.timesteps, states, states[1:], strict=False)]
    yield "DDIM, each guided step from their state", max(single), 1e-4
    state = states[0]
    for timestep in schedule.timesteps[:5]:
        state = step(state, timestep)
    yield "DDIM, the first 5 of 20 guided steps", worst(state, states[5]), 1e-4

    exact = copy.deepcopy(model).double()
    editing = {"reference": golden["edit_ref"], "mask": golden["edit_mask"]}
    for label, result, noise, arguments in (
        ("DDIM, 20 steps, guidance 2", "ddim20_result", "ddim20_noise", {"guidance": 2.0}),
        ("DDIM, 20 steps, no guidance", "ddim20_gs1_result", "ddim20_gs1_noise", {"guidance": 0.0}),
        ("editing, strength 1", "edit_result", "edit_noise", {"guidance": 2.0, **editing}),
        (
            "editing, strength 0.5",
            "edit_strength05_result",
            "edit_noise",
            {"guidance": 2.0, "strength": 0.5, **editing},
        ),
    ):
        given = {"audio": audio, "initial_noise": golden[noise], **arguments}
        reached = sample(model, steps=20, **given)
        doubled = {name: value.double() if torch.is_tensor(value) else value for name, value in given.items()}
        rounding = worst(sample(exact, steps=20, **doubled), golden[result])
        bound = 1e-4 if arguments.get("strength") == 0.5 else 3 * rounding
        yield f"{label}: largest", worst(reached, golden[result]), bound
        yield f"{label}: mean", (reached - golden[result]).abs().mean().item(), 1e-4


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--official", type=Path, default=os.environ.get("SAID_OFFICIAL"), help="the authors' files")
    arguments = parser.parse_args()
    if arguments.official is None or not arguments.official.is_dir():
        parser.error("--official or SAID_OFFICIAL must name the folder of the authors' files")
    golden = tensors(arguments.official / "golden/said_golden.npz")
    model = load_official(arguments.official / "golden/said_denoiser.pth")
    print(f"| {'value of the authors':44} | error | bound |\n|---|---|---|")
    failed = False
    for checks in (
        extractor_checks(arguments.official),
        speech_checks(arguments.official),
        denoiser_checks(arguments.official, model, golden),
        sampling_checks(model, golden),
    ):
        for name, error, bound in checks:
            failed |= not error <= bound
            print(f"| {name:44} | {error:.1e} | {bound:.1e} |{'' if error <= bound else ' MISSED'}", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
