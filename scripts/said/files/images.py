"""Pictures and matplotlib figures, without dates in them, so that the same picture gives the same bytes."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from said.files.provenance import sentence
from said.running.atomic import PathLike, atomic

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write_image(path: PathLike, image: NDArray, provenance: Mapping | None = None) -> None:
    """Write a picture as PNG or as a page of PDF, by the path's suffix.

    Args:
        image: (H, W, 3) uint8.
        provenance: the run that the file names as its origin, see `said.files.provenance`.
    """
    from PIL import Image, PngImagePlugin

    text = sentence(provenance) if provenance else None
    facts: dict[str, Any]
    if Path(path).suffix == ".pdf":
        # Pillow writes today's date and the temporary file's name into a PDF unless it is given others.
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


def write_figure(path: PathLike, figure: "Figure", provenance: Mapping | None = None) -> None:
    """Write a matplotlib figure, in the format of the path's suffix.

    Args:
        provenance: the run that the file names as its origin, see `said.files.provenance`.
    """
    suffix = Path(path).suffix
    facts: dict[str, str | None] = dict(_UNDATED.get(suffix, {}))
    if provenance and suffix in _DESCRIPTION:
        facts[_DESCRIPTION[suffix]] = sentence(provenance)
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=160, metadata=facts or None)
