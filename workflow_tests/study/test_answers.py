"""Answers that a participant of this study cannot have given are refused, by file, place and remedy."""

import json
import math
from dataclasses import replace

import pytest
from study.small_study import small_study

from said.study.analysis import report, scores, tabulate
from said.study.answers import find_answers, read_all, write_answers
from said.study.key import read_key, write_key
from said.study.simulation import simulate


@pytest.fixture(scope="module")
def key():
    return small_study().key


@pytest.fixture(scope="module")
def given(key):
    return simulate(key, 3, 5)


@pytest.fixture
def folder(tmp_path, key, given):
    """Three participants' files, <code>.json."""
    for answers in given:
        write_answers(tmp_path / f"{answers.participant}.json", answers, key.study, simulated=False)
    return tmp_path


def as_csv(path):
    """The CSV that the page saves beside a JSON."""
    value = json.loads(path.read_text())
    ratings = value.pop("ratings")
    head = [json.dumps(part).strip('"') for part in value.values()]
    rows = [[*head, *(str(cell) for cell in rating.values())] for rating in ratings]
    lines = [",".join([*value, *ratings[0]]), *(",".join(row) for row in rows)]
    path.with_suffix(".csv").write_text("\n".join(lines) + "\n")
    return path.with_suffix(".csv")


def read(folder, key):
    return read_all(find_answers(folder), key)


def test_what_was_saved_is_read(folder, key, given):
    found = read(folder, key)
    assert [replace(answers, source="") for answers in found] == sorted(given, key=lambda one: one.participant)
    assert all(len(answers.ratings) == 46 == len(key.expected()) for answers in found)


def test_the_csv_says_the_same_as_the_json_and_counts_once_beside_it(folder, key):
    before = read(folder, key)
    path = as_csv(find_answers(folder)[0])
    assert [one.ratings for one in read(folder, key)] == [one.ratings for one in before]
    path.with_suffix(".json").unlink()
    assert [one.ratings for one in read(folder, key)] == [one.ratings for one in before]


def test_a_key_is_read_as_written_and_nothing_else_is_one(tmp_path, key):
    write_key(tmp_path / "key.json", key)
    assert read_key(tmp_path / "key.json") == key
    (tmp_path / "key.json").write_text("[]")
    with pytest.raises(ValueError, match=r"key\.json: is no key of a study; give the key\.json"):
        read_key(tmp_path / "key.json")


def rating(**changes):
    return lambda value: value["ratings"][2].update(changes)


def head(**changes):
    return lambda value: value.update(changes)


WRONG = [
    (head(study="0123456789abcdef"), r"answers the study 0123456789abcdef, and the key is of \w{16}; move the file"),
    (head(simulated=True), "is simulated; simulated answers"),
    (head(version=2), "is of version 2, not 1"),
    (head(format="other"), "is no file of answers; remove it"),
    (head(ratings=None), "is no file of answers"),
    (head(participant="me; drop"), "participant is 'me; drop', not eight letters"),
    (head(number=-1), "number is -1, not 0 or more"),
    (head(number=True), "number is True"),
    (rating(rating=6), "rating 3: rating is 6, not 1, 2, 3, 4 or 5; ask for the file as the page saved it"),
    (rating(rating=0), "rating 3: rating is 0"),
    (rating(rating=3.5), "rating 3: rating is 3.5"),
    (rating(rating=True), "rating 3: rating is True"),
    (rating(rating="5"), "rating 3: rating is '5'"),
    (rating(item="00000000"), "rating 3: item '00000000' is none of the study's"),
    (rating(question="diversity"), "rating 3: question 'diversity' is not asked of"),
    (rating(question="beauty"), "rating 3: question 'beauty'"),
    (rating(position=7), "rating 3: screen 2 showed this participant"),
    (rating(screen=99), "rating 3: screen is 99, and there are 25"),
    (rating(screen=None), "rating 3: screen is None"),
    (rating(seconds=-1), "rating 3: seconds are -1"),
    (rating(seconds=math.nan), "rating 3: seconds are nan"),
    (rating(seconds="1"), "rating 3: seconds are '1'"),
    (lambda value: value["ratings"][2].pop("rating"), "rating 3: lacks rating"),
    (lambda value: value["ratings"].insert(1, 5), "rating 2: lacks screen"),
    (lambda value: value["ratings"].append(dict(value["ratings"][0])), "rating 47: lip_sync of .* was rated before"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "message"), WRONG)
def test_what_nobody_can_have_answered_is_refused(folder, key, change, message):
    path = find_answers(folder)[1]
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))
    with pytest.raises(ValueError, match=message) as error:
        read(folder, key)
    assert str(path) in str(error.value)


def test_a_participant_twice_is_refused(folder, key):
    path = find_answers(folder)[0]
    copy = path.with_name(f"z {path.name}")
    copy.write_bytes(path.read_bytes())
    with pytest.raises(ValueError, match=f"participant {path.stem} is in .*{path.name} too; remove one"):
        read(folder, key)


def test_a_csv_that_says_otherwise_than_its_json_is_refused(folder, key):
    path = as_csv(find_answers(folder)[0])
    text = path.read_text()
    path.write_text(text[:-1].rpartition("\n")[0] + "\n")
    with pytest.raises(ValueError, match="is in .* too; remove one"):
        read(folder, key)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[: len(text) // 2], "cannot be used|is no file of answers"),
        (lambda text: text.replace("\n", ";\n", 3), "no file of answers|values and the header"),
        (lambda text: text[:-20], "cannot be used .*last line"),
        (lambda text: text.replace(text.split(",")[15], "zzzzzzzz", 1), "line 3 is of another"),
        (lambda text: "", "cannot be used .*empty"),
    ],
)
def test_damaged_csv_is_refused(folder, key, change, message):
    path = as_csv(find_answers(folder)[0])
    path.with_suffix(".json").unlink()
    path.write_text(change(path.read_text()))
    with pytest.raises(ValueError, match=message) as error:
        read(folder, key)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00", b"null", b"x" * 1_000_001])
def test_damaged_json_is_refused(folder, key, content):
    path = find_answers(folder)[0]
    path.write_bytes(content)
    with pytest.raises(ValueError, match="cannot be used|no file of answers|too large") as error:
        read(folder, key)
    assert str(path) in str(error.value)


def test_who_stopped_early_is_listed_and_counted_as_far_as_it_goes(folder, key, given):
    path = find_answers(folder)[0]
    value = json.loads(path.read_text())
    del value["ratings"][30:]
    path.write_text(json.dumps(value))
    answers = read(folder, key)
    table = tabulate(scores(answers, key))
    friedman = table[table.statistic == "friedman"].set_index("question").participants
    assert friedman["lip_sync"] == 3 and friedman["diversity"] == 2  # two audios of three: each method was rated
    text = report(table, answers, key, {})
    assert f"{path.stem} lacks 16 of 46 ratings" in text and "SIMULATED" not in text
    assert all(f">{method}<" in text for method in key.methods(1))


def test_a_mean_opinion_is_the_mean_of_participants_means(folder, key):
    answers = read(folder, key)
    table = tabulate(scores(answers, key))
    row = table[(table.statistic == "mean_opinion") & (table.question == "lip_sync") & (table.method == "voca")]
    items = {name for name, item in key.items.items() if item.method == "voca" and item.part == 1}
    means = [
        sum(one.rating for one in each.ratings if one.item in items and one.question == "lip_sync") / 3
        for each in answers
    ]
    assert row.value.item() == pytest.approx(sum(means) / 3) and row.participants.item() == 3
