"""Every file the project reads or writes. Writing is atomic: a file has its name only when it is whole.

What others published comes in by `said.download` and is read in place by `said.archives`.
"""

import io
import json
import os
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd
import soundfile
import trimesh
from numpy.typing import NDArray

from said.arkit import SPEECH_BLENDSHAPES
from said.atomic import atomic
from said.files.provenance import sentence
from said.integrity import reading, require_whole_wav

PathLike = str | os.PathLike[str]


class AudioError(ValueError):
    """A sound file cannot be read."""


# Fixed date of the members of an npz, so that the same arrays are the same bytes.
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)


def read_mesh(path: PathLike) -> trimesh.Trimesh:
    """A triangle mesh with the file's vertices in the file's order, none merged.

    Raises:
        ValueError: the file is not a triangle mesh.
    """
    path = Path(path)
    return parse_mesh(path.read_bytes(), path)


def parse_mesh(content: bytes, name: PathLike) -> trimesh.Trimesh:
    """As `read_mesh`, from a file's content; `name` tells its format by the suffix, and messages where it is."""
    kind = Path(name).suffix[1:]
    with reading(name):
        mesh = trimesh.load(
            io.BytesIO(content), kind, process=False, maintain_order=True, force="mesh", skip_materials=True
        )
    if not isinstance(mesh, trimesh.Trimesh) or len(mesh.faces) == 0:
        raise ValueError(f"{name}: holds no triangle mesh")
    return mesh


def read_colours(mesh: trimesh.Trimesh) -> NDArray | None:
    """(V, 3) colours in [0, 1] of a mesh's vertices, None where its file had none."""
    if mesh.visual.kind != "vertex":
        return None
    return np.asarray(mesh.visual.vertex_colors[:, :3], dtype=np.float64) / 255


def write_mesh(path: PathLike, vertices: NDArray, faces: NDArray, colours: NDArray | None = None) -> None:
    """Vertices (V, 3) in metres and faces (F, 3) as PLY (binary) or OBJ, by the path's suffix.

    `colours` (V, 3) in [0, 1] are kept in PLY files, to 8 bits.
    """
    rgb = None if colours is None else np.round(np.asarray(colours) * 255).astype(np.uint8)
    mesh = trimesh.Trimesh(vertices, faces, vertex_colors=rgb, process=False)
    with atomic(path) as temporary:
        mesh.export(temporary)


def read_indices(path: PathLike) -> NDArray[np.int64]:
    """(n,) int: vertex indices, separated by any white space, as the published landmark files have them."""
    text = Path(path).read_text(encoding="utf-8").split()
    try:
        return np.array([int(word) for word in text], dtype=np.int64)
    except ValueError as error:
        raise ValueError(f"{path}: expected vertex indices, {error}") from None


def write_indices(path: PathLike, indices: NDArray) -> None:
    """One index per line."""
    write_text(path, "".join(f"{int(index)}\n" for index in indices))


def read_coefficients(path: PathLike) -> NDArray[np.float64]:
    """(N, 32) coefficients from a CSV whose header is the 32 names, in any order.

    Raises:
        ValueError: a blendshape is missing from or unknown to the header, or a value is no number.
    """
    table = read_table(path)
    missing = [name for name in SPEECH_BLENDSHAPES if name not in table.columns]
    unknown = [name for name in table.columns if name not in SPEECH_BLENDSHAPES]
    if missing or unknown:
        raise ValueError(f"{path}: header lacks {missing} and has the unknown {unknown}")
    with reading(path):
        values = table[list(SPEECH_BLENDSHAPES)].to_numpy(dtype=np.float64)
    if not np.isfinite(values).all():
        row = int(np.argwhere(~np.isfinite(values))[0, 0])
        raise ValueError(f"{path}: line {row + 2} holds a value that is no finite number")
    return values


def write_coefficients(path: PathLike, coefficients: NDArray) -> None:
    """(N, 32) coefficients in the published BlendVOCA layout: header of names, one row per frame."""
    write_table(path, pd.DataFrame(coefficients, columns=list(SPEECH_BLENDSHAPES)), float_format="%.9g")


def read_coefficient_text(path: PathLike) -> NDArray[np.str_]:
    """(N, 32) cells of a CSV that `read_coefficients` reads, as they are written in it."""
    read_coefficients(path)
    return pd.read_csv(path, dtype=str)[list(SPEECH_BLENDSHAPES)].to_numpy(dtype=np.str_)


def write_coefficient_text(path: PathLike, cells: NDArray[np.str_]) -> None:
    """(N, 32) cells as they are to be written, in the layout of `write_coefficients`."""
    write_table(path, pd.DataFrame(cells, columns=list(SPEECH_BLENDSHAPES)))


def write_table(path: PathLike, table: pd.DataFrame, float_format: str | None = None) -> None:
    """A CSV without an index column."""
    with atomic(path) as temporary:
        table.to_csv(temporary, index=False, float_format=float_format, lineterminator="\n")


def read_table(path: PathLike) -> pd.DataFrame:
    """A CSV.

    Raises:
        DamagedError: it is none, or its last line is cut off.
    """
    with reading(path):
        content = Path(path).read_bytes()
        if content[-1:] not in (b"\n", b"\r"):
            raise ValueError("its last line has no end; if it is whole, add one")
        return pd.read_csv(io.BytesIO(content))


def read_audio(path: PathLike) -> tuple[NDArray[np.float32], int]:
    """Mono waveform (T,) in [-1, 1] and its sample rate in Hz.

    Raises:
        ValueError: the file is empty.
        DamagedError: it is shorter than it says, or in no known format.
    """
    with reading(path):
        require_whole_wav(path)
        waveform, rate = soundfile.read(path, dtype="float32", always_2d=True)
    if len(waveform) == 0:
        raise ValueError(f"{path}: holds no samples")
    return waveform.mean(axis=1), rate


def read_samples(file: PathLike | BinaryIO) -> tuple[NDArray[np.int16], int]:
    """Mono samples (T,) as 16-bit files hold them, and their rate in Hz. Other formats are converted.

    Raises:
        AudioError: the file is damaged or in no known format.
    """
    try:
        with soundfile.SoundFile(file) as sound:
            exact = sound.subtype == "PCM_16"
            samples = sound.read(dtype="int16" if exact else "float32", always_2d=True)
            rate = sound.samplerate
    except soundfile.LibsndfileError as error:
        raise AudioError(error.error_string) from None
    if exact and samples.shape[1] == 1:
        return samples[:, 0], rate
    scaled = samples.astype(np.float64).mean(axis=1) * (1 if exact else 2**15)
    return np.clip(np.round(scaled), -(2**15), 2**15 - 1).astype(np.int16), rate


def write_audio(path: PathLike, waveform: NDArray, rate: int) -> None:
    """Waveform (T,) in [-1, 1], or int16 samples, which stay as they are, as 16-bit mono wav."""
    with atomic(path) as temporary:
        soundfile.write(temporary, waveform, rate, subtype="PCM_16", format="WAV")


def write_text(path: PathLike, text: str) -> None:
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def read_json(path: PathLike):
    with reading(path):
        return json.loads(Path(path).read_text(encoding="utf-8"))


def write_json(path: PathLike, value) -> None:
    write_text(path, json.dumps(value, indent=2) + "\n")


def write_jsonl(path: PathLike, records: list[dict]) -> None:
    """One JSON object per line."""
    write_text(path, "".join(json.dumps(record) + "\n" for record in records))


def read_jsonl(path: PathLike) -> list[dict]:
    with reading(path):
        return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


def read_frames(path: PathLike) -> NDArray[np.float32]:
    """(N, V, 3) vertices of a sequence, memory-mapped."""
    with reading(path):
        return np.load(path, mmap_mode="r", allow_pickle=False)


def write_frames(path: PathLike, frames: NDArray) -> None:
    """(N, V, 3) vertices of a sequence as float32 npy."""
    with atomic(path) as temporary, temporary.open("wb") as file:
        np.save(file, np.asarray(frames, dtype=np.float32), allow_pickle=False)


def read_arrays(path: PathLike) -> dict[str, NDArray]:
    """The named arrays of an npz."""
    with reading(path), np.load(path, allow_pickle=False) as archive:
        return dict(archive)


def write_arrays(path: PathLike, arrays: Mapping[str, NDArray]) -> None:
    """Named arrays as npz. The same arrays give the same bytes, which np.savez does not promise."""
    with atomic(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.asanyarray(array), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", _ZIP_EPOCH), buffer.getvalue())


def read_tensors(path: PathLike, device: str = "cpu"):
    """Named tensors and the metadata of a safetensors file.

    Returns:
        dict of tensors, dict: what `write_tensors` was given.
    """
    from safetensors import safe_open

    with reading(path), safe_open(path, framework="pt", device=device) as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}
        metadata = file.metadata() or {}
    return tensors, json.loads(metadata.get("metadata", "{}"))


def read_metadata(path: PathLike) -> dict:
    """The metadata of a safetensors file, whose tensors are not read."""
    from safetensors import safe_open

    with reading(path), safe_open(path, framework="pt") as file:
        return json.loads((file.metadata() or {}).get("metadata", "{}"))


def write_tensors(path: PathLike, tensors: Mapping, metadata: dict | None = None) -> None:
    """Named tensors as safetensors, with a JSON-able dict beside them in the same file."""
    from safetensors.torch import save_file

    header = {"metadata": json.dumps(metadata or {}, sort_keys=True)}
    with atomic(path) as temporary:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, temporary, header)


def read_state_dict(path: PathLike) -> dict:
    """A published PyTorch state dict (.pth): tensors only, no code of the file is run.

    Raises:
        ValueError: the file holds anything else.
    """
    import pickle

    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, EOFError, RuntimeError) as error:
        raise ValueError(
            f"{path}: refused, not a state dict of plain tensors; reading it could run code that it brings along, or it"
            f" is damaged ({str(error).splitlines()[0] if str(error) else type(error).__name__})"
        ) from error
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise ValueError(f"{path}: refused, not a state dict: names and their tensors")
    return state


def write_state_dict(path: PathLike, tensors: Mapping) -> None:
    """Named tensors as a PyTorch state dict (.pth), which the authors' programs read.

    The one pickle that the project writes, as it is the format asked for: a plain dict of tensors, which
    `torch.load(..., weights_only=True)` takes. The same tensors give the same bytes.
    """
    import torch

    plain = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()
    }
    # Given a path, torch.save would write the temporary file's name into the archive.
    with atomic(path) as temporary, temporary.open("wb") as file:
        torch.save(plain, file)


def write_image(path: PathLike, image: NDArray, provenance: Mapping | None = None) -> None:
    """(H, W, 3) uint8 as PNG or as a page of PDF, by the path's suffix; no date in it, so that it is reproducible.

    Args:
        provenance: what the file says that it is of, see `said.files.provenance`.
    """
    from PIL import Image, PngImagePlugin

    text = sentence(provenance) if provenance else None
    if Path(path).suffix == ".pdf":
        # Pillow writes the date of today and the temporary file's name into a PDF unless it is given others.
        facts = {"creationDate": time.gmtime(0), "modDate": time.gmtime(0), "title": Path(path).stem, "subject": text}
    else:
        facts = {"pnginfo": PngImagePlugin.PngInfo()}
        if text:
            facts["pnginfo"].add_text("Description", text)
    with atomic(path) as temporary:
        Image.fromarray(image).save(temporary, optimize=True, **facts)


_UNDATED = {".png": {"Software": None}, ".pdf": {"CreationDate": None}}
_DESCRIPTION = {".png": "Description", ".pdf": "Subject"}


def write_figure(path: PathLike, figure, provenance: Mapping | None = None) -> None:
    """A matplotlib figure, in the format of the path's suffix; no date in it, so that it is reproducible.

    Args:
        provenance: what the file says that it is of, see `said.files.provenance`.
    """
    suffix = Path(path).suffix
    facts = _UNDATED.get(suffix)
    if provenance and suffix in _DESCRIPTION:
        facts = {**facts, _DESCRIPTION[suffix]: sentence(provenance)}
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=160, metadata=facts)
