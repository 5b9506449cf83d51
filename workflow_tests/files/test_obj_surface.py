"""Texture coordinates and materials of OBJ files: found however a program writes them, and named where they are not."""

import io
import os

import numpy as np
import pytest
from PIL import Image

from said.animation.surfaces import read_head
from said.files.obj_surface import parse_surface, read_materials

TRIANGLE = "v 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 0 1\n"
FACE = "f 1/1 2/2 3/3\n"


def png():
    content = io.BytesIO()
    Image.new("RGB", (2, 2), (200, 30, 30)).save(content, "png")
    return content.getvalue()


def materials_of(folder, text):
    """Materials by name, files and notes of an OBJ file."""
    surface = parse_surface(text.encode())
    found, files, notes = read_materials(folder / "head.obj", surface.libraries, surface.material_names)
    return {material.name: material for material in found}, files, notes


@pytest.mark.parametrize("word", ["nan", "inf", "-inf", "1e400", "1e39"])
def test_coordinates_that_no_glb_can_hold_become_zero(word):
    surface = parse_surface(f"{TRIANGLE}vt {word} 0.5\nvt 0.5 {word}\n{FACE}".encode())
    assert surface.coordinates.tolist() == [[0, 0], [1, 0], [0, 1], [0, 0.5], [0.5, 0]]


@pytest.mark.parametrize(("line", "shown"), [("vt", "''"), ("vt a b", "'a b'")])
def test_a_coordinate_that_is_no_number_is_named_with_file_and_line(line, shown, tmp_path):
    path = tmp_path / "head.obj"
    path.write_text(f"{TRIANGLE}{line}\n{FACE}")
    with pytest.raises(ValueError) as raised:
        read_head(path)
    assert str(raised.value).startswith(f"{path}: line 7: vt {shown} is no texture coordinate; expected")


def test_corners_without_their_coordinate_have_none():
    corners = parse_surface(f"{TRIANGLE}f 1/-9 2/{10**30} 3/7\nf 1/-3 2/-2 3/-1\n".encode()).corners
    assert corners.tolist() == [[-1, -1, -1], [0, 1, 2]]


@pytest.mark.parametrize(
    ("used", "declared"),
    [
        ("Skin #1", "Skin #1"),
        ("Skin #1 # of the face", "Skin #1"),
        ("skin#1", "skin#1"),
        ("skin #tight", "skin"),
        ("Skin  1", "Skin 1"),
        ("skin", "skin # note"),
    ],
)
def test_a_name_keeps_its_number_sign_and_loses_a_comment(used, declared, tmp_path):
    (tmp_path / "a.mtl").write_text(f"newmtl other\nKd 0 0 1\n\tnewmtl {declared}\n\tKd\t1 0 0\n")
    found, _, notes = materials_of(tmp_path, f"\ufeffmtllib a.mtl # all\n{TRIANGLE}usemtl {used}\n{FACE}")
    assert [material.colour for material in found.values()] == [(1, 0, 0)] and not notes


@pytest.mark.parametrize("named", ["a.mtl b.mtl", "my materials.mtl", ".\\a.mtl", '"a.mtl"', "C:\\Users\\me\\a.mtl"])
def test_libraries_are_found(named, tmp_path):
    for name in ("a.mtl", "b.mtl", "my materials.mtl"):
        (tmp_path / name).write_text(f"newmtl {'B' if name == 'b.mtl' else 'A'}\nKd 0 1 0\n")
    names = ("A", "B") if "b.mtl" in named else ("A",)
    used = "".join(f"usemtl {name}\n{FACE}" for name in names)
    found, files, notes = materials_of(tmp_path, f"mtllib {named}\n{TRIANGLE}{used}")
    assert {name: material.colour for name, material in found.items()} == dict.fromkeys(names, (0, 1, 0))
    assert len(files) == len(names) and not notes


@pytest.mark.parametrize(
    "named",
    [
        "textures/skin tex.png",
        "textures\\skin tex.png",
        "-s 1 1 1 textures\\skin tex.png",
        "\tskin.png  ",
        "-clamp on skin.png",
        '"skin.png"',
        "C:\\Users\\me\\skin.png",
        "/home/someone/skin.png",
    ],
)
def test_pictures_are_found(named, tmp_path):
    (tmp_path / "textures").mkdir()
    place = tmp_path / ("textures/skin tex.png" if "tex.png" in named else "skin.png")
    place.write_bytes(png())
    (tmp_path / "a.mtl").write_text(f"newmtl A\nmap_Kd {named}\n")
    found, files, notes = materials_of(tmp_path, f"mtllib a.mtl\n{TRIANGLE}usemtl A\n{FACE}")
    assert found["A"].picture == png() and not notes
    assert [os.path.normpath(file) for file in files] == [str(tmp_path / "a.mtl"), str(place)]


@pytest.mark.parametrize("line", ["Kd spectral x.rfl 1", "Kd xyz 1 1 1", "Kd nan 0 0", "Kd"])
def test_a_colour_in_other_terms_is_as_none_at_all(line, tmp_path):
    (tmp_path / "a.mtl").write_text(f"newmtl A\n{line}\n")
    found, _, _ = materials_of(tmp_path, f"mtllib a.mtl\n{TRIANGLE}usemtl A\nusemtl B\n{FACE}")
    assert found["A"].colour == found["B"].colour
    assert np.isfinite(found["A"].colour).all()


def test_what_is_missing_is_noted_once_by_name(tmp_path):
    (tmp_path / "a.mtl").write_text(
        "newmtl A\nmap_Kd no such.png\nnewmtl B\nmap_Kd no such.png\nnewmtl C\nmap_Kd c.tga\n"
    )
    (tmp_path / "c.tga").write_bytes(b"\0\0\2")
    used = "".join(f"usemtl {name}\n{FACE}" for name in "ABCD")
    found, files, notes = materials_of(tmp_path, f"mtllib a.mtl\nmtllib gone.mtl\n{TRIANGLE}{used}")
    assert files == [tmp_path / "a.mtl", tmp_path / "c.tga"]
    assert not any(material.picture for material in found.values())
    assert len(notes) == 4
    for note, word in zip(notes, ("no such.png", "c.tga", "gone.mtl", "material D"), strict=True):
        assert word in note
