"""Seconds that each quantity of a job's work takes (`said.workflow.work`), where nothing was measured yet.

On a CPU: measured on two shared cores of an x86 server of the 2020s, a thread for each job. What a job takes in any
case is from a run of the synthetic dataset at `smoke` scale, all else from one at `demo` scale. Operations are at the
speed of the paper's model, 8e10 a second; small models spend their time between them, in steps and calls.

On a GPU: nothing was measured. Operations at 1e13 a second, and 4 ms to start the kernels of a training step or a call.
"""

GPU = {"flop": 1e-13, "step": 4e-3, "finetuned step": 8e-3, "call": 4e-3}
"""Take the place of a rule's own on a GPU."""
FLOP = 1.2e-11
"""An operation on one core."""
_FILMED, _DRAWN = 2.7e-7, 1.0e-7
"""A pixel of the films that SyncNet sees, and of those for people."""
CPU = {
    # data
    "synthetic_faces": {"job": 11, "speaker": 0.2},
    "synthetic_sequences": {"job": 2.2, "sentence": 0.125},
    "inspect_vocaset": {"job": 2, "sentence": 1},  # bench_reading.py, a packed release
    "vocaset_sequences": {"job": 2, "sentence": 1},
    # blendshapes, coefficients
    "find_regions": {"job": 1},
    "find_correspondence": {"job": 1.3},
    "transfer_blendshapes": {"job": 1.2},
    "fit_coefficients": {"job": 1.05, "sentence": 0.165, "cvxopt sentence": 44},
    "coefficient_std": {"job": 1},
    "quality_sheet": {"job": 2.6},
    # models
    "train_extractor": {"job": 3.6, "step": 0.02, "flop": FLOP},
    "speech_encoder": {"job": 6.5, "utterance": 0.11, "step": 0.048, "flop": FLOP},
    "train_said": {"job": 6, "step": 0.056, "finetuned step": 0.113, "flop": FLOP},
    "sample_said": {"job": 6.1, "call": 0.008, "flop": FLOP},
    "edit_said": {"job": 5.8, "call": 0.008, "flop": FLOP},
    "plot_edit": {"job": 1.8},
    # lip-sync
    "train_syncnet": {"job": 5.8, "pixel": _FILMED, "step": 0.1, "flop": FLOP},
    "measure_sync": {"job": 5.6, "pixel": _FILMED, "flop": FLOP},
    "prove_sync": {"job": 6.6, "pixel": _FILMED, "sentence": 0.29, "flop": FLOP},
    # evaluation
    "ground_truth": {"job": 0.85},
    "evaluate": {"job": 3.3, "window": 1e-5},
    "oracle": {"job": 1.8, "take": 0.18},
    "measure_motion": {"job": 1.45, "sequence": 0.033},
    # figures
    "plot_speakers": {"job": 5},
    "plot_blendshapes": {"job": 6.3},
    "plot_training": {"job": 2.4},
    "plot_overview": {"job": 7},
    "plot_construction": {"job": 10},
    "plot_architecture": {"job": 6},
    "plot_editing": {"job": 3},
    "plot_velocity": {"job": 6.3},
    "plot_attention": {"job": 9},
    "demo_video": {"job": 3.7, "pixel": _DRAWN},
    "comparison_video": {"job": 5.9, "pixel": _DRAWN},
}
"""By rule."""
