"""Give the readers of other people's files damaged and made-up ones, for as long as asked, and count what they do.

    python workflow_tests/fuzz.py --minutes 60

Each input is a valid file with some of its bytes changed, left out, repeated or swapped, sometimes with those of
another, or bytes that nobody chose. A reader may accept it, or refuse it with its own error that names the file.
Anything else is a fault: another exception, an error without the name, more memory or time than allowed, a crash. The
inputs that caused one are kept, and the exit status is 1.
"""

import argparse
import contextlib
import io
import json
import multiprocessing
import os
import pickle
import random
import resource
import sys
import tempfile
import time
import traceback
import warnings
import wave
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))

MEMORY = 2**29
"""Bytes of address space that an input may take beyond what the readers take themselves."""
SECONDS = 20
"""For one input."""


@dataclass(frozen=True)
class Target:
    """A reader: valid files, what reads one, and the errors by which it may refuse."""

    name: str
    suffix: str
    seeds: list[bytes]
    read: Callable[[Path], object]
    refusals: tuple[type[Exception], ...]


def targets() -> dict[str, Target]:
    """All readers, by name; imported here, in the process that is to be limited."""
    from said.files.audio import read_audio, read_samples
    from said.files.meshes import read_mesh
    from said.vocaset import archives, tables, unpickle

    def read_pickle(path: Path):
        unpickle.load(io.BytesIO(path.read_bytes()), str(path))

    def read_tables(path: Path):
        failures = []
        for reader in (tables.rows, tables.speech, tables.templates):
            try:
                reader(io.BytesIO(path.read_bytes()), str(path))
            except archives.ArchiveError as error:
                failures.append(error)
        if len(failures) == 3:
            raise failures[0]

    def read_archive(path: Path):
        archives.check(path, 2**28)
        tree = archives.open_tree(path, 2**28)
        folders = [""]
        while folders:
            folder = folders.pop()
            folders += [f"{folder}/{name}".lstrip("/") for name in tree.folders(folder)]
            for name in tree.files(folder):
                with tree.open(f"{folder}/{name}".lstrip("/")) as file:
                    file.read()

    def read_sound(path: Path):
        read_audio(path)
        read_samples(path)

    pickles, sounds = pickle_seeds(), sound_seeds()
    refused = (ValueError, archives.LimitError)
    return {
        target.name: target
        for target in (
            Target("unpickle", ".pkl", pickles, read_pickle, (unpickle.UnpickleError,)),
            Target("tables", ".pkl", pickles, read_tables, (unpickle.UnpickleError, archives.ArchiveError)),
            Target("archives", ".zip", archive_seeds(), read_archive, (archives.ArchiveError, archives.LimitError)),
            *(Target(f"meshes{suffix}", suffix, seeds, read_mesh, refused) for suffix, seeds in mesh_seeds().items()),
            *(Target(f"audio{suffix}", suffix, seeds, read_sound, refused) for suffix, seeds in sounds.items()),
        )
    }


def pickle_seeds() -> list[bytes]:
    from release import python2_pickle

    content = {"a": np.arange(6.0).reshape(2, 3), "b": [1, 2.5, "x", None, (2, {3})], "c": np.float32(1), "d": 2**70}
    rows = {"A": {"sentence01": {0: 0, 1: 1}}}
    speech = {"A": {"sentence01": {"audio": np.arange(9, dtype=np.int16), "sample_rate": 22000}}}
    plain = [rows, speech, {"A": np.zeros((4, 3))}, content]
    return [pickle.dumps(one, protocol) for one in plain for protocol in (0, 2, 4, 5)] + [
        python2_pickle(one) for one in plain[:3]
    ]


def archive_seeds() -> list[bytes]:
    seeds = []
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        with zipfile.ZipFile(buffer := io.BytesIO(), "w", method) as archive:
            for name, content in {"x/a.txt": b"a" * 900, "x/b/c.bin": bytes(range(256)), "x/d": b""}.items():
                archive.writestr(name, content)
        seeds.append(buffer.getvalue())
    return seeds


def mesh_seeds() -> dict[str, list[bytes]]:
    import trimesh

    mesh = trimesh.creation.box()
    coloured = trimesh.Trimesh(mesh.vertices, mesh.faces, vertex_colors=np.full((8, 3), 9, np.uint8), process=False)
    text = "mtllib a.mtl\nv 0 0 0\nv 1 0 0 # note\nv 0 1 0\nv\t0 0 1\nvt 0 0\nvn 0 0 1\nusemtl a\nf 1 2 3\n"
    obj = [mesh.export(file_type="obj"), f"{text}usemtl b\nf 1/1/1 3/1/1 4/1/1\nf 1//1 2//1 3//1 4//1\nf -1 -2 -3\n"]
    ply = [one.export(file_type="ply", encoding=kind) for one in (mesh, coloured) for kind in ("ascii", "binary")]
    return {
        ".obj": [one.encode() if isinstance(one, str) else one for one in obj],
        ".ply": [one.encode() if isinstance(one, str) else one for one in ply],
    }


def sound_seeds() -> dict[str, list[bytes]]:
    import soundfile

    samples = (8000 * np.sin(np.arange(2000) * 0.1)).astype(np.int16)
    seeds: dict[str, list[bytes]] = {}
    kinds = {"WAV": ("PCM_16", "FLOAT", "PCM_24"), "FLAC": ("PCM_16",), "AIFF": ("PCM_16",), "AU": ("PCM_16",),
             "OGG": ("VORBIS",), "W64": ("PCM_16",), "RF64": ("PCM_16",)}  # fmt: skip
    for kind, subtypes in kinds.items():
        for subtype in subtypes:
            for channels in (1, 2):
                content = np.stack([samples] * channels, axis=1)
                soundfile.write(buffer := io.BytesIO(), content, 16000, format=kind, subtype=subtype)
                seeds.setdefault(f".{kind.lower()}", []).append(buffer.getvalue())
    with wave.open(buffer := io.BytesIO(), "wb") as file:
        file.setnchannels(1), file.setsampwidth(1), file.setframerate(8000)
        file.writeframes(bytes(500))
    seeds[".wav"].append(buffer.getvalue())
    return seeds


def inputs(seeds: list[bytes], rng: random.Random) -> Iterator[bytes]:
    """Valid files, then what can become of them."""
    yield from seeds
    odd = [0, 1, 0x7F, 0x80, 0xFF, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1]
    words = [b"\n", b" ", b"-1", b"0", b"nan", b"1e999", b"99999999999", b"\0", b"\xff\xff\xff\xff", b"/", b"#"]
    while True:
        content = bytearray(rng.choice(seeds))
        if rng.random() < 0.02:
            content = bytearray(rng.randbytes(rng.randrange(300)))
        for _ in range(1 + int(rng.expovariate(0.7))):
            place = rng.randrange(len(content) + 1)
            end = min(len(content), place + rng.choice([1, 1, 2, 4, 8, 60]))
            match rng.randrange(8):
                case 0:
                    content[place:end] = rng.randbytes(end - place)
                case 1:
                    del content[place:end]
                case 2:
                    content[place:place] = bytes(content[place:end]) * rng.choice([1, 1, 50])
                case 3:
                    size = rng.choice([1, 2, 4, 8])
                    number = rng.choice(odd) % 256**size
                    content[place : place + size] = number.to_bytes(size, rng.choice(["little", "big"]))
                case 4:
                    content[place:end] = rng.choice(words)
                case 5:
                    del content[place:]
                case 6:
                    other = rng.choice(seeds)
                    content[place:] = other[rng.randrange(len(other)) :]
                case 7 if place < len(content):
                    content[place] ^= 1 << rng.randrange(8)
        yield bytes(content)


def outcome(target: Target, path: Path) -> tuple[str, str]:
    """ "accepted", "refused" or "fault", and for a fault what it is."""
    try:
        target.read(path)
    except target.refusals as error:
        if isinstance(error, UnicodeError) or path.name not in str(error):
            return "fault", f"no name: {type(error).__name__}: {error}"
        return "refused", ""
    except BaseException as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        return "fault", f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}: {error}"
    return "accepted", ""


def work(name: str, seed: int, folder: str, progress) -> None:
    """Read input after input, and say before each which it is and after each what came of it."""
    target = targets()[name]
    with contextlib.redirect_stdout(None):  # what it imports is not the input's
        target.read(_written(Path(folder) / f"warm{target.suffix}", target.seeds[0]))
    warnings.simplefilter("ignore")
    with contextlib.suppress(FileNotFoundError):
        used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    sys.stdout = sys.stderr = open(os.devnull, "w")
    path = Path(folder) / f"input{target.suffix}"
    for content in inputs(target.seeds, random.Random(seed)):
        _written(path, content)
        progress.send(None)
        progress.send(outcome(target, path))


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def fuzz(name: str, seconds: float, seed: int, kept: Path) -> tuple[Counter, Counter]:
    """Let one reader read for a time, in processes of its own; how often what happened, and the faults."""
    counts, faults, end = Counter(), Counter(), time.monotonic() + seconds
    context = multiprocessing.get_context("spawn")
    while time.monotonic() < end:
        with tempfile.TemporaryDirectory() as folder:
            receiver, sender = context.Pipe(duplex=False)
            process = context.Process(target=work, args=(name, seed, folder, sender), daemon=True)
            process.start()
            sender.close()
            reading, kind, what = False, "", ""
            while time.monotonic() < end or reading:
                try:
                    if not receiver.poll(SECONDS if reading else 120):
                        kind, what = "fault", f"no answer after {SECONDS} s"
                        break
                    message = receiver.recv()
                except EOFError:
                    process.join()
                    kind, what = "fault", f"the process ended with status {process.exitcode}"
                    break
                reading = message is None
                if message is not None:
                    _count(counts, faults, *message, Path(folder), kept, name)
            if kind:
                _count(counts, faults, kind, what, Path(folder), kept, name)
            process.kill()
            process.join()
        seed += 1000
    return counts, faults


def _count(counts: Counter, faults: Counter, kind: str, what: str, folder: Path, kept: Path, name: str) -> None:
    counts[kind] += 1
    if kind == "fault":
        sort = what.replace(str(folder), "")[:160]
        faults[sort] += 1
        if faults[sort] == 1:
            kept.mkdir(parents=True, exist_ok=True)
            for path in folder.glob("input*"):
                (kept / f"{name.split('.')[0]}-{sum(faults.values())}{path.suffix}").write_bytes(path.read_bytes())


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=1.0, help="for all readers together")
    parser.add_argument("--seed", type=int, default=0, help="of what becomes of the valid files")
    parser.add_argument(
        "--only", default="", help="readers whose names begin so: unpickle, archives, meshes, audio ..."
    )
    parser.add_argument("--kept", type=Path, default=Path("fuzz-faults"), help="folder for inputs that cause a fault")
    parser.add_argument("--json", type=Path, default=None, help="file for the counts")
    arguments = parser.parse_args()
    names = [name for name in targets() if name.startswith(arguments.only)]
    if not names:
        parser.error(f"no reader begins with {arguments.only}; there are {', '.join(targets())}")
    share, total = arguments.minutes * 60 / len(names), {}
    print(f"{'reader':14}{'inputs':>9}{'accepted':>10}{'refused':>9}{'faults':>8}", flush=True)
    for name in names:
        counts, faults = fuzz(name, share, arguments.seed, arguments.kept)
        total[name] = {"inputs": counts.total(), **counts, "faults": dict(faults)}
        row = (counts.total(), counts["accepted"], counts["refused"], counts["fault"])
        print(f"{name:14}{row[0]:9}{row[1]:10}{row[2]:9}{row[3]:8}", flush=True)
        for what, times in faults.most_common(20):
            print(f"    {times} x {what}", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(total, indent=2) + "\n", encoding="utf-8")
    return int(any(one["faults"] for one in total.values()))


if __name__ == "__main__":
    sys.exit(main())
