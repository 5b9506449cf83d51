"""README's moving picture from a video: an animated WebP below 2 MB, without sound.

python docs/picture.py results/figures/demo.mp4 report/demo.webp
"""

import io
import sys
from collections.abc import Iterator
from pathlib import Path

import av
from PIL import Image

LARGEST = 2_000_000
WIDTH, FRAME_RATE = 640, 20


def frames(video: Path) -> Iterator[Image.Image]:
    """Frames of the video at `FRAME_RATE`, at most `WIDTH` wide."""
    with av.open(str(video)) as container:
        due = 0.0
        for frame in container.decode(video=0):
            if frame.time >= due - 1e-6:
                due += 1 / FRAME_RATE
                image = frame.to_image()
                image.thumbnail((WIDTH, WIDTH), Image.Resampling.LANCZOS)
                yield image


def main(video: Path, picture: Path) -> None:
    first, *others = frames(video)
    for quality in (85, 70, 50, 30, 15):
        buffer = io.BytesIO()
        first.save(
            buffer, "WEBP", save_all=True, append_images=others, duration=1000 // FRAME_RATE, loop=0, quality=quality,
            method=6,
        )  # fmt: skip
        if len(buffer.getvalue()) < LARGEST:
            picture.write_bytes(buffer.getvalue())
            print(f"{picture}: {len(others) + 1} frames, {len(buffer.getvalue()) / 1e6:.1f} MB, quality {quality}")
            return
    sys.exit(
        f"{video}: its picture has {len(buffer.getvalue()) / 1e6:.1f} MB at the lowest quality; take a shorter sentence"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
