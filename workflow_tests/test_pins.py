"""What we replace in pinned packages, and private things that we call: a new pin that lacks one fails by name."""

import asyncio
import inspect
import shlex
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler
from sklearn.mixture import GaussianMixture
from tensorboardX.record_writer import RecordWriter
from transformers import Wav2Vec2Config, Wav2Vec2Model

from said import compute
from said.workflow import paths, slurm

slurm_plugin = pytest.importorskip("snakemake_executor_plugin_slurm")


def parameters(function) -> list[str]:
    return list(inspect.signature(function).parameters)


def test_slurm_s_executor_asks_submits_and_excludes_by_the_names_that_are_mended(monkeypatch):
    source = inspect.getsource(slurm_plugin.Executor)
    assert "await query_job_status(" in source and "get_submit_command(" in source
    assert "self._failed_nodes.add(" in source and "_failed_nodes" in inspect.getsource(slurm_plugin.Executor.run_job)
    assert len(parameters(slurm_plugin.query_job_status)) == 2
    answers = iter([(None, 1.0), ({"7": "CANCELLED by 0", "8": "RUNNING"}, 2.0)])

    async def query(command, logger):
        return next(answers)

    async def no_wait(seconds):
        assert seconds == 10

    monkeypatch.setattr(slurm_plugin, "query_job_status", query)
    monkeypatch.setattr(slurm_plugin, "get_submit_command", slurm_plugin.get_submit_command)
    monkeypatch.setenv("SLURM_CONF", "/nowhere/slurm.conf")
    executor = SimpleNamespace(_failed_nodes=set(), logger=SimpleNamespace(warning=lambda text: None))
    slurm.mend_executor(executor)
    monkeypatch.setattr(slurm.asyncio, "sleep", no_wait)
    states = asyncio.run(slurm_plugin.query_job_status("sacct", executor.logger))
    assert states == ({"7": "CANCELLED", "8": "RUNNING"}, 2.0)
    executor._failed_nodes.add("None assigned")
    assert not executor._failed_nodes


def test_snakemake_hands_the_path_of_python_to_a_shell_by_the_names_that_are_mended(monkeypatch):
    from snakemake.executors import local
    from snakemake.script import PythonScript
    from snakemake_executor_plugin_slurm_jobstep import Executor as JobStep
    from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

    assert '"{py_exec} {fname:q}", py_exec=py_exec' in inspect.getsource(PythonScript.execute_script)
    assert issubclass(slurm_plugin.Executor, RemoteExecutor)
    assert slurm_plugin.Executor.get_python_executable is RemoteExecutor.get_python_executable
    given = []
    monkeypatch.setattr(PythonScript, "_execute_cmd", lambda script, command, **values: given.append(values["py_exec"]))
    for executor in (local.Executor, JobStep, RemoteExecutor):
        monkeypatch.setattr(executor, "get_python_executable", executor.get_python_executable)
    python = "/my project's/python"
    monkeypatch.setattr(sys, "executable", python)
    paths.mend_snakemake()
    paths.mend_snakemake()  # once is enough
    script = SimpleNamespace(container_img=None, conda_env=None, env_modules=None)
    script._execute_cmd = PythonScript._execute_cmd.__get__(script)
    PythonScript.execute_script(script, "job.py")
    assert given == [shlex.quote(python)]
    assert local.Executor.get_python_executable(None) == JobStep.get_python_executable(None) == shlex.quote(python)


def test_scikit_learn_fits_by_an_e_step_and_an_m_step(monkeypatch):
    assert parameters(GaussianMixture._e_step)[:2] == ["self", "X"]
    assert parameters(GaussianMixture._m_step)[:3] == ["self", "X", "log_resp"]
    calls = []

    class Counting(GaussianMixture):
        def _e_step(self, X, xp=None):
            calls.append("e")
            return super()._e_step(X, xp)

        def _m_step(self, X, log_resp, xp=None):
            calls.append("m")
            return super()._m_step(X, log_resp, xp)

    fitted = Counting(2, random_state=0).fit(np.random.default_rng(0).normal(size=(50, 3)))
    assert calls[0] == "e" and calls[1] == "m", "the sums of an E-step are those of the M-step after it"
    assert {"means_", "covariances_", "weights_", "precisions_cholesky_"} <= vars(fitted).keys()
    assert fitted.reg_covar == 1e-6


@pytest.mark.parametrize("scheduler", [DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler])
def test_diffusers_clips_the_clean_estimate_by_a_method(scheduler):
    calls = []

    class Clipping(scheduler):
        def _threshold_sample(self, sample):
            calls.append(sample.shape)
            return sample.clamp(0, 1)

    made = Clipping(num_train_timesteps=10, thresholding=True)
    made.set_timesteps(2)
    made.step(torch.ones(1, 4, 32), made.timesteps[0], torch.ones(1, 4, 32))
    assert calls == [(1, 4, 32)]


def test_wav2vec2_is_features_projection_mask_and_transformer():
    torch.manual_seed(0)
    config = Wav2Vec2Config(
        hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, conv_dim=(16,) * 7,
        num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2,
    )  # fmt: skip
    model = Wav2Vec2Model(config).eval()
    waveform = torch.randn(1, 4000)
    with torch.no_grad():
        features = model.feature_extractor(waveform).transpose(1, 2)
        hidden, _ = model.feature_projection(features)
        parts = model.encoder(model._mask_hidden_states(hidden)).last_hidden_state
        whole = model(waveform).last_hidden_state
    assert torch.equal(parts, whole) and model.adapter is None


def test_tensorboardx_writes_records_that_it_flushes(tmp_path):
    writer = RecordWriter(str(tmp_path / "events"))
    writer.write(b"record")
    writer.flush()
    content = (tmp_path / "events").read_bytes()
    assert content[:8] == len(b"record").to_bytes(8, "little") and b"record" in content
    writer.close()


def test_torch_has_a_precision_for_each_backend_and_forgets_what_it_compiled():
    for backend in compute._BACKENDS:
        before = backend.fp32_precision
        for precision in ("tf32", "ieee"):
            backend.fp32_precision = precision
            assert backend.fp32_precision == precision
        backend.fp32_precision = before
    module = torch.nn.Linear(2, 2)
    assert module._compiled_call_impl is None
    assert "self._compiled_call_impl" in inspect.getsource(torch.nn.Module._wrapped_call_impl)
