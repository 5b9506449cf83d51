"""The pronouncing dictionary of the synthetic sentences: ARPAbet with stress digits, by word class.

The words were chosen so that every phone of English occurs often, the bilabials and the rounded vowels, which
the lips show best, above all. Pronunciations are General American.
"""

import re

from said.synthetic.phonetics import VOWELS

_PEOPLE = """
boy B OY1 | girl G ER1 L | puppy P AH1 P IY0 | doctor D AA1 K T ER0 | farmer F AA1 R M ER0
teacher T IY1 CH ER0 | pilot P AY1 L AH0 T | mother M AH1 DH ER0 | father F AA1 DH ER0
brother B R AH1 DH ER0 | baby B EY1 B IY0 | judge JH AH1 JH | bishop B IH1 SH AH0 P | queen K W IY1 N
soldier S OW1 L JH ER0 | witch W IH1 CH | chef SH EH1 F | thief TH IY1 F | horse HH AO1 R S
wolf W UH1 L F | poet P OW1 AH0 T | monkey M AH1 NG K IY0 | singer S IH1 NG ER0 | cousin K AH1 Z AH0 N
"""

_THINGS = """
table T EY1 B AH0 L | window W IH1 N D OW0 | bottle B AA1 T AH0 L | hammer HH AE1 M ER0
wagon W AE1 G AH0 N | bus B AH1 S | box B AA1 K S | van V AE1 N | poem P OW1 AH0 M | book B UH1 K
cloth K L AO1 TH | jar JH AA1 R | shoe SH UW1 | ship SH IH1 P | jacket JH AE1 K AH0 T | map M AE1 P
valve V AE1 L V | boat B OW1 T | lamp L AE1 M P | bag B AE1 G | spoon S P UW1 N | cup K AH1 P
feather F EH1 DH ER0 | apple AE1 P AH0 L | mirror M IH1 R ER0 | puzzle P AH1 Z AH0 L
ribbon R IH1 B AH0 N | pillow P IH1 L OW0 | shovel SH AH1 V AH0 L | treasure T R EH1 ZH ER0
movie M UW1 V IY0 | wheel W IY1 L | paper P EY1 P ER0 | bell B EH1 L | toy T OY1 | piano P IY0 AE1 N OW0
"""

_PLACES = """
river R IH1 V ER0 | garden G AA1 R D AH0 N | market M AA1 R K AH0 T | bridge B R IH1 JH
village V IH1 L AH0 JH | church CH ER1 CH | cave K EY1 V | beach B IY1 CH | shop SH AA1 P | room R UW1 M
farm F AA1 R M | hill HH IH1 L | house HH AW1 S | school S K UW1 L | tower T AW1 ER0
harbor HH AA1 R B ER0 | pool P UW1 L | museum M Y UW0 Z IY1 AH0 M | office AO1 F AH0 S
"""

_ADJECTIVES = """
old OW1 L D | young Y AH1 NG | brave B R EY1 V | quiet K W AY1 AH0 T | purple P ER1 P AH0 L
yellow Y EH1 L OW0 | smooth S M UW1 DH | heavy HH EH1 V IY0 | broken B R OW1 K AH0 N | fresh F R EH1 SH
huge HH Y UW1 JH | tiny T AY1 N IY0 | warm W AO1 R M | rough R AH1 F | golden G OW1 L D AH0 N
empty EH1 M P T IY0 | famous F EY1 M AH0 S | lazy L EY1 Z IY0 | busy B IH1 Z IY0 | foolish F UW1 L IH0 SH
soft S AO1 F T | blue B L UW1 | proud P R AW1 D | white W AY1 T | small S M AO1 L | loud L AW1 D
simple S IH1 M P AH0 L | beautiful B Y UW1 T AH0 F AH0 L | noisy N OY1 Z IY0 | narrow N EH1 R OW0
"""

_PAST_VERBS = """
found F AW1 N D | washed W AA1 SH T | carried K EH1 R IY0 D | followed F AA1 L OW0 D | watched W AA1 CH T
borrowed B AA1 R OW0 D | moved M UW1 V D | opened OW1 P AH0 N D | pushed P UH1 SH T | chose CH OW1 Z
saved S EY1 V D | bought B AO1 T | brought B R AO1 T | took T UH1 K | showed SH OW1 D | fixed F IH1 K S T
loved L AH1 V D | dropped D R AA1 P T | measured M EH1 ZH ER0 D | painted P EY1 N T AH0 D
enjoyed EH0 N JH OY1 D | remembered R IH0 M EH1 M B ER0 D
"""

_BASE_VERBS = """
find F AY1 N D | wash W AA1 SH | carry K EH1 R IY0 | follow F AA1 L OW0 | watch W AA1 CH
borrow B AA1 R OW0 | move M UW1 V | open OW1 P AH0 N | push P UH1 SH | choose CH UW1 Z | save S EY1 V
buy B AY1 | bring B R IH1 NG | take T EY1 K | show SH OW1 | fix F IH1 K S | love L AH1 V | drop D R AA1 P
measure M EH1 ZH ER0 | paint P EY1 N T | put P UH1 T | wrap R AE1 P | keep K IY1 P
"""

_PREPOSITIONS = """
by B AY2 | over OW1 V ER0 | under AH1 N D ER0 | behind B IH0 HH AY1 N D | above AH0 B AH1 V
below B IH0 L OW1 | beside B IH0 S AY1 D | near N IH2 R | inside IH0 N S AY1 D | outside AW0 T S AY1 D
"""

_PLURALS = """
shoes SH UW1 Z | ships SH IH1 P S | boxes B AA1 K S AH0 Z | boats B OW1 T S | lamps L AE1 M P S
bags B AE1 G Z | spoons S P UW1 N Z | cups K AH1 P S | feathers F EH1 DH ER0 Z | apples AE1 P AH0 L Z
books B UH1 K S | maps M AE1 P S | puzzles P AH1 Z AH0 L Z | pillows P IH1 L OW0 Z | movies M UW1 V IY0 Z
wheels W IY1 L Z | bottles B AA1 T AH0 L Z | windows W IH1 N D OW0 Z | bells B EH1 L Z | toys T OY1 Z
"""

_NUMBERS = """
two T UW1 | three TH R IY1 | four F AO1 R | five F AY1 V | seven S EH1 V AH0 N | eight EY1 T | nine N AY1 N
twelve T W EH1 L V | many M EH1 N IY0 | both B OW1 TH
"""

_OTHER = """
the DH AH0 | a AH0 | an AE0 N | and AE0 N D | of AH0 V | on AA2 N | in IH0 N | at AE0 T
for F AO0 R | with W IH0 DH | without W IH0 DH AW1 T | but B AH0 T | as AE0 Z
if IH0 F | when W EH2 N | while W AY2 L | before B IH0 F AO1 R
after AE1 F T ER0 | i AY1 | we W IY2 | you Y UW2 | he HH IY2 | she SH IY2 | they DH EY2 | my M AY2
our AW2 ER0 | your Y AO2 R | his HH IH0 Z | her HH ER0 | that DH AE2 T | this DH IH2 S | some S AH2 M
who HH UW1 | why W AY1 | where W EH1 R | was W AA0 Z | were W ER0 | it IH0 T | should SH UH0 D
would W UH0 D | could K UH0 D | did D IH0 D | will W IH0 L | please P L IY1 Z | never N EH1 V ER0
often AO1 F AH0 N | only OW1 N L IY0 | usual Y UW1 ZH AH0 W AH0 L | think TH IH1 NG K
hope HH OW1 P | believe B IH0 L IY1 V | know N OW1 | maybe M EY1 B IY0 | every EH1 V R IY0
morning M AO1 R N IH0 NG | evening IY1 V N IH0 NG | thursday TH ER1 Z D EY2 | may M EY1 | fifth F IH1 F TH
very V EH1 R IY0 | away AH0 W EY1 | early ER1 L IY0 | long L AO1 NG | hour AW1 ER0 | fuss F AH1 S
hands HH AE1 N D Z | people P IY1 P AH0 L | breakfast B R EH1 K F AH0 S T | summer S AH1 M ER0
again AH0 G EH1 N | today T AH0 D EY1 | noon N UW1 N | rain R EY1 N
all AO1 L | too T UW1
"""


def _parse(table: str) -> dict[str, tuple[str, ...]]:
    entries = (entry.split() for line in table.splitlines() for entry in line.split("|") if entry.strip())
    return {word: tuple(phones) for word, *phones in entries}


PEOPLE, THINGS, PLACES = _parse(_PEOPLE), _parse(_THINGS), _parse(_PLACES)
ADJECTIVES, PREPOSITIONS, NUMBERS = _parse(_ADJECTIVES), _parse(_PREPOSITIONS), _parse(_NUMBERS)
PAST_VERBS, BASE_VERBS, PLURALS = _parse(_PAST_VERBS), _parse(_BASE_VERBS), _parse(_PLURALS)

LEXICON: dict[str, tuple[str, ...]] = {
    **_parse(_OTHER), **NUMBERS, **PREPOSITIONS, **PEOPLE, **THINGS, **PLACES, **PLURALS, **ADJECTIVES,
    **PAST_VERBS, **BASE_VERBS,
}  # fmt: skip
"""Lower-case word -> ARPAbet phones; vowels carry their stress digit (``AH0``), consonants none."""

PAUSES = frozenset(",.?!")


def tokens(text: str) -> list[str]:
    """Lower-case words and the punctuation marks ``, . ? !`` of a text, in order."""
    return re.findall(r"[a-z']+|[,.?!]", text.lower())


def pronounce(text: str) -> list[tuple[str, tuple[str, ...]]]:
    """Look every word of a text up.

    Returns:
        ``(word, phones)`` in order; a punctuation mark is a word with no phones.

    Raises:
        ValueError: a word is not in :data:`LEXICON`, or the text has no words.
    """
    words = tokens(text)
    unknown = [word for word in words if word not in PAUSES and word not in LEXICON]
    if unknown:
        raise ValueError(
            f"no pronunciation for {', '.join(map(repr, unknown))}: add it to said.synthetic.lexicon or use the "
            "espeak-ng voices, which read any text"
        )
    if not any(word in LEXICON for word in words):
        raise ValueError(f"the text {text!r} has no words to speak")
    spoken = []
    for index, word in enumerate(words):
        phones = LEXICON.get(word, ())
        following = LEXICON.get(words[index + 1], ()) if index + 1 < len(words) else ()
        if word == "the" and following and following[0][:-1] in VOWELS:
            phones = ("DH", "IY0")  # "the apple"
        spoken.append((word, phones))
    return spoken
