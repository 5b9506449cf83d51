"""All speakers of the corpus."""

from collections.abc import Mapping

import numpy as np
import trimesh
from numpy.typing import NDArray

from said.figures.style import contact_sheet
from said.files.meshes import read_colours
from said.render import Renderer, frame


def speakers(templates: Mapping[str, trimesh.Trimesh], roles: Mapping[str, str]) -> NDArray[np.uint8]:
    """All speakers, from the front and from the side, at one scale.

    Args:
        templates: by speaker.
        roles: by speaker: train, validation or test, named in the caption.

    Returns:
        an image (H, W, 3).
    """
    view = frame(np.concatenate([template.vertices for template in templates.values()]), margin=1.02)
    images = []
    for template in templates.values():
        colours = read_colours(template)
        front, side = (
            Renderer(template.faces, (300, width), view, colours=colours, yaw=yaw, background=(1, 1, 1))(
                template.vertices
            )
            for yaw, width in ((0, 210), (42, 280))
        )
        images.append(np.hstack([front, side]))
    return contact_sheet(images, [f"{name} ({roles[name]})" for name in templates], columns=4)
