"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const element = (id) => document.getElementById(id);
const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
for (const clip of data.clips) {
  clip.values = new Float32Array(bytes(clip.values).buffer);
  if (clip.head) clip.head = new Float32Array(bytes(clip.head).buffer);
}

// ---------------------------------------------------------------- names: as said.animation.names has them
const spellings = new Map(data.arkit.map((name) => [name.toLowerCase(), name]));
for (const name of data.arkit)
  for (const side of ["Left", "Right"])
    if (name.endsWith(side)) {
      const stem = name.slice(0, -side.length).toLowerCase();
      const ways = [stem + side[0].toLowerCase()];
      if (stem !== "jaw" && stem !== "mouth") ways.push(side.toLowerCase() + stem, side[0].toLowerCase() + stem);
      for (const way of ways) if (!spellings.has(way)) spellings.set(way, name);
    }
function matchName(text) {
  text = text.slice(-200);
  for (let far = 0; ; far += 1000) {
    const words = text.split(/[^0-9A-Za-z]+/).filter(Boolean);
    for (let begin = 0; begin < words.length; begin++) {
      const found = spellings.get(words.slice(begin).join("").toLowerCase());
      if (found) return { found, far: far + begin };
    }
    const shorter = text.replace(/(?:[0-9]+|shape)?[^0-9a-z]*$/i, "");
    if (shorter === text) return null;
    text = shorter;
  }
}
function arkitName(text) {
  const match = matchName(text);
  return match && match.found;
}
function matchNames(labels) {
  const known = {}, ranks = {};
  labels.forEach((label, place) => {
    const match = matchName(label);
    if (!match) return;
    const rank = label === match.found ? -1 : match.far;
    if (!(match.found in known) || rank < ranks[match.found]) [known[match.found], ranks[match.found]] = [place, rank];
  });
  return known;
}

// ---------------------------------------------------------------- stage
const stage = element("stage"), renderer = new THREE.WebGLRenderer({ antialias: true, preserveDrawingBuffer: true });
renderer.setPixelRatio(Math.min(window.devicePixelRatio, 2));
stage.prepend(renderer.domElement);
const scene = new THREE.Scene(), camera = new THREE.PerspectiveCamera(24, 1, 0.001, 1000);
scene.background = new THREE.Color(0x2b2e33);
scene.add(new THREE.AmbientLight(0xffffff, 0.9));
for (const [x, y, z, strength] of [[0.5, 0.8, 1.2, 2.0], [-1.2, 0.2, 0.8, 0.8], [1.3, -0.2, -0.6, 0.6]]) {
  const light = new THREE.DirectionalLight(0xffffff, strength);
  light.position.set(x, y, z);
  scene.add(light);
}
const controls = new THREE.OrbitControls(camera, renderer.domElement);
let root = null, morphs = [], shown = "", size = 1, middle = new THREE.Vector3();

// The package's own face has no inside of the mouth: what is seen there is the back of its skin, and should be dark.
const OWN = "default", LAST = "#include <opaque_fragment>";
function darkenInside(shader) {
  shader.fragmentShader = shader.fragmentShader.replace(LAST, LAST + "\nif (!gl_FrontFacing) gl_FragColor.rgb *= 0.1;");
}
function show(object, name) {
  if (root) scene.remove(root);
  root = object;
  shown = name;
  scene.add(root);
  morphs = [];
  root.updateMatrixWorld(true);
  root.traverse((mesh) => {
    if (!mesh.isMesh) return;
    mesh.frustumCulled = false;
    if (name === OWN) mesh.material.onBeforeCompile = darkenInside;
    const places = Object.entries(mesh.morphTargetDictionary || {}), known = matchNames(places.map(([label]) => label));
    for (const name in known) known[name] = places[known[name]][1];
    if (Object.keys(known).length) morphs.push({ mesh, known });
  });
  const box = new THREE.Box3().setFromObject(root), centre = box.getCenter(new THREE.Vector3());
  size = Math.max(box.max.y - box.min.y, box.max.x - box.min.x);
  controls.target.copy(centre);
  middle.copy(centre);
  camera.position.copy(centre).add(new THREE.Vector3(0, 0, 2.6 * size));
  camera.near = size / 100; camera.far = size * 100;
  controls.update();
  element("face").textContent = name + (morphs.length ? "" : " (no targets with ARKit's names)");
  restart();
}
const parse = (buffer) => new Promise((good, bad) => new THREE.GLTFLoader().parse(buffer, "", good, bad));

async function open(name, buffer) {
  try {
    if (/\.obj$/i.test(name)) return show(parseObj(new TextDecoder().decode(buffer)), name);
    const gltf = await parse(buffer);
    show(gltf.scene, name);
    addOwnClips(gltf, name);
  } catch (error) {
    say(name + ": " + (error.message || error) + ". Export it as GLB with everything in one file.");
  }
}
// An animation of weights in a file that is dropped, such as animation.glb, is played too.
function addOwnClips(gltf, name) {
  for (const animation of gltf.animations) {
    const track = animation.tracks.find((one) => one.name.endsWith(".morphTargetInfluences"));
    if (!track) continue;
    const owner = gltf.scene.getObjectByName(track.name.slice(0, -".morphTargetInfluences".length)) || morphs[0].mesh;
    const entry = morphs.find((one) => one.mesh === owner || one.mesh.parent === owner) || morphs[0];
    const targets = track.values.length / track.times.length, frames = track.times.length;
    const values = new Float32Array(frames * data.names.length);
    data.names.forEach((label, column) => {
      const place = entry.known[label];
      if (place !== undefined) for (let row = 0; row < frames; row++) values[row * data.names.length + column] = track.values[row * targets + place];
    });
    const fps = frames > 1 ? (frames - 1) / (track.times[frames - 1] - track.times[0]) : 60;
    data.clips.push({ name: name + ": " + animation.name, take: 0, fps, frames, values, sound: null, face: null, head: null });
  }
  list();
}
function parseObj(text) {
  const points = [], corners = [];
  for (const line of text.split(/\r\n?|\n/)) {
    const words = line.trim().split(/\s+/);
    if (words[0] === "v") points.push(words.slice(1, 4).map(Number));
    if (words[0] === "f") {
      const polygon = words.slice(1).map((word) => parseInt(word)).map((index) => (index > 0 ? index - 1 : points.length + index));
      for (let k = 2; k < polygon.length; k++) corners.push(polygon[0], polygon[k - 1], polygon[k]);
    }
  }
  const geometry = new THREE.BufferGeometry();
  geometry.setAttribute("position", new THREE.Float32BufferAttribute(points.flat(), 3));
  geometry.setIndex(corners);
  geometry.computeVertexNormals();
  return new THREE.Mesh(geometry, new THREE.MeshStandardMaterial({ color: 0xcfc7c0, roughness: 0.7, side: THREE.DoubleSide }));
}

// ---------------------------------------------------------------- time
let clip = null, other = null, audio = null, playing = false, time = 0, begun = 0;
const duration = () => (clip ? (clip.frames - 1) / clip.fps : 0);
function weights(of, when) {
  const place = Math.min(Math.max(when * of.fps, 0), of.frames - 1), before = Math.min(Math.floor(place), Math.max(of.frames - 2, 0));
  const share = place - before, width = data.names.length, result = {};
  data.names.forEach((name, column) => {
    const first = of.values[before * width + column], next = of.values[Math.min(before + 1, of.frames - 1) * width + column];
    result[name] = first + share * (next - first);
  });
  return result;
}
// The head turns about the pivot of the clip's own face; another face that was dropped turns about its own middle.
function turn(of) {
  if (!root) return;
  root.quaternion.set(0, 0, 0, 1);
  root.position.set(0, 0, 0);
  if (!of || !of.head || placing) return;
  const row = 4 * Math.min(Math.max(Math.round(time * of.fps), 0), of.frames - 1);
  root.quaternion.fromArray(of.head, row);
  const centre = dropped ? middle.clone() : new THREE.Vector3(...of.pivot);
  root.position.copy(centre).sub(centre.clone().applyQuaternion(root.quaternion));
}
function pose(of) {
  turn(of);
  const now = of ? weights(of, time) : {};
  for (const { mesh, known } of morphs)
    for (const name of data.names) if (name in known) mesh.morphTargetInfluences[known[name]] = placing ? 0 : now[name] || 0;
}
function seek(when) {
  time = Math.min(Math.max(when, 0), duration());
  if (audio && Math.abs(audio.currentTime - time) > 0.02) audio.currentTime = time;
  begun = performance.now() / 1000 - time;
  draw();
}
function toggle(on) {
  playing = on && !!clip;
  if (playing && time >= duration() - 1e-3) seek(0);
  begun = performance.now() / 1000 - time;
  if (audio) playing ? audio.play().catch(() => {}) : audio.pause();
  element("play").textContent = playing ? "Pause" : "Play";
}
function restart() { placed.length = 0; placing = false; refreshLandmarks(); seek(Math.min(time, duration())); }

// ---------------------------------------------------------------- drawing
function draw() {
  const width = stage.clientWidth, height = stage.clientHeight, views = other ? [clip, other] : [clip];
  renderer.setSize(width, height, false);
  renderer.domElement.style.width = width + "px"; renderer.domElement.style.height = height + "px";
  renderer.setScissorTest(true);
  views.forEach((view, index) => {
    pose(view);
    camera.aspect = width / views.length / height;
    camera.updateProjectionMatrix();
    const left = (index * width) / views.length;
    renderer.setViewport(left, 0, width / views.length, height);
    renderer.setScissor(left, 0, width / views.length, height);
    renderer.render(scene, camera);
  });
  pose(clip);
  element("scrub").max = duration() || 1;
  element("scrub").value = time;
  element("clock").textContent = time.toFixed(2) + " / " + duration().toFixed(2) + " s";
  plot();
}
const colours = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999933"];
function plot() {
  const canvas = element("plot"), width = (canvas.width = canvas.clientWidth * 2), height = (canvas.height = canvas.clientHeight * 2);
  const pen = canvas.getContext("2d"), chosen = [...document.querySelectorAll("#names input:checked")].map((box) => box.value);
  for (const box of document.querySelectorAll("#names input")) {
    const place = chosen.indexOf(box.value);
    box.style.accentColor = box.parentNode.style.color = place < 0 ? "" : colours[place % colours.length];
  }
  if (!clip) return;
  for (const of of other ? [other, clip] : [clip])
    chosen.forEach((name, index) => {
      const column = data.names.indexOf(name), step = Math.max(1, Math.floor(of.frames / width));
      pen.strokeStyle = colours[index % colours.length]; pen.lineWidth = 2.5; pen.setLineDash(of === clip ? [] : [6, 6]);
      pen.beginPath();
      for (let row = 0; row < of.frames; row += step)
        pen.lineTo((row / Math.max(clip.frames - 1, 1)) * width, height - 4 - of.values[row * data.names.length + column] * (height - 8));
      pen.stroke();
    });
  pen.setLineDash([]); pen.strokeStyle = "#444"; pen.lineWidth = 2;
  pen.beginPath(); pen.moveTo((time / (duration() || 1)) * width, 0); pen.lineTo((time / (duration() || 1)) * width, height); pen.stroke();
}
function tick() {
  if (playing) {
    const now = audio && !audio.paused ? audio.currentTime : performance.now() / 1000 - begun;
    if (now >= duration()) { time = duration(); toggle(false); } else time = now;
    draw();
  }
  requestAnimationFrame(tick);
}

// ---------------------------------------------------------------- choosing
const recordings = () => [...new Set(data.clips.map((one) => one.name))];
async function choose(index) {
  const next = data.clips[index];
  toggle(false);
  const heard = clip && clip.sound === next.sound && clip.name === next.name;
  clip = next; other = null;
  if (!heard) { audio = next.sound === null ? null : new Audio(data.sounds[next.sound]); time = 0; }
  if (next.face !== null && shown !== data.faces[next.face].name && !dropped)
    show((await parse(bytes(data.faces[next.face].glb).buffer)).scene, data.faces[next.face].name);
  list();
  seek(time);
}
let dropped = false;
function list() {
  const takes = data.clips.map((one, index) => [one, index]).filter(([one]) => clip && one.name === clip.name);
  element("recordings").replaceChildren(...recordings().map((name) => {
    const button = document.createElement("button");
    button.textContent = name;
    button.className = clip && clip.name === name ? "chosen" : "";
    button.onclick = () => choose(data.clips.findIndex((one) => one.name === name));
    return button;
  }));
  const options = (none, pick) => [...(none ? [new Option("none", "")] : []), ...takes.map(([one, index]) => new Option("take " + (one.take + 1), index, false, one === pick))];
  element("take").replaceChildren(...options(false, clip));
  element("other").replaceChildren(...options(true, other));
}
element("take").onchange = (event) => choose(+event.target.value);
element("other").onchange = (event) => { other = event.target.value === "" ? null : data.clips[+event.target.value]; draw(); };
element("play").onclick = () => toggle(!playing);
element("scrub").oninput = (event) => { toggle(false); seek(+event.target.value); };
element("plot").onclick = (event) => seek((event.offsetX / event.target.clientWidth) * duration());
data.names.forEach((name) => {
  const label = document.createElement("label"), box = document.createElement("input");
  box.type = "checkbox"; box.value = name; box.checked = ["jawOpen", "mouthClose", "mouthFunnel"].includes(name); box.onchange = draw;
  label.append(box, " " + name);
  element("names").append(label);
});
const take = async (file) => { dropped = true; await open(file.name, await file.arrayBuffer()); };
element("file").onchange = (event) => event.target.files[0] && take(event.target.files[0]);
document.ondragover = (event) => event.preventDefault();
document.ondrop = (event) => { event.preventDefault(); if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]); };
document.onkeydown = (event) => { if (event.code === "Space" && event.target.tagName !== "BUTTON") { event.preventDefault(); toggle(!playing); } };
controls.addEventListener("change", () => playing || draw());
window.addEventListener("resize", draw);

// ---------------------------------------------------------------- landmarks
const placed = [], markers = [];
let placing = false;
const say = (text) => { element("hint").textContent = text; };
function refreshLandmarks() {
  for (const marker of markers) scene.remove(marker);
  markers.length = 0;
  for (const point of placed) {
    const marker = new THREE.Mesh(new THREE.SphereGeometry(size / 220), new THREE.MeshBasicMaterial({ color: 0xd55e00 }));
    marker.position.copy(point);
    scene.add(marker);
    markers.push(marker);
  }
  element("undo").hidden = !placing || !placed.length;
  element("save").hidden = placed.length < data.landmarks.length;
  element("place").textContent = placing ? "Stop" : "Place 68 landmarks";
  say(!placing ? "" : placed.length < data.landmarks.length
    ? "Landmark " + (placed.length + 1) + " of 68: click " + data.landmarks[placed.length] + ".\nRight and left are the face's own. Drag to turn, scroll to come closer."
    : "All 68 are placed. Save them beside the head, as " + shown.replace(/\.\w+$/, "") + "_landmarks.txt.");
}
const landmarkText = () => placed.map((point) => point.toArray().map((value) => value.toPrecision(9)).join(" ")).join("\n") + "\n";
function hit(x, y) {
  const ray = new THREE.Raycaster(), box = renderer.domElement.getBoundingClientRect();
  ray.setFromCamera(new THREE.Vector2(((x - box.left) / box.width) * 2 - 1, 1 - ((y - box.top) / box.height) * 2), camera);
  return ray.intersectObject(root, true)[0] || null;
}
let pressed = null;
renderer.domElement.addEventListener("pointerdown", (event) => { pressed = [event.clientX, event.clientY]; });
renderer.domElement.addEventListener("pointerup", (event) => {
  if (!placing || !pressed || Math.hypot(event.clientX - pressed[0], event.clientY - pressed[1]) > 4 || placed.length >= data.landmarks.length) return;
  const found = hit(event.clientX, event.clientY);
  if (found) { placed.push(found.point); refreshLandmarks(); draw(); }
});
element("place").onclick = () => { placing = !placing; other = null; toggle(false); if (!placing) placed.length = 0; refreshLandmarks(); draw(); };
element("undo").onclick = () => { placed.pop(); refreshLandmarks(); draw(); };
element("save").onclick = () => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([landmarkText()], { type: "text/plain" }));
  link.download = shown.replace(/\.\w+$/, "") + "_landmarks.txt";
  link.click();
};

// ---------------------------------------------------------------- for tests and other programs
window.said = {
  data, seek, choose, open, weights, landmarkText,
  state: () => ({ time, duration: duration(), playing, clip: clip && clip.name, take: clip && clip.take, face: shown, sound: audio && audio.duration, placed: placed.length }),
  turned: () => ({ rotation: root.quaternion.toArray(), position: root.position.toArray() }),
  applied: () => morphs.map(({ mesh, known }) => Object.fromEntries(Object.entries(known).map(([name, place]) => [name, mesh.morphTargetInfluences[place]]))),
  compare: (index) => { other = data.clips[index]; list(); draw(); },
};
window.said.ready = choose(0).then(() => { tick(); return true; });
