"""Samplers, the faster form of guidance, bytes that depend on the clip alone, and interrupted jobs."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import SAMPLING, small, small_encoder, speeches

from said import model as models
from said.diffusion import alphas_cumprod, guided, sample, scheduler
from said.files.finished import Finished
from said.guidance import GuidedDenoiser
from said.model import ModelConfig
from said.sampling import Sampler, Speech, batches, sample_bytes, sample_speech
from said.speech import load_encoder, save_encoder


def samples_of(clips, threads=1, finished=None, report=lambda _: None, **changes):
    sampler = Sampler(small(prediction="v"), small_encoder(), replace(SAMPLING, **changes), seed=7)
    return dict(sample_speech(sampler, clips, threads=threads, finished=finished, report=report))


# The faster form of guidance


@torch.no_grad()
@pytest.mark.parametrize("bias", [0, 1, 3, 400, None])
@pytest.mark.parametrize("guidance", [0.0, 0.5, 2.0])
def test_the_faster_guidance_is_eq_9(bias, guidance):
    """In double precision, in which the two forms are all but equal."""
    model = small(alignment_bias=bias, prediction="v").double()
    timesteps = torch.tensor([990, 500, 3])
    audio, noisy = torch.randn(2, 3, 37, 32, dtype=torch.float64)
    plain, fast = (make(model, audio, timesteps, guidance) for make in (guided, GuidedDenoiser))
    for step in range(3):
        torch.testing.assert_close(fast(noisy, step), plain(noisy, step), atol=1e-10, rtol=0)


@torch.no_grad()
def test_the_faster_guidance_is_the_authors(exact, golden):
    """From each state of their run, one guided step."""
    audio, timesteps = golden["audio_emb_120"].double(), golden["ddim20_timesteps"]
    plain, fast = (make(exact, audio, timesteps, 2.0) for make in (guided, GuidedDenoiser))
    for step, state in enumerate(golden["ddim20_interm"][:20].double()):
        torch.testing.assert_close(fast(state, step), plain(state, step), atol=1e-9, rtol=0)


def test_whole_samples_are_those_of_the_plain_form():
    model = small(prediction="v").double()
    audio, noise, (reference, _) = torch.randn(3, 2, 30, 32, dtype=torch.float64)
    for extra in ({}, {"reference": reference.sigmoid(), "mask": torch.eye(30, 32), "strength": 0.7}):
        plain, fast = (
            sample(model, audio, steps=8, guidance=1.0, initial_noise=noise, predictor=predictor, **extra)
            for predictor in (guided, GuidedDenoiser)
        )
        torch.testing.assert_close(fast, plain, atol=1e-8, rtol=0)


# Samplers


class Gaussian(torch.nn.Module):
    """The perfect denoiser of coefficients that are normally distributed, each by itself."""

    def __init__(self, model, mean: float, std: float):
        super().__init__()
        self.alphas, self.mean, self.std = alphas_cumprod(model.config), mean, std

    def forward(self, noisy, timesteps, audio):
        alpha = self.alphas[timesteps][:, None, None]
        return (1 - alpha).sqrt() * (noisy - alpha.sqrt() * self.mean) / self.marginal(alpha) ** 2

    def marginal(self, alpha):
        return (alpha * self.std**2 + 1 - alpha).sqrt()

    def solution(self, noise, timestep):
        """Where the ODE of the reverse process leads: the same quantile of the coefficients' distribution."""
        alpha = self.alphas[timestep]
        return self.mean + self.std * (noise - alpha.sqrt() * self.mean) / self.marginal(alpha)


def test_deterministic_samplers_solve_the_ode_and_dpm_solver_in_fewer_steps():
    model = small()
    model.denoiser = Gaussian(model, mean=0.5, std=0.1)
    noise, audio = torch.randn(2, 50, 32).clamp(-3, 3), torch.zeros(2, 50, 32)
    errors = {}
    for sampler, steps in (("ddim", 1000), ("ddim", 25), ("dpmsolver++", 25)):
        schedule = scheduler(model, sampler)
        schedule.set_timesteps(steps)
        expected = model.denoiser.solution(noise, schedule.timesteps[0])
        result = sample(model, audio, steps=steps, guidance=0.0, initial_noise=noise, sampler=sampler)
        errors[sampler, steps] = (result - expected).abs().mean().item()
    assert errors["ddim", 1000] < 0.1 * errors["ddim", 25]
    assert errors["dpmsolver++", 25] < 0.15 * errors["ddim", 25]


@pytest.mark.parametrize("sampler", ["ddim", "ddpm", "dpmsolver++"])
def test_each_sampler_is_one_key(sampler):
    clips = speeches(30)
    values = samples_of(clips, sampler=sampler)["clip0"]
    assert values.shape == (3, 30, 32) and np.isfinite(values).all() and 0 <= values.min() and values.max() <= 1
    assert np.array_equal(values, samples_of(clips, sampler=sampler)["clip0"])


# Bytes


@pytest.mark.parametrize("changes", [{}, {"eta": 1.0}, {"sampler": "ddpm"}, {"guidance": 0.0}])
def test_the_bytes_of_a_sample_follow_from_clip_and_repeat_alone(changes):
    clips = speeches(24, 61, 40)
    expected = samples_of(clips, **changes)
    for threads, order in ((1, (0, 1, 2)), (3, (0, 1, 2)), (2, (2, 0, 1))):
        given = [clips[n] for n in order]
        again = samples_of(given, threads=threads, **changes)
        assert list(again) == [clip.name for clip in given]
        assert all(again[name].tobytes() == values.tobytes() for name, values in expected.items())
    for clip in clips:
        assert np.array_equal(samples_of([clip], samples=2, **changes)[clip.name], expected[clip.name][:2])


def test_threads_elsewhere_do_not_change_them():
    clips, before = speeches(240), torch.get_num_threads()
    try:
        results = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            results.append(samples_of(clips, samples=2)["clip0"])
            assert torch.get_num_threads() == threads  # left as it was found
    finally:
        torch.set_num_threads(before)
    assert np.array_equal(*results)


# Memory

PEAK = """
import re, sys
from pathlib import Path
sys.path.insert(0, {scripts!r})
import torch
from said.diffusion import guided, sample
from said.guidance import GuidedDenoiser
from said.model import ModelConfig, SAiD
torch.set_num_threads(1)
model = SAiD(ModelConfig(**{config!r})).eval()
for size in {sizes!r}:
    noise = [torch.Generator().manual_seed(item) for item in range(size)]
    predictor = GuidedDenoiser if model.config.alignment_schedule == "constant" else guided
    audio = torch.zeros(1, 240, 768).expand(size, -1, -1)
    sample(model, audio, steps=2, guidance={guidance!r}, generator=noise, predictor=predictor)
    print(1024 * int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]))
"""


@pytest.mark.skipif(
    sys.platform != "linux", reason="the peak is read from Linux's /proc; getrusage would report the parent's"
)
@pytest.mark.parametrize(
    ("config", "guidance"),
    [({}, 2.0), ({"alignment_bias": 30}, 0.0), ({"alignment_schedule": "geometric"}, 1.0)],
    ids=["paper", "wide band, no guidance", "scheduled band"],
)
def test_the_memory_of_a_sample_is_estimated_on_the_safe_side(config, guidance):
    """Against what a process takes for a larger batch more than for a smaller one."""
    sizes = (2, 8)
    job = PEAK.format(
        scripts=str(Path(__file__).parent.parent / "scripts"), config=config, guidance=guidance, sizes=sizes
    )
    # Every larger block is the system's, so that what is freed counts no more.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": "65536"}
    done = subprocess.run([sys.executable, "-c", job], env=environment, capture_output=True, text=True, check=True)
    small, large = map(int, done.stdout.split())
    taken = (large - small) / (sizes[1] - sizes[0])
    assert 1.2 * taken < sample_bytes(ModelConfig(**config), 240, guidance) < 2 * taken


def test_a_sample_of_twice_the_frames_takes_twice_the_memory_and_no_guidance_saves_some():
    config = ModelConfig()
    assert sample_bytes(config, 480, 2.0) == 2 * sample_bytes(config, 240, 2.0) > 2 * sample_bytes(config, 240, 0.0)
    assert sample_bytes(ModelConfig(alignment_bias=1000), 10, 2.0) < sample_bytes(ModelConfig(), 240, 2.0)


@pytest.mark.parametrize(("samples", "fitting", "sizes"), [
    (72, 100, [72]), (72, 72, [72]), (72, 71, [36, 36]), (10, 4, [4, 4, 4]), (3, 1, [1, 1, 1]), (2, 0, [1, 1]),
])  # fmt: skip
def test_batches_are_even_hold_every_sample_and_no_more_than_fit(samples, fitting, sizes):
    made = batches(samples, fitting)
    assert [len(batch) for batch in made] == sizes
    assert sum(made, []) == list(range(sum(sizes)))


# Interruption


def test_what_is_finished_is_not_sampled_again(tmp_path):
    clips = speeches(20, 30)
    first = samples_of(clips)
    with Finished(tmp_path / "kept", "job") as kept:
        samples_of(clips[:1], finished=kept)
        lines = []
        again = samples_of(clips, finished=kept, report=lines.append)
        assert lines[0].startswith("1 of 2 sentences were finished")
        assert lines[-1].startswith("sampled 3/3 sequences")
        assert all(np.array_equal(again[name], first[name]) for name in first)
    assert not (tmp_path / "kept").exists()


def test_what_follows_from_something_else_is_not_taken_up(tmp_path):
    kept = Finished(tmp_path, {"seed": 1})
    kept.write("clip", np.ones(3))
    assert np.array_equal(kept.read("clip"), np.ones(3))
    assert kept.read("other") is None
    assert Finished(tmp_path, {"seed": 2}).read("clip") is None
    next(tmp_path.iterdir()).write_bytes(b"PK\x03\x04 cut off")
    assert kept.read("clip") is None


def test_every_part_of_a_job_is_in_its_identity():
    model, speaker = small(), small_encoder()
    identity = Sampler(model, speaker, SAMPLING, 1).identity()
    assert identity == Sampler(small(), small_encoder(), asdict(SAMPLING), 1).identity()
    others = [
        Sampler(model, speaker, SAMPLING, 2),
        Sampler(model, speaker, replace(SAMPLING, steps=7), 1),
        Sampler(small(alignment_bias=None), speaker, SAMPLING, 1),
    ]
    with torch.no_grad():
        changed = small()
        changed.null_cond_emb[0, 0, 0] += 1e-6
        others.append(Sampler(changed, speaker, SAMPLING, 1))
    texts = {json.dumps(one.identity(), sort_keys=True) for one in others}
    assert len(texts) == 4 and json.dumps(identity, sort_keys=True) not in texts


def test_a_kept_sentence_is_one_of_the_same_waveform(tmp_path):
    (clip,) = speeches(20)
    with Finished(tmp_path, "job") as kept:
        samples_of([clip], finished=kept)
        louder = Speech(clip.name, clip.waveform * np.linspace(0, 2, len(clip.waveform), dtype=np.float32), 20)
        assert not np.array_equal(samples_of([louder], finished=kept)["clip0"], samples_of([clip])["clip0"])


JOB = """
import sys
import time
sys.path[:0] = {paths!r}
import torch
from dataclasses import replace
from helpers import SAMPLING, speeches
from said import model
from said.files.arrays import write_arrays
from said.files.finished import Finished
from said.sampling import Sampler, sample_speech
from said.speech import load_encoder
class Waiting(Finished):
    left = int(sys.argv[1])  # sentences, after which it waits to be killed

    def write(self, *arguments):
        super().write(*arguments)
        self.left -= 1
        while self.left == 0:
            time.sleep(1)

sampler = Sampler(model.load("model.safetensors"), load_encoder("encoder"), replace(SAMPLING, steps=60), 7)
with Waiting("job.unfinished", sampler.identity()) as finished:
    samples = sample_speech(sampler, speeches(*[60] * 8), threads=2, finished=finished)
    write_arrays("samples.npz", dict(samples))
"""


def test_a_job_killed_at_any_moment_ends_with_the_same_bytes(tmp_path):
    """A real process, killed twice; what it had finished stays finished."""
    models.save(tmp_path / "model.safetensors", small(prediction="v"))
    save_encoder(small_encoder(), tmp_path / "encoder")
    here = Path(__file__).parent
    command = [sys.executable, "-c", JOB.format(paths=[str(here), str(here.parent / "scripts")])]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    def finished() -> int:
        return len(list(tmp_path.glob("job.unfinished/.sums/clip*.npz")))

    rng = np.random.default_rng()  # any moment
    kept = 0
    for _ in range(2):
        job = subprocess.Popen([*command, "3"], cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL)
        while finished() <= kept and job.poll() is None:
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.1))
        assert job.poll() is None, "failed before it was killed"
        job.send_signal(signal.SIGKILL)
        job.wait()
        assert kept < finished() < 8 and not (tmp_path / "samples.npz").exists()
        kept = finished()
    done = subprocess.run([*command, "9"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert f"{kept} of 8 sentences were finished" in done.stdout
    assert not (tmp_path / "job.unfinished").exists()
    sampler = Sampler(
        models.load(tmp_path / "model.safetensors"), load_encoder(tmp_path / "encoder"), replace(SAMPLING, steps=60), 7
    )
    with np.load(tmp_path / "samples.npz") as written:
        for name, values in sample_speech(sampler, speeches(*[60] * 8), report=lambda _: None):
            assert values.tobytes() == written[name].tobytes()
