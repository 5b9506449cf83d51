"""animation.glb in three.js as it is published, by the program of docs/animate.md: what moves is what the CSV holds."""

import functools
import http.server
import io
import os
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile
from animation.browser import chromium
from animation.node import THREE, installed
from animation.test_scene import artists_head
from conftest import ROOT
from helpers import babble
from PIL import Image

from said.animation.faces import load_face
from said.animation.names import arkit_name
from said.arkit import SPEECH_BLENDSHAPES
from said.commands import main
from said.files.gltf_morphs import target_names
from said.files.tables import read_coefficients

_PAGE = """<!doctype html><meta charset="utf-8"><body style="margin: 0">
<script type="importmap">{"imports": {"three": "/three/build/three.module.js", "three/addons/": "/three/examples/jsm/"}}
</script>
<script type="module">
PROGRAM
const meshes = [];
scene.traverse((one) => { if (one.morphTargetInfluences) meshes.push(one); });
const world = new THREE.Scene(), renderer = new THREE.WebGLRenderer({preserveDrawingBuffer: true});
renderer.setSize(600, 600);
document.body.append(renderer.domElement);
world.add(scene, new THREE.HemisphereLight(0xffffff, 0x444444, 3));
const box = new THREE.Box3().setFromObject(scene), camera = new THREE.PerspectiveCamera(30, 1, 0.001, 10);
camera.position.copy(box.getCenter(new THREE.Vector3())).z += 2 * (box.max.y - box.min.y);
window.page = {
  at(seconds) {
    mixer.setTime(seconds);
    renderer.render(world, camera);
    return meshes.map((mesh) =>
      ({names: Object.keys(mesh.morphTargetDictionary), weights: [...mesh.morphTargetInfluences]}));
  },
  seconds: () => mixer.existingAction(speech).getClip().duration,
  sound: () => new Promise((good) => {
    const known = () => good(sound.duration);
    if (sound.readyState) known(); else { sound.onloadedmetadata = known; sound.onerror = () => good(-1); }
  }),
};
</script>
"""

_WAIT = """return new Promise((good) => {
  const look = () => window.page ? good(true) : setTimeout(look, 20);
  look();
})"""


class _Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture(scope="module")
def animated(model_folder, tmp_path_factory) -> dict[str, tuple[Path, object]]:
    """Folders that `animate` wrote, for the package's face and for one with two meshes and an animation of its own."""
    folder = tmp_path_factory.mktemp("animated")
    soundfile.write(folder / "hello.wav", babble(2.0), 16000)
    artists_head().write(folder / "artist.glb")
    made = {}
    for name, face in (("default", None), ("artist", folder / "artist.glb")):
        chosen = ["--face", str(face)] if face else []
        arguments = ["--model", str(model_folder), "--steps", "2", "--formats", "coefficients,glb,sound", *chosen]
        assert main(["animate", str(folder / "hello.wav"), "--out", str(folder / name), *arguments]) == 0
        made[name] = (folder / name / "hello", load_face(face))
    return made


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture(params=["default", "artist"])
def opened(request, animated, browser):
    """A browser that plays an animation from a server, its folder and its face."""
    modules = installed(THREE)
    folder, face = animated[request.param]
    page = (ROOT / "docs/animate.md").read_text(encoding="utf-8").split("## A browser")[1]
    program = "\n".join(line[8:] for line in page.splitlines() if line.startswith(" " * 8))
    (folder / "page.html").write_text(_PAGE.replace("PROGRAM", program), encoding="utf-8")
    if not (folder / "three").exists():
        (folder / "three").symlink_to(modules / "three", target_is_directory=True)
    handler = functools.partial(_Silent, directory=os.fspath(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            browser.visit(f"http://127.0.0.1:{server.server_port}/page.html")
            assert browser.run(_WAIT) is True
            yield browser, folder, face
        finally:
            server.shutdown()
            thread.join()


def test_three_plays_what_the_csv_holds_under_the_names_of_the_face(opened):
    browser, folder, face = opened
    values = read_coefficients(folder / "coefficients.csv")
    last = (len(values) - 1) / 60
    recorded = soundfile.info(folder / "sound.wav").duration
    assert abs(browser.run("return page.seconds()") - recorded) <= 1 / 60 + 1e-6
    assert abs(browser.run("return page.sound()") - recorded) < 0.01
    rests = {
        tuple(target_names(mesh)): mesh.get("weights", [0] * len(target_names(mesh)))
        for mesh in face.document.tree["meshes"]
    }
    for seconds in np.linspace(0, last - 1e-4, 10):  # at its last instant three begins anew
        meshes = browser.run("return page.at(arguments[0])", float(seconds))
        assert {tuple(mesh["names"]) for mesh in meshes} == set(rests)
        for mesh in meshes:
            for name, weight, rest in zip(mesh["names"], mesh["weights"], rests[tuple(mesh["names"])], strict=True):
                expected = rest
                if arkit_name(name) in SPEECH_BLENDSHAPES:
                    column = values[:, SPEECH_BLENDSHAPES.index(arkit_name(name))]
                    expected = np.interp(seconds * 60, np.arange(len(values)), column)
                assert abs(weight - expected) < 1e-5, (name, seconds)
    shot = np.asarray(Image.open(io.BytesIO(browser.screenshot())).convert("RGB")).astype(float)
    assert shot[:600, :600].std() > 10
