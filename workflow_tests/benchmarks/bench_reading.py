"""Reading VOCASET's release into the corpus: speed and memory, per form and per way of reading.

    python workflow_tests/benchmarks/bench_reading.py [--frames 20000] [--folder /scratch] [--jobs 1 2]

A release of that many frames of 5,023 vertices and 9,976 triangles, as the real ones, is written to the folder in every
form, then read in processes of their own, one speaker each, as the workflow does. `bytes` reads the same files and does
nothing with them: what disk and zip can give. `trimesh` parses each PLY file by itself: the plain way. `cold`: the
files were dropped from the page cache before. MB are those that lie on the disk; of the packed training archive, every
job reads as far as its speaker. Importing Python's packages is not counted as time, but is as memory.
"""

import argparse
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from said.files.arrays import write_frames
from said.files.meshes import read_mesh, write_mesh
from said.synthetic.release import Recording, Speaker, write_ply_tree, write_training_archive
from said.vocaset import audit
from said.vocaset import release as vocaset

VERTICES, TRIANGLES, SENTENCE = 5023, 9976, 250


def write_release(folder: Path, frames: int) -> None:
    """Both forms, unpacked and packed, of two speakers."""
    rng = np.random.default_rng(0)
    faces = rng.integers(0, VERTICES, (TRIANGLES, 3))
    faces[0, 0] = VERTICES - 1
    template = rng.normal(size=(VERTICES, 3)).astype(np.float32)
    speakers = []
    for name in ("speaker01", "speaker02"):
        count = max(frames // SENTENCE // 2, 1)
        sentences = {f"sentence{n + 1:02d}": _recording(template, n) for n in range(count)}
        speakers.append(Speaker(name, template, sentences))
    write_ply_tree(folder / "tree", speakers, faces)
    write_training_archive(folder / "training", speakers)
    write_mesh(folder / "topology.ply", template, faces)
    for form in ("tree", "training"):
        with zipfile.ZipFile(folder / f"{form}.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for path in sorted((folder / form).rglob("*")):
                archive.write(path, path.relative_to(folder / form))


def _recording(template, number):
    rng = np.random.default_rng(number)
    frames = template + rng.normal(size=(SENTENCE, 1, 3)).astype(np.float32)
    return Recording(frames, rng.integers(-9000, 9000, SENTENCE * 22000 // 60).astype(np.int16))


def read_bytes(source: Path, speaker: str, out: Path) -> None:
    if source.is_dir():
        paths = [p for p in source.rglob("*") if p.is_file() and (speaker in p.parts or source.name == "training")]
        for path in paths:
            with path.open("rb") as file:
                while file.read(2**20):
                    pass
        return
    with zipfile.ZipFile(source) as archive:
        for name in archive.namelist():
            if speaker in name or source.stem == "training":
                with archive.open(name) as file:
                    while file.read(2**20):
                        pass


def read_trimesh(source: Path, speaker: str, out: Path) -> None:
    for folder in sorted((source / "unposedcleaneddata" / speaker).iterdir()):
        frames = [np.asarray(read_mesh(path).vertices, np.float32) for path in sorted(folder.iterdir())]
        write_frames(out / f"{folder.name}.npy", np.stack(frames))


def read_convert(source: Path, speaker: str, out: Path) -> None:
    release = vocaset.open_release(source, vocaset.read_faces(out.parents[1] / "topology.ply"), 2**40)
    for sentence in release.frame_numbers(speaker):
        vocaset.convert(release, speaker, sentence, out)


def read_inspect(source: Path, speaker: str, out: Path) -> None:
    release = vocaset.open_release(source, vocaset.read_faces(out.parents[1] / "topology.ply"), 2**40)
    found = audit.inspect(release, speaker, len(release.frame_numbers(speaker)), 1.0)
    assert found.findings == [], found.findings[:3]


WAYS = {"bytes": read_bytes, "trimesh": read_trimesh, "inspect": read_inspect, "convert": read_convert}


def _job(way: str, source: Path, speaker: str, out: Path, results) -> None:
    sys.stdout = open(os.devnull, "w")
    begin, before = time.perf_counter(), time.process_time()
    WAYS[way](source, speaker, out)
    seconds, cpu = time.perf_counter() - begin, time.process_time() - before
    # Not ru_maxrss, which a process inherits from the one that started it.
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    results.put((seconds, cpu, int(peak.split()[1]) / 1024))


def drop(path: Path) -> None:
    """Put what was written on the disk, and out of the page cache."""
    for file in [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]:
        handle = os.open(file, os.O_RDONLY)
        os.fsync(handle)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(handle)


def size(path: Path) -> int:
    return sum(p.stat().st_size for p in ([path] if path.is_file() else path.rglob("*")) if p.is_file())


def measure(way: str, source: Path, jobs: int, cold: bool) -> tuple[float, float, float]:
    """Seconds of the slowest process, CPU seconds of all and MiB of the largest, for one speaker per job."""
    if cold:
        drop(source)
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    out = source.parent / "out"
    speakers = [f"speaker{n + 1:02d}" for n in range(jobs)]
    processes = [context.Process(target=_job, args=(way, source, s, out / s, results)) for s in speakers]
    for process in processes:
        process.start()
    found = [results.get() for _ in processes]
    for process in processes:
        process.join()
    shutil.rmtree(out, ignore_errors=True)
    seconds, cpu, memory = zip(*found, strict=True)
    return max(seconds), sum(cpu), max(memory)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--frames", type=int, default=20000, help="of both speakers together")
    parser.add_argument("--folder", type=Path, help="where to write; default: the system's temporary folder")
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 2], choices=[1, 2], help="processes at once")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as temporary:
        folder = Path(temporary)
        write_release(folder, arguments.frames)
        print("form          way      cache jobs       s   cpu s    MB/s MB/cpu s frames/s   MiB")
        for form in ("tree", "tree.zip", "training", "training.zip"):
            for cold in (True, False):
                for way in [name for name in WAYS if name != "trimesh" or form == "tree"]:
                    for jobs in arguments.jobs:
                        seconds, cpu, memory = measure(way, folder / form, jobs, cold)
                        frames = arguments.frames * jobs / 2
                        read = size(folder / form) * jobs / 2 / 1e6
                        print(
                            f"{form:13} {way:8} {'cold' if cold else 'warm':5} {jobs:4d} {seconds:7.2f} {cpu:7.2f} "
                            f"{read / seconds:7.0f} {read / cpu:8.0f} {frames / seconds:8.0f} {memory:5.0f}",
                            flush=True,
                        )


if __name__ == "__main__":
    main()
