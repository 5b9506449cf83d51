// three.min.js is made of this by: npm install three@0.187.0 esbuild@0.28.2 && npx esbuild viewer.entry.js --bundle --minify
// --format=iife --global-name=THREE --charset=ascii --legal-comments=none --outfile=three.min.js
export { AmbientLight, Box3, BufferGeometry, Color, DirectionalLight, DoubleSide, Float32BufferAttribute, Mesh, MeshBasicMaterial, MeshStandardMaterial, PerspectiveCamera, Raycaster, Scene, SphereGeometry, Vector2, Vector3, WebGLRenderer } from "three";
export { GLTFLoader } from "three/examples/jsm/loaders/GLTFLoader.js";
export { OrbitControls } from "three/examples/jsm/controls/OrbitControls.js";
