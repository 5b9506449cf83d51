"""CSV read strictly against its header."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from said.arkit import SPEECH_BLENDSHAPES
from said.files import cells
from said.files.tables import read_coefficient_text, read_coefficients, read_columns, read_table, write_coefficients
from said.running.integrity import UnreadableError

HEADER = ",".join(SPEECH_BLENDSHAPES)
ROW = ",".join(f"0.{index:02d}" for index in range(32))


@pytest.fixture
def written(tmp_path):
    """A reference of three frames, and what `edit` makes of its text."""

    def write(edit=lambda text: text, encoding="utf-8"):
        path = tmp_path / "mine.csv"
        path.write_bytes(edit(f"{HEADER}\n{ROW}\n{ROW}\n{ROW}\n").encode(encoding))
        return path

    return write


@pytest.mark.parametrize(("edit", "message"), [
    (lambda text: text.replace(ROW, ROW + ",0.5", 1), "line 2 has 33 values and the header 32 names"),
    (lambda text: text.replace(ROW, "7," + ROW), "line 2 has 33 values"),
    (lambda text: text.replace(ROW, ROW[:-5]), "line 2 has 31 values"),
    (lambda text: text + ROW[:20] + "\n", "line 5 has 5 values"),
    (lambda text: text.replace("jawOpen", "jawLeft"), "line 1 names 'jawLeft' twice"),
    (lambda text: "," + text.replace("\n0", "\n1,0"), "line 1: column 1 has no name"),
    (lambda text: text.replace("\n", ",\n"), "line 1: column 33 has no name"),
    (lambda text: text.replace(",", ";"), "line 1 is separated by semicolons"),
    (lambda text: text.replace(".", ",").replace(HEADER, HEADER.replace(",", ";")), "separated by semicolons"),
    (lambda text: text.replace(",", "\t"), "line 1 is separated by tabs"),
    (lambda text: text.replace("0.03", '"0,03"', 1), r"line 2: jawOpen is '0,03'; write decimals with a point"),
    (lambda text: text.replace("0.03", '"1,003"', 1), "line 2: jawOpen is '1,003'; write decimals"),
    (lambda text: text.replace("0.03", "0,03", 1), "line 2 has 33 values"),
    (lambda text: text.replace("0.03", "", 1), "line 2: jawOpen has no value"),
    (lambda text: text.replace("0.03", "open", 1), "line 2: jawOpen is 'open', which is no number"),
    (lambda text: text.replace("0.03", "1_0", 1), "line 2: jawOpen is '1_0', which is no number"),
    (lambda text: text.replace("0.03", "٣", 1), "line 2: jawOpen is '٣', which is no number"),
    (lambda text: text.replace("0.03", "nan", 1), "line 2: jawOpen is nan, which is no finite number"),
    (lambda text: text.replace("0.03", "-Inf", 1), "line 2: jawOpen is -Inf, which is no finite number"),
    (lambda text: text.replace("0.03", "1e999", 1), "line 2: jawOpen is 1e999, which is no finite number"),
    (lambda text: text.replace(f"{ROW}\n", f"{ROW}\n\n", 1), "line 3 is blank"),
    (lambda text: "\n" + text, "line 1 is blank"),
    (lambda text: text.replace("0.03", '"0.03"x', 1), "line 2: "),
    (lambda text: text.replace("0.03", '"0.03', 1), "unexpected end of data"),
    (lambda text: text.replace("0.03", "\0", 1), "line 2 holds a zero byte"),
    (lambda text: HEADER + "\n", "has a header and no rows"),
    (lambda text: text.replace("jawOpen", "jawopen"), r"lacks \['jawOpen'\] and has the unknown \['jawopen'\]"),
])  # fmt: skip
def test_what_is_wrong_is_named_by_file_and_line(written, edit, message):
    path = written(edit)
    for read in (read_coefficients, read_coefficient_text):
        with pytest.raises(ValueError, match=f"^{path}: .*{message}") as error:
            read(path)
        assert not isinstance(error.value, UnreadableError)


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_other_encodings_are_named(written, encoding):
    with pytest.raises(ValueError, match="line 2 is not UTF-8 text|line 1 is not UTF-8 text"):
        read_coefficients(written(lambda text: text.replace("0.03", "é", 1), encoding))


def test_masks_and_other_tables_are_read_as_strictly(tmp_path):
    path = tmp_path / "mask.csv"
    path.write_text("jawOpen,jawLeft\n1,0\n0,0\n")
    columns = read_columns(path, SPEECH_BLENDSHAPES)
    assert list(columns) == ["jawOpen", "jawLeft"] and columns["jawOpen"].tolist() == [1, 0]
    wrong = {
        "jawOpen,jawLeft\n1,0,1\n0,0,1\n": "line 2 has 3 values",
        "jawOpen\nTrue\n": "line 2: jawOpen",
        "jawopen\n1\n": "did you mean 'jawOpen'",
    }
    for text, message in wrong.items():
        path.write_text(text)
        with pytest.raises(ValueError, match=message):
            read_columns(path, SPEECH_BLENDSHAPES)
    path.write_text("jawOpen,jawLeft\n1,0,1\n0,0,1\n")
    with pytest.raises(ValueError, match="line 2 has 3 values"):
        read_table(path)


def test_tables_keep_the_types_of_their_columns(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text('name,count,share,there,note\nNA,1,0.1,True,"a, ""b""\nc"\nnull,2,,False,\n')
    table = read_table(path)
    assert table["name"].tolist() == ["NA", "null"] and table["count"].dtype == np.int64
    assert table["share"][0] == 0.1 and np.isnan(table["share"][1]) and table["there"].dtype == bool
    assert table["note"][0] == 'a, "b"\nc'


@st.composite
def spellings(draw):
    """A table of coefficients spelled in any legal way, and its values."""
    order = draw(st.permutations(range(32)))
    rows = draw(st.integers(1, 4))
    random = np.random.default_rng(draw(st.integers(0, 999)))
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    form = draw(st.sampled_from(["{}", "{:.9g}", "{:e}", "{:.3E}", "+{}", " {} ", '"{}"', "{:.20f}", "{:.0f}."]))
    cells = [[form.format(value) for value in row] for row in random.random((rows, 32))]
    values = np.array([[float(cell.strip(' "')) for cell in row] for row in cells])
    name = draw(st.sampled_from(["{}", '"{}"', " {}"]))
    lines = [",".join(name.format(SPEECH_BLENDSHAPES[index]) for index in order)]
    lines += [",".join(row[index] for index in order) for row in cells]
    text = draw(st.sampled_from(["", "\ufeff"])) + end.join(lines) + end * draw(st.integers(1, 3))
    return text.encode(), values


@settings(max_examples=60, deadline=None)
@given(spellings())
def test_any_legal_spelling_is_read_to_the_bit(spelled):
    content, values = spelled
    np.testing.assert_array_equal(cells.parse(content).columns(SPEECH_BLENDSHAPES).numbers(), values)


@settings(max_examples=60, deadline=None)
@given(spellings(), st.floats(0, 1, exclude_max=True))
def test_what_is_cut_off_is_refused_or_ends_between_two_rows(tmp_path_factory, spelled, share):
    content, values = spelled
    path = tmp_path_factory.mktemp("cut") / "a.csv"
    path.write_bytes(content[: int(share * len(content))])
    try:
        read = read_coefficients(path)
    except ValueError as error:
        assert str(path) in str(error)
    else:
        np.testing.assert_array_equal(read, values[: len(read)])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 4), st.integers(0, 31), st.sampled_from(["more", "less"]))
def test_a_value_more_or_less_in_any_row_is_named(row, column, change):
    lines = [HEADER.split(","), *([f"{index / 32}" for index in range(32)] for _ in range(4))]
    if change == "more":
        lines[row].insert(column, "7" if row else "new")
    else:
        del lines[row][column]
    with pytest.raises(ValueError, match=f"line {row + 1 if row else 2} has"):
        cells.parse("".join(",".join(line) + "\n" for line in lines).encode())


def test_what_is_written_is_read_to_nine_digits(tmp_path):
    values = np.random.default_rng(0).random((40, 32))
    write_coefficients(tmp_path / "a.csv", values)
    np.testing.assert_array_equal(
        read_coefficients(tmp_path / "a.csv"), [[float(f"{value:.9g}") for value in row] for row in values]
    )
