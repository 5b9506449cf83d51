import numpy as np

from said import corpus
from said.arkit import SPEECH_BLENDSHAPES
from said.cleanup import crop, find_regions, reattach
from said.coefficients import fit_coefficients
from said.deformation import find_correspondence, transfer
from said.files import gltf
from said.files.meshes import read_indices, read_mesh
from said.files.tables import write_coefficients

# ARKit's face: Neutral.obj, an OBJ per expression, landmarks.txt. Your head: any mesh, and the 68 iBUG landmarks on it.
source, expressions, source_landmarks = corpus.read_source("arkit")
template, landmarks = read_mesh("head.ply"), read_indices("head_landmarks.txt")

regions = find_regions(template, landmarks)
face, new_index = crop(template, regions.face)
pairs = find_correspondence(source, face, source_landmarks, new_index[landmarks])
blendshapes = reattach(template, regions, transfer(source, expressions, face, pairs))  # (32, V, 3)

head, _ = crop(template, regions.head)
gltf.write_morph_targets("head.glb", head.vertices, head.faces, dict(zip(SPEECH_BLENDSHAPES, blendshapes, strict=True)))

frames = np.load("performance.npy")[:, regions.head]  # (N, V, 3) of your head, 60 frames per second
write_coefficients("performance.csv", fit_coefficients(head.vertices, blendshapes, frames))
