"""FLAME (Li et al. 2017): expressions and the jaw of a mean head, by linear blend skinning.

Own code, for smplx's licence is not free; of the model, what speech moves. The file is the user's own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, Real
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from said.running.shapes import shaped

SHAPES = 300
"""Components of identity, which come before those of expression."""
EXPRESSIONS = 100
JOINTS = 5
"""Root, neck, jaw and two eyes."""
_JAW = 2
_ROTATION = 9
"""Numbers of a joint's rotation matrix."""


class FlameError(ValueError):
    """A file is no FLAME model; the message names the file, the key and the remedy."""


@dataclass(frozen=True)
class Flame:
    """What moves the mean head.

    Attributes:
        template: (V, 3) metres.
        expressions: (V, 3, E) displacements.
        jaw: (V, 3, 9) displacements for each number of the jaw's rotation matrix less the identity.
        regressor: (V,) which vertices make the jaw's joint.
        weights: (V,) share of the jaw's rotation that a vertex follows.
        faces: (F, 3) int, vertex indices.
    """

    template: NDArray[np.float64]
    expressions: NDArray[np.float64] = field(repr=False)
    jaw: NDArray[np.float64] = field(repr=False)
    regressor: NDArray[np.float64] = field(repr=False)
    weights: NDArray[np.float64] = field(repr=False)
    faces: NDArray[np.int64] = field(repr=False)

    @classmethod
    def of(cls, content: Mapping[str, Any], source: str) -> "Flame":
        """The model of a file's content: v_template (V, 3), shapedirs (V, 3, 300 + E), posedirs (V, 3, 36),
        J_regressor (5, V), weights (V, 5), f (F, 3).

        Args:
            source: name of the file, for messages.

        Raises:
            FlameError: a key is missing, is no array of finite numbers, or has a shape that the others do not allow.
        """
        names = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "f")
        missing = [name for name in names if name not in content]
        if missing:
            raise FlameError(f"{source}: lacks {', '.join(missing)}; a FLAME model, generic_model.pkl, has them")
        read = {name: _numbers(content[name], f"{source}: {name}") for name in names}
        vertices = len(read["v_template"])
        components = read["shapedirs"].shape[-1]
        expected = {
            "v_template": (vertices, 3),
            "shapedirs": (vertices, 3, components),
            "posedirs": (vertices, 3, _ROTATION * (JOINTS - 1)),
            "J_regressor": (JOINTS, vertices),
            "weights": (vertices, JOINTS),
            "f": (len(read["f"]), 3),
        }
        for name, shape in expected.items():
            if read[name].shape != shape:
                raise FlameError(f"{source}: {name} is {read[name].shape}, expected {shape}; is it a model of a body?")
        if components <= SHAPES:
            raise FlameError(
                f"{source}: shapedirs has {components} components, no more than the {SHAPES} of identity: none of "
                "expression; take the model of 400"
            )
        first = _ROTATION * (_JAW - 1)
        return cls(
            read["v_template"],
            read["shapedirs"][:, :, SHAPES:],
            read["posedirs"][:, :, first : first + _ROTATION],
            read["J_regressor"][_JAW],
            read["weights"][:, _JAW],
            read["f"].astype(np.int64),
        )

    @shaped
    def move(self, expression: Real[np.ndarray, "N E"], jaw: Real[np.ndarray, "N 3"]) -> Float[np.ndarray, "N V 3"]:
        """The mean head with expressions and the jaw turned.

        Vertices are T + E e + P (R - I), of which each follows the jaw's rotation about its joint by its weight; all
        other joints rest.

        Args:
            expression: (N, E) components, E at most those of the model.
            jaw: (N, 3) rotation vectors in radians.

        Returns:
            (N, V, 3) metres.

        Raises:
            ValueError: there are more components than the model has.
        """
        count, most = expression.shape[1], self.expressions.shape[2]
        if count > most:
            raise ValueError(f"{count} components of expression, but the model has {most}")
        shaped_head = self.template + np.einsum("ne,vce->nvc", expression, self.expressions[:, :, :count])
        rotation = Rotation.from_rotvec(jaw).as_matrix()
        joint = np.einsum("v,nvc->nc", self.regressor, shaped_head)[:, None]
        corrected = shaped_head + np.einsum("nr,vcr->nvc", (rotation - np.eye(3)).reshape(len(jaw), -1), self.jaw)
        turned = np.einsum("nij,nvj->nvi", rotation, corrected - joint) + joint
        return corrected + self.weights[:, None] * (turned - corrected)


def _numbers(value: Any, place: str) -> NDArray[np.float64]:
    """An array of a model file: one as it is, one that chumpy wrapped, or a sparse matrix of scipy."""
    state = getattr(value, "state", None)
    if isinstance(state, Mapping) and "x" in state:  # chumpy's
        value = state["x"]
    elif isinstance(state, Mapping) and {"data", "indices", "indptr"} <= state.keys():
        value = _dense(state, place)
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "iuf":
        raise FlameError(f"{place} is no array of numbers but {type(value).__name__}")
    if not np.isfinite(value).all():
        raise FlameError(f"{place} holds values that are not finite")
    return value.astype(np.float64)


def _dense(state: Mapping[str, Any], place: str) -> NDArray[np.float64]:
    """A matrix whose columns are stored one after the other, as scipy's csc_matrix has it.

    It is put together here, as scipy would write wherever a wrong index points.

    Raises:
        FlameError: its parts contradict each other.
    """
    data, rows, starts = (np.atleast_1d(state[name]) for name in ("data", "indices", "indptr"))
    sound = (
        data.ndim == rows.ndim == starts.ndim == 1
        and data.dtype.kind == "f"
        and rows.dtype.kind == starts.dtype.kind == "i"
        and len(data) == len(rows)
        and len(starts) > 1
        and starts[0] == 0
        and starts[-1] == len(data)
        and (np.diff(starts) >= 0).all()
        and ((rows >= 0) & (rows < JOINTS)).all()
    )
    if not sound:
        raise FlameError(f"{place} is no sparse matrix of {JOINTS} rows; its parts contradict each other")
    dense = np.zeros((JOINTS, len(starts) - 1))
    np.add.at(dense, (rows, np.repeat(np.arange(dense.shape[1]), np.diff(starts))), data)
    return dense
