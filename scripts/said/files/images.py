"""Pictures and matplotlib figures, without dates, so that they are reproducible."""

import time
from pathlib import Path

from numpy.typing import NDArray

from said.running.atomic import PathLike, atomic


def write_image(path: PathLike, image: NDArray) -> None:
    """(H, W, 3) uint8 as PNG or as a page of PDF, by the path's suffix; no date in it, so that it is reproducible."""
    from PIL import Image

    # Pillow writes the date of today and the temporary file's name into a PDF unless it is given others.
    dates = {"creationDate": time.gmtime(0), "modDate": time.gmtime(0), "title": Path(path).stem}
    facts = dates if Path(path).suffix == ".pdf" else {}
    with atomic(path) as temporary:
        Image.fromarray(image).save(temporary, optimize=True, **facts)


_UNDATED = {".png": {"Software": None}, ".pdf": {"CreationDate": None}}


def write_figure(path: PathLike, figure) -> None:
    """A matplotlib figure, in the format of the path's suffix; no date in it, so that it is reproducible."""
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=160, metadata=_UNDATED.get(Path(path).suffix))
