"""Seconds that each unit of a job takes (`said.workflow.work`) where nothing has been measured yet.

CPU: measured on two shared cores of an x86 server of the 2020s, with one thread per job. What a job takes in any case
is from a run of the synthetic dataset at `smoke` scale, the rest from one at `demo` scale; large units are from the
programs in workflow_tests/benchmarks.

GPU: large units are from an H100, one job with one thread at a time (bench_training.py, bench_trainings.py,
bench_sampling.py); launching kernels takes nearly all of it, so that a slower card hardly takes longer, and several
jobs share one with little loss. Small units, and those under `rough`, are guesses.
"""

GPU = {
    "large step": 0.074,
    "large call": 1.9e-4,
    "large voca clip": 0.036,
    "large faceformer clip": 0.37,
    "large codetalker autoencoder clip": 0.022,
    "large codetalker clip": 0.046,
    "large end2end frame": 4.4e-4,
    "large meshtalk step": 0.048,
    "large meshtalk prior step": 0.038,
    "large meshtalk sentence": 0.43,
    "large voca sentence": 0.1,
    "large faceformer sentence": 0.22,
    "large codetalker sentence": 0.6,
    "large end2end sentence": 0.064,
    "large pose clip": 1e-3,
    "large mel clip": 1.3e-3,
    "large waveform clip": 1.7e-3,
    # rough
    "step": 0.02,
    "finetuned step": 0.05,
    "large encoded step": 0.05,
    "large finetuned step": 0.2,
    "call": 2e-3,
    "large film": 1.4,
    "large clip": 0.02,
    "large block": 1.3e-3,
    "large face clip": 0.06,
}
"""By unit, for every rule: replace the numbers below on a GPU, where samples share a call."""

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
    "train_extractor": {"job": 3.6, "step": 0.03},
    "speech_encoder": {"job": 6.5, "utterance": 0.11, "step": 0.1},
    "train_said": {"job": 6, "step": 0.1, "finetuned step": 0.19}
    | {"large step": 1.8, "large encoded step": 0.44, "large finetuned step": 7.7},
    "sample_said": {"job": 6.1, "call": 0.0075, "large call": 0.029},
    # The published sizes: from the notes on their authors' code, and from bench_baselines.py.
    "train_baseline": {"job": 4.5, "voca clip": 0.18, "faceformer clip": 0.22, "end2end frame": 1e-3}
    | {"meshtalk step": 0.15, "meshtalk prior step": 0.05, "large meshtalk step": 3.5, "large meshtalk prior step": 1}
    | {"codetalker autoencoder clip": 0.05, "codetalker clip": 0.08}
    | {"large voca clip": 0.45, "large faceformer clip": 5, "large end2end frame": 0.024}
    | {"large codetalker autoencoder clip": 2.9, "large codetalker clip": 4.5},
    "sample_baseline": {"job": 4.5, "sequence": 0.15, "voca sentence": 0.1, "faceformer sentence": 0.1}
    | {"meshtalk sentence": 0.4, "large meshtalk sentence": 4}
    | {"codetalker sentence": 0.25, "end2end sentence": 0.3}
    | {"large voca sentence": 2.9, "large faceformer sentence": 1.1, "large codetalker sentence": 82}
    | {"large end2end sentence": 1.9},
    "edit_said": {"job": 5.8, "call": 0.0075, "large call": 0.029},
    "plot_edit": {"job": 1.8},
    # lip-sync
    "train_syncnet": {"job": 5.8, "film": 0.13, "step": 0.22},
    "measure_sync": {"job": 5.6, "film": 0.13, "large film": 5.1},
    "prove_sync": {"job": 6.6, "film": 0.42, "large film": 5.4},  # the speech is moved to twelve places besides
    # head poses; the published sizes are counted from operations
    "train_pose_vq": {"job": 4, "pose clip": 0.0025, "large pose clip": 0.06},
    "train_pose_generator": {"job": 6, "mel clip": 0.006, "waveform clip": 0.017}
    | {"large mel clip": 0.12, "large waveform clip": 0.25},
    "sample_poses": {"job": 4, "clip": 0.02},
    # evaluation
    "ground_truth": {"job": 0.85},
    "evaluate_method": {"job": 3.3, "sequence": 0.06},
    "sample_oracle": {"job": 1.8, "take": 0.18},
    "measure_motion": {"job": 1.45, "sequence": 0.033},
    # heads
    "record_talks": {"job": 3, "clip": 0.075},
    "hear_talks": {"job": 5, "clip": 0.06, "large clip": 1.5},
    "train_pose_fid": {"job": 4, "clip": 0.008},
    "known_poses": {"job": 2},
    "measure_poses": {"job": 4, "clip": 0.05},
    # the second source: its face
    "act_emotions": {"job": 5},
    "train_facial_vq": {"job": 12, "block": 3e-3, "large block": 0.3},
    "train_dual_path": {"job": 8, "face clip": 0.035, "large face clip": 1.5},
    "sample_face": {"job": 5, "face sentence": 0.1, "large face sentence": 1},
    "face_in_codes": {"job": 4},
    "measure_face": {"job": 1.5, "sequence": 0.02},
    # figures
    "plot_headpose": {"job": 4},
    "plot_speakers": {"job": 5},
    "plot_blendshapes": {"job": 6.3},
    "plot_training": {"job": 2.4},
    "plot_overview": {"job": 7},
    "plot_construction": {"job": 10},
    "plot_architecture": {"job": 6},
    "plot_editing": {"job": 3},
    "plot_velocity": {"job": 6.3},
    "plot_attention": {"job": 9},
    "demo_video": {"job": 3.7, "face": 2.7},
    "comparison_video": {"job": 5.9, "face": 2.7},
    # the user study and films of heads; of a film, by 320 x 320 pixels
    "sample_clip_faces": {"job": 5},
    "headpose_film": {"job": 3, "head": 4},
    "headpose_diversity_film": {"job": 3, "head": 4},
    "study_faces": {"job": 2.2, "film": 1.6},
    "study_heads": {"job": 2.7, "film": 3.2},
    "study_form": {"job": 1.5},
    "study_simulation": {"job": 2, "draw": 0.013},
}
"""By rule."""
