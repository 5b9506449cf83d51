"""What `python -m said` understands: `animate` writes files, `live` sends to Unreal."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from said.running.console import nearest

PUBLISHED = "data/SAiD.pth"
"""Where the authors' weights lie, unless config.yaml says otherwise."""
ADDRESS = "https://huggingface.co/yunik1004/SAiD/resolve/main/SAiD.pth"
"""Where they are published; the sha256 of the first download is recorded beside them, and expected from then on."""

MICROPHONE = "microphone"
"""What stands for a recording where a microphone is listened to; a file of that name is ./microphone."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; returns the exit status: 0, or 1 where something could not be made."""
    parser = _parser()
    chosen = parser.parse_args(arguments)
    try:
        return chosen.do(chosen)
    except (ValueError, OSError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted. The same command goes on from here", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m said", description="Speech in, a face that speaks out.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    animate = commands.add_parser(
        "animate",
        help="turn recordings into animations",
        usage="python -m said animate [OPTION ...] SPEECH [SPEECH ...]",
        description="Turn recordings into curves for ARKit's blendshapes, Live Link Face's CSV, and a GLB that plays.",
        epilog="Example: python -m said animate speech/ --takes 3 --out out/",
    )
    animate.set_defaults(do=_animate)
    animate.add_argument(
        "speech",
        metavar="SPEECH",
        nargs="+",
        help="recordings, or folders of them: wav, flac, mp3, ogg, opus, m4a, mp4 ...",
    )
    animate.add_argument(
        "--out", default="animations", metavar="FOLDER", help="where a folder for each is made (default: %(default)s)"
    )
    _add_model(animate)
    face = animate.add_argument_group("face")
    face.add_argument(
        "--face",
        metavar="FILE",
        help="GLB with ARKit's targets, a neutral head, or a folder of OBJs; default: the package's own",
    )
    face.add_argument("--landmarks", metavar="FILE", help="of a neutral head: 68 vertex indices or points")
    face.add_argument(
        "--unit", choices=["metres", "centimetres", "millimetres", "inches"], help="of the head; default: guessed"
    )
    look = animate.add_argument_group("animation")
    look.add_argument(
        "--takes",
        type=int,
        default=1,
        metavar="N",
        help="different animations of each recording (default: %(default)s)",
    )
    look.add_argument(
        "--fps",
        type=int,
        default=60,
        metavar="24-60",
        help="frames per second; Live Link Face always has 60 (default: %(default)s)",
    )
    _add_rest(look)
    look.add_argument(
        "--gain",
        action="append",
        default=[],
        metavar="[NAME=]X",
        help="multiply all coefficients, or one: --gain 1.2 --gain jawOpen=0.8",
    )
    look.add_argument(
        "--smooth",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="width of the Gaussian that smooths curves (default: %(default)s)",
    )
    look.add_argument(
        "--names", default="arkit", metavar="MAP", help="names in curves.json: arkit, vrm, unity, or a JSON file"
    )
    look.add_argument(
        "--formats",
        default="all",
        metavar="LIST",
        help="coefficients, livelink, curves, vrm, unity, glb, sound, picture, preview, with commas between",
    )
    head = animate.add_argument_group("head")
    head.add_argument(
        "--head-pose",
        nargs="?",
        const="demo",
        metavar="MODELS",
        help="move the head as well: demo (the package's own, small), or a folder with pose_vq.safetensors, "
        "pose_base.safetensors and speech_encoder; default: the head is still",
    )
    head.add_argument("--head-style", metavar="SPEAKER", help="one whom its models know; default: the mean of all")
    keep = animate.add_argument_group("keep part of an earlier take (one recording)")
    keep.add_argument("--keep", metavar="CSV", help="coefficients.csv of the earlier take, at 60 frames per second")
    keep.add_argument(
        "--keep-frames",
        action="append",
        default=[],
        metavar="FIRST:LAST",
        help="frames to keep, from 0; negative: from the end",
    )
    keep.add_argument("--keep-blendshapes", default="", metavar="LIST", help="blendshapes to keep, with commas")
    keep.add_argument("--keep-mask", metavar="CSV", help="a column for each blendshape concerned; 1 means keep")
    keep.add_argument(
        "--strength", type=float, default=1.0, metavar="X", help="below 1, the rest stays near the earlier take"
    )

    live = commands.add_parser(
        "live",
        help="send a recording, or what a microphone hears, to Unreal as Live Link Face does",
        usage="python -m said live [OPTION ...] SPEECH",
        description="Animate speech as it is heard, and send Live Link Face packets in step with its sound.",
        epilog="Example: python -m said live recording.wav --to 127.0.0.1:11111",
    )
    live.set_defaults(do=_live)
    live.add_argument(
        "speech", metavar="SPEECH", help="the recording; or microphone, where the package sounddevice is installed"
    )
    live.add_argument(
        "--to", default="127.0.0.1:11111", metavar="HOST:PORT", help="where Unreal listens (default: %(default)s)"
    )
    live.add_argument(
        "--subject", default="said", help="name of the face in Unreal's Live Link window (default: %(default)s)"
    )
    _add_rest(live)
    _add_model(live)
    return parser


def _add_rest(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    parser.add_argument(
        "--rest",
        type=float,
        default=0.4,
        metavar="SECONDS",
        help="in a silence that lasts longer, the face comes to rest; 0: it goes on as the model has it "
        "(default: %(default)s)",
    )


def _add_model(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("model")
    group.add_argument(
        "--model",
        metavar="MODEL",
        help="published (the authors', downloaded once), demo (the package's own, small), a folder, or a file; "
        "default: the authors' if here, else demo",
    )
    group.add_argument(
        "--published",
        default=PUBLISHED,
        metavar="FILE",
        help="where the authors' weights are kept (default: %(default)s)",
    )
    group.add_argument(
        "--seed", type=int, default=0, metavar="N", help="another seed is another animation (default: %(default)s)"
    )
    group.add_argument(
        "--sampler",
        default="dpmsolver++",
        choices=["ddim", "ddpm", "dpmsolver++"],
        help="how noise becomes curves (default: %(default)s)",
    )
    group.add_argument("--steps", type=int, default=25, metavar="N", help="of the sampler (default: %(default)s)")
    group.add_argument(
        "--guidance", type=float, metavar="X", help="how closely the face follows the speech; default: by model"
    )
    group.add_argument(
        "--device",
        default="auto",
        choices=["auto", "cpu", "cuda"],
        help="auto: cuda where there is one (default: %(default)s)",
    )
    group.add_argument(
        "--threads",
        type=int,
        default=os.cpu_count() or 1,
        metavar="N",
        help="of the CPU; results do not depend on them (default: %(default)s)",
    )


def _settings(chosen: argparse.Namespace):
    from said.animation.animate import FORMATS, AnimateSettings

    keys = ("seed", "sampler", "steps", "guidance", "takes", "fps", "rest", "smooth", "names")
    formats = FORMATS if chosen.formats == "all" else tuple(name for name in chosen.formats.split(",") if name)
    values = {key: getattr(chosen, key) for key in keys}
    return AnimateSettings(**values, gain=_gain(chosen.gain), formats=formats)


def _gain(given: Sequence[str]) -> float | dict[str, float]:
    """What several --gain say together."""
    from said.arkit import SPEECH_BLENDSHAPES

    try:
        whole = [float(one) for one in given if "=" not in one]
        single = {name: float(value) for name, value in (one.split("=", 1) for one in given if "=" in one)}
    except ValueError:
        raise ValueError(f"--gain {' '.join(given)}: must be a number, or a blendshape=number") from None
    if not single:
        return whole[-1] if whole else 1.0
    for name in single:
        if name not in SPEECH_BLENDSHAPES:
            raise ValueError(f"--gain: unknown blendshape {name!r}{nearest(name, SPEECH_BLENDSHAPES)}")
    base = whole[-1] if whole else 1.0
    return {name: base * single.get(name, 1.0) for name in SPEECH_BLENDSHAPES}


def _keep(chosen: argparse.Namespace) -> dict | None:
    keeping = chosen.keep_frames or chosen.keep_blendshapes or chosen.keep_mask or chosen.strength < 1
    if chosen.keep is None:
        if keeping:
            raise ValueError("what is kept of an earlier take needs that take: name its coefficients.csv by --keep")
        return None
    if not keeping:
        raise ValueError("--keep: name what is kept, by --keep-frames, --keep-blendshapes, --keep-mask or --strength")
    entry: dict = {"reference": chosen.keep, "strength": chosen.strength}
    try:
        entry["frames"] = [[int(part) for part in one.split(":", 1)] for one in chosen.keep_frames]
        assert all(len(one) == 2 for one in entry["frames"])
    except (ValueError, AssertionError):
        raise ValueError(f"--keep-frames {' '.join(chosen.keep_frames)}: must be FIRST:LAST") from None
    entry["blendshapes"] = [name for name in chosen.keep_blendshapes.split(",") if name]
    return entry | ({"mask": chosen.keep_mask} if chosen.keep_mask else {})


def _load(chosen: argparse.Namespace):
    """The model that is asked for, with its encoder, its name and the device; says in a line which it is."""
    from said.animation.inputs import PUBLISHED as AUTHORS
    from said.animation.inputs import find_model, introduced
    from said.animation.models import load_model
    from said.compute import find_device

    files = find_model(chosen.model, chosen.published)
    if chosen.model == AUTHORS and files.missing:
        _fetch_published(files.weights)
    print(introduced(files, chosen.model), flush=True)
    return (*load_model(files), files.name, find_device(chosen.device))


def _fetch_published(path: Path) -> None:
    try:
        from said.vocaset.download import fetch
    except ImportError as error:
        raise ValueError(
            f"{error.name} is missing: pip install 'said-workflow[workflow]', or put {ADDRESS} at {path}"
        ) from None
    print(f"fetching {ADDRESS}", flush=True)
    fetch(ADDRESS, path)


def _animate(chosen: argparse.Namespace) -> int:
    from said.animation.animate import Animator
    from said.animation.failures import summary
    from said.animation.inputs import find_recordings
    from said.animation.player import write_player
    from said.animation.recordings import RecordingError
    from said.running.console import duration

    settings, keep, out = _settings(chosen), _keep(chosen), Path(chosen.out)
    recordings, faults = find_recordings(chosen.speech)
    if keep is not None and len(recordings) != 1:
        raise ValueError("--keep is for one recording at a time")
    for fault in faults:
        print(fault, file=sys.stderr)
    if recordings:
        face = _face(chosen, out)
        model, encoder, name, device = _load(chosen)
        head = _head(chosen, device)
        options = {"device": device, "threads": chosen.threads, "model_name": name, "head": head}
        animator = Animator(model, encoder, settings, face, **options)
    made = []
    for number, recording in enumerate(recordings, start=1):
        print(f"{number}/{len(recordings)} {recording.path}", flush=True)
        try:
            facts = animator.animate(recording, out / recording.name, out / ".unfinished" / recording.name, keep=keep)
            print(f"  {duration(facts['seconds'])} of speech: {out / recording.name}", flush=True)
            made.append(out / recording.name)
        except RecordingError as error:
            faults.append(str(error))
            print(error, file=sys.stderr)
    unfinished = out / ".unfinished"
    if unfinished.is_dir() and not any(unfinished.iterdir()):
        unfinished.rmdir()
    if made:
        write_player(out, made, face)
    print(summary(len(made), len(recordings), out, faults))
    return 1 if faults else 0


def _face(chosen: argparse.Namespace, out: Path):
    """The face that speaks; one that was brought gets a folder."""
    from said.animation.faces import default_face

    if chosen.face is None:
        return default_face()
    from said.animation.export import export_face
    from said.animation.inputs import FACES, face_name

    folder = out / FACES / face_name(chosen.face)
    face = export_face(folder, chosen.face, chosen.landmarks, chosen.unit)
    print(f"face: {folder}", *face.notes, sep="; ", flush=True)
    return face


def _head(chosen: argparse.Namespace, device: str):
    """What moves the head, if it is asked for."""
    from said.animation.inputs import find_head

    files = find_head(chosen.head_pose)
    if files is None:
        if chosen.head_style is not None:
            raise ValueError("--head-style needs models that move the head: name them by --head-pose")
        return None
    from said.animation.head_motion import load_head_motion

    head = load_head_motion(files, device, chosen.head_style)
    print(f"head: {files.name} ({files.generator.parent})", flush=True)
    return head


def _live(chosen: argparse.Namespace) -> int:
    from said.animation.live import Live

    host, _, port = chosen.to.rpartition(":")
    if not host or not port.isdigit():
        raise ValueError(f"--to {chosen.to}: must be HOST:PORT, as 127.0.0.1:11111")
    model, encoder, _, device = _load(chosen)
    settings = {"sampler": chosen.sampler, "steps": chosen.steps, "guidance": chosen.guidance}
    options = {"seed": chosen.seed, "subject": chosen.subject, "device": device, "rest": chosen.rest}
    live = Live((host.strip("[]"), int(port)), model, encoder, settings, **options)
    if chosen.speech != MICROPHONE:
        live.send_recording(chosen.speech)
        return 0
    try:
        print("press Ctrl-C to end", flush=True)
        live.send_microphone()
    except KeyboardInterrupt:
        print("ended")
    return 0
