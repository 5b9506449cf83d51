"""The source's split: its golden beginning, its shares, and the draw of blocks."""

import pytest

from said.headpose.split import draw_blocks, roles, split


def test_the_split_is_the_one_that_torch_gives_for_seed_42():
    names = [f"sequence{k:04d}" for k in range(1000)]
    parts = split(names[::-1])  # in any order
    assert parts["train"][:5] == [names[k] for k in (542, 618, 816, 68, 94)]
    assert {role: len(part) for role, part in parts.items()} == {"train": 700, "validation": 150, "test": 150}
    assert sorted(sum(parts.values(), [])) == names


@pytest.mark.parametrize("count", [7, 12, 19, 333])
def test_every_recording_has_one_role(count):
    names = [f"n{k}" for k in range(count)]
    parts = split(names)
    assert sorted(sum(parts.values(), [])) == sorted(names)
    assert (len(parts["train"]), len(parts["validation"])) == (count * 70 // 100, count * 15 // 100)


def test_too_few_and_the_same_twice_are_refused():
    with pytest.raises(ValueError, match="6 recordings cannot be split 70 : 15 : 15; seven are the least"):
        split([f"n{k}" for k in range(6)])
    with pytest.raises(ValueError, match="recording b is listed twice"):
        split(["a", "b", "c", "b"])


def test_speakers_recur_unless_they_are_what_is_split():
    speakers = [f"s{k // 10}" for k in range(100)]
    names = [f"{speaker}/{k}" for k, speaker in enumerate(speakers)]
    found = {
        by: {(speaker, role) for speaker, role in zip(speakers, roles(names, speakers, by), strict=True)}
        for by in ("sequences", "speakers")
    }
    assert len(found["sequences"]) > 10 == len(found["speakers"])
    of = split(names)
    assert [name for name, role in zip(names, roles(names, speakers, "sequences"), strict=True) if role == "test"] == (
        sorted(of["test"], key=names.index)
    )


def test_blocks_are_drawn_repeatably_and_once_each():
    drawn = draw_blocks(226_621, 7_609)
    assert len(set(drawn)) == 7_609 and 0 <= min(drawn) and max(drawn) < 226_621
    assert drawn == draw_blocks(226_621, 7_609) != draw_blocks(226_621, 7_609, seed=43)
    with pytest.raises(ValueError, match="11 blocks cannot be drawn from 10"):
        draw_blocks(10, 11)
