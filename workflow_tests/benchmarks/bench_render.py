"""Frames per second of CPU time that the renderer makes on one core, and peak memory, per view.

    python workflow_tests/benchmarks/bench_render.py [--mesh FLAME_sample.ply]

The mesh is the one given, such as FLAME's head of 5,023 vertices, or the mean head of the synthetic corpus. Each view
is drawn in a process of its own; `ratio` is against the same view drawn the plain way in that process, frame by frame
in turn: every triangle of the mesh, every sample lit on its own.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from said.files import video
from said.files.meshes import read_mesh
from said.render import Framing, Renderer, frame, triangles_in_view

VIEWS = ("head 256", "head 224", "head 320", "mouth 64", "video 320 x 2, 60 fps")


def read(path: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (V, 3) and faces (F, 3)."""
    if path:
        mesh = read_mesh(path)
        return np.asarray(mesh.vertices, float), np.asarray(mesh.faces)
    from said.synthetic.head import build_head

    head = build_head(0)
    return np.asarray(head.vertices), head.faces


def close_up(vertices: np.ndarray) -> Framing:
    """The lower front of a head: a square of a third of its height."""
    low, high = vertices.min(0), vertices.max(0)
    centre = (low + high) / 2 + [0, -0.22 * (high - low)[1], 0]
    centre[2] = high[2] - 0.02
    return Framing(tuple(map(float, centre)), float((high - low)[1] / 6))


def drawings(view: str, vertices: np.ndarray, faces: np.ndarray):
    """The view as the project draws it, and the plain way: functions of no argument."""
    if view.startswith("head"):
        renderer = Renderer(faces, int(view.split()[1]), frame(vertices))
        fine = Renderer(faces, 2 * renderer.height, frame(vertices), supersample=1)
        return lambda: renderer(vertices), lambda: fine(vertices)
    framing = close_up(vertices)
    seen = faces[triangles_in_view(vertices, faces, framing)]
    used = np.unique(seen)
    part, cut = vertices[used], Renderer(np.searchsorted(used, seen), 64, framing)
    fine = Renderer(faces, 128, framing, supersample=1)
    return lambda: cut(part), lambda: fine(vertices)


def seconds(function) -> float:
    start = time.process_time()
    function()
    return time.process_time() - start


def measure(view: str, mesh: str | None, frames: int) -> str:
    vertices, faces = read(mesh)
    if view.startswith("video"):
        renderers = [Renderer(faces, 320, frame(vertices)) for _ in range(2)]
        renderers[0](vertices)
        images = (np.hstack([renderer(vertices * (1 + 1e-4 * n)) for renderer in renderers]) for n in range(frames))
        with tempfile.TemporaryDirectory() as folder:
            rate = frames / seconds(lambda: video.write(f"{folder}/v.mp4", images, 60, np.zeros(16000), 16000))
        ratio = float("nan")
    else:
        ours, plain = drawings(view, vertices, faces)
        ours(), plain()  # compiles
        times = np.array([(seconds(ours), seconds(plain)) for _ in range(frames)])
        rate, ratio = 1 / np.median(times[:, 0]), np.median(times[:, 1]) / np.median(times[:, 0])
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return f"{view:24} {len(vertices):9d} {rate:12.0f} {ratio:8.2f} {memory:9.0f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--mesh", help="OBJ or PLY, in metres; the synthetic head where absent")
    parser.add_argument("--frames", type=int, default=200, help="frames per view")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(measure(arguments.one, arguments.mesh, arguments.frames))
        return
    print(f"{'view':24} {'vertices':>9} {'frames/s':>12} {'ratio':>8} {'MiB':>9}")
    for view in VIEWS:
        options = ["--mesh", arguments.mesh] if arguments.mesh else []
        options += ["--frames", str(arguments.frames)]
        subprocess.run([sys.executable, __file__, "--one", view, *options], check=True)


if __name__ == "__main__":
    main()
