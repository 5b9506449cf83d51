"""Pictures and matplotlib figures, without dates, so that they are reproducible."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from said.files.provenance import sentence
from said.running.atomic import PathLike, atomic


def write_image(path: PathLike, image: NDArray, provenance: Mapping | None = None) -> None:
    """(H, W, 3) uint8 as PNG or as a page of PDF, by the path's suffix; no date in it, so that it is reproducible.

    Args:
        provenance: what the file says that it is of, see `said.files.provenance`.
    """
    from PIL import Image, PngImagePlugin

    text = sentence(provenance) if provenance else None
    facts: dict[str, Any]
    if Path(path).suffix == ".pdf":
        # Pillow writes the date of today and the temporary file's name into a PDF unless it is given others.
        facts = {"creationDate": time.gmtime(0), "modDate": time.gmtime(0), "title": Path(path).stem, "subject": text}
    else:
        information = PngImagePlugin.PngInfo()
        if text:
            information.add_text("Description", text)
        facts = {"pnginfo": information}
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
    facts: dict[str, str | None] = dict(_UNDATED.get(suffix, {}))
    if provenance and suffix in _DESCRIPTION:
        facts[_DESCRIPTION[suffix]] = sentence(provenance)
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=160, metadata=facts or None)
