"""Where MeshTalk's losses look on a face that has landmarks: what its authors picked by hand on theirs."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

from said.baselines.meshtalk_losses import Regions
from said.corpus import Topology

_MOUTH, _BROWS_AND_EYES, _EYES = np.r_[48:68], np.r_[17:27, 36:48], np.r_[36:48]
"""Of the iBUG landmarks."""
_MOUTH_REACH, _UPPER_REACH = 12.0, 15.0
"""Millimetres from the landmarks within which weights are 1; measured so that the regions are as large as theirs."""
_DECAY = 8.3
"""Millimetres over which weights beyond fall to 1/e."""


def find_regions(topology: Topology, template: NDArray) -> Regions:
    """Regions of a face, by distances along the edges of its mesh; parts that hang together with no landmark have none.

    Args:
        topology: whose landmarks are meant.
        template: (V, 3) millimetres.
    """
    edges = np.concatenate([topology.faces[:, [0, 1]], topology.faces[:, [1, 2]], topology.faces[:, [2, 0]]])
    lengths = np.linalg.norm(template[edges[:, 0]] - template[edges[:, 1]], axis=1)
    edges, kept = np.unique(np.sort(edges, axis=1), axis=0, return_index=True)
    graph = coo_array((lengths[kept] + 1e-9, edges.T), shape=(len(template), len(template))).tocsr()

    def within(landmarks: NDArray, reach: float) -> torch.Tensor:
        start = np.unique(topology.landmarks[landmarks])
        distance = dijkstra(graph, directed=False, indices=start, min_only=True)
        return torch.from_numpy(np.exp(-np.maximum(distance - reach, 0) / _DECAY)).float()

    eyes = np.unique(topology.landmarks[_EYES])
    eyelids = torch.zeros(len(template))
    eyelids[torch.from_numpy(np.union1d(eyes, edges[np.isin(edges, eyes).any(1)]))] = 1.0
    return Regions(within(_MOUTH, _MOUTH_REACH), within(_BROWS_AND_EYES, _UPPER_REACH), eyelids)
