"""Shapes in the types of functions are checked in the tests, and cost nothing elsewhere."""

import importlib
import inspect
import os
import subprocess
import sys

import checked_shapes
import numpy as np
import pytest
from checked_shapes import checked
from conftest import ROOT
from jaxtyping import Float, TypeCheckError

SHAPED = (
    "said.baselines.codetalker:CodeTalker.animate",
    "said.baselines.deepspeech:inputs",
    "said.baselines.end2end:spectrograms",
    "said.baselines.faceformer:FaceFormer.animate",
    "said.baselines.meshtalk:MeshTalk.animate",
    "said.baselines.voca:Voca.animate",
    "said.coefficients:fit_coefficients",
    "said.correspondence:find_correspondence",
    "said.deformation:transfer",
    "said.denoiser:Denoiser.forward",
    "said.diffusion:sample",
    "said.diffusion:training_losses",
    "said.extractor:BlendshapeVAE.encode",
    "said.lipsync.measure:embed_lips",
    "said.lipsync.syncnet:shift_distances",
    "said.metrics:frechet_distance",
    "said.metrics:multimodality",
    "said.metrics:wind",
    "said.sampling:Sampler.draw",
    "said.speech:encode",
    "said.training.extractor:extractor_losses",
    "said.training.windows:WindowEncoder.__call__",
)


def find(place: str):
    module, name = place.split(":")
    value = importlib.import_module(module)
    for part in name.split("."):
        value = getattr(value, part)
    return value


@pytest.mark.parametrize("place", SHAPED)
def test_the_functions_of_the_paper_are_checked_while_testing(place):
    files = []
    inspect.unwrap(find(place), stop=lambda layer: files.append(layer.__code__.co_filename))
    assert checked_shapes.__file__ in files


def total(points: Float[np.ndarray, "V 3"], weights: Float[np.ndarray, " V"]) -> Float[np.ndarray, "3"]:
    if len(points) == 1:
        raise ValueError("one point is too few")
    return (weights @ points)[: len(points)]


def test_wrong_shapes_are_found_in_arguments_and_in_results():
    points, weights = np.zeros((5, 3)), np.zeros(5)
    assert checked(total)(points, weights).shape == (3,)
    for arguments in ((points, weights.astype(int)), (points[:, :2], weights), (points[:2], weights[:2])):
        with pytest.raises(TypeCheckError):
            checked(total)(*arguments)


def test_what_a_function_refuses_itself_it_refuses_in_its_own_words():
    with pytest.raises(ValueError, match="too few"):
        checked(total)(np.zeros((1, 3)), np.zeros(2))


def test_in_use_nothing_is_checked_and_no_other_framework_is_imported():
    program = (
        "import sys, said.coefficients, said.deformation, said.metrics;"
        "functions = said.coefficients.fit_coefficients, said.deformation.transfer, said.metrics.wind;"
        "print([hasattr(function, '__wrapped__') for function in functions]);"
        "print([name for name in ('beartype', 'jax', 'tensorflow', 'torch') if name in sys.modules])"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT / "scripts")}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.splitlines() == ["[False, False, False]", "[]"]
