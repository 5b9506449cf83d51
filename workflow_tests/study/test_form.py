"""The page in a real browser, opened from the disk: what is shown is what the key says, and what is saved is read."""

import json
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from animation.browser import chromium
from study.small_study import HEADS, METHODS, SEED, SETTINGS, small_study

from said.study.answers import find_answers, read_all
from said.study.form import Part, design, write_form
from said.study.orders import screens


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    study, folder = small_study(), tmp_path_factory.mktemp("page")
    (folder / "videos").mkdir()
    key = write_form(folder / "index.html", folder / "videos", study.first, study.second, SETTINGS, SEED)
    assert key == study.key and not list((folder / "videos").iterdir())
    return folder / "index.html"


@pytest.fixture(scope="module")
def browser(page):
    with chromium(page.parent / "profile") as browser:
        browser.command("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(page.parent))
        yield browser


def click(browser, name):
    browser.run("document.getElementById(arguments[0]).click()", name)


def begin(browser, page, query=""):
    browser.open(page)
    browser.run("localStorage.clear()")
    browser.open(page, query)
    click(browser, "agree")
    click(browser, "start")


def wait(browser, script):
    for _ in range(400):
        if browser.run(script):
            return
        time.sleep(0.02)
    raise AssertionError(f"never: {script}; {browser.run('return document.body.innerText')}")


# The grey of each film's first picture that is shown, read back from the screen.
GREYS = """
  return Promise.all([...document.querySelectorAll("video")].map(async (video) => {
    const canvas = document.createElement("canvas"), paint = canvas.getContext("2d");
    canvas.width = canvas.height = 1;
    paint.drawImage(video, 0, 0, 1, 1);
    return paint.getImageData(0, 0, 1, 1).data[0];
  }))"""


def rate(browser, scores, look=False):
    """Play a screen to its end, rate it, and go on; with `look`, the greys of its films."""
    click(browser, "play")
    wait(browser, "return !document.querySelector('.hint').textContent.startsWith('Please watch')")
    greys = browser.run(GREYS) if look else []
    browser.run(
        "arguments[0].forEach((score, index) => document.querySelectorAll('.scale')[index].querySelector("
        "`input[value='${score}']`).click()); document.getElementById('next').click()",
        scores,
    )
    return greys


def test_no_method_is_named_in_the_page_and_the_title_is_text(page):
    text = page.read_text()
    assert not [name for name in (*METHODS, *HEADS, "secret") if name in text]
    assert "<title>Heads &amp; &lt;b&gt;tails&lt;/b&gt;</title>" in text and "<b>tails" not in text
    assert "default-src 'none'" in text and "connect-src" not in text
    assert not [word for word in ("http:", "https:", "unsafe", "//cdn") if word in text.lower()]


def test_a_participant_sees_all_in_order_and_the_saved_answers_are_read(page, browser):
    study = small_study()
    browser.requests()
    begin(browser, page, "?participant=5")
    code = browser.run("return studyState().session.code")
    shown = screens(study.key.study, study.key.audios, study.key.groups, "balanced", 5, code)
    given = []
    for number, screen in enumerate(shown):
        if number == 10:  # closed and opened again
            browser.open(page)
        assert browser.run("return document.getElementById('next').disabled") is True
        scores = [1 + number % 5, 5 - number % 5][: 3 - screen.part]
        item = study.key.items[screen.item]
        greys = rate(browser, scores, look=True)
        audios = [item.audio] if item.part == 1 else range(5)
        assert len(greys) == len(audios)
        for grey, audio in zip(greys, audios, strict=True):
            assert abs(grey - study.colours[item.part, item.method, audio]) <= 2
        given += [(screen.item, score) for score in scores]
    assert browser.run("return document.querySelector('h1').textContent") == "Thank you!"
    click(browser, "json")
    click(browser, "csv")
    for _ in range(100):
        if len(list(page.parent.glob(f"answers-{code}.*"))) == 2:
            break
        time.sleep(0.05)
    (answers,) = read_all(find_answers(page.parent), study.key)
    assert answers.participant == code and answers.number == 5 and len(answers.ratings) == 42 + 4
    assert [(one.item, one.rating) for one in answers.ratings] == given
    assert set(browser.requests()) == {page.resolve().as_uri(), page.resolve().as_uri() + "?participant=5"}


def test_it_is_read_to_those_who_do_not_see_and_steered_without_a_mouse(page, browser):
    begin(browser, page)
    assert browser.run("return document.activeElement.tagName") == "H1"
    tree = browser.command("Accessibility.getFullAXTree")["nodes"]
    named = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in tree if "role" in node]
    assert ("heading", "Head 1 of 7") in named and ("radio", "1 bad") in named and ("button", "Next") in named
    assert ("group", "Lip Sync Accuracy") in named and ("progressbar", "Progress") in named
    assert ("Video", "Head 1") in named or any("Head 1" == name for _, name in named)
    order = []
    for _ in range(12):
        for kind in ("keyDown", "keyUp"):
            browser.command("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)
        order.append(browser.run("const one = document.activeElement; return one.id || one.name || one.tagName"))
    order = list(dict.fromkeys(order))
    assert [name for name in order if name in ("play", "lip_sync", "realism", "stop")] == [
        "play", "lip_sync", "realism", "stop",
    ]  # fmt: skip
    browser.run("document.querySelector('input[name=lip_sync]').focus()")
    for kind in ("keyDown", "keyUp"):
        browser.command(
            "Input.dispatchKeyEvent", type=kind, key="ArrowRight", code="ArrowRight", windowsVirtualKeyCode=39
        )
    assert browser.run("return document.querySelector('input[name=lip_sync]:checked').value") == "2"


def test_it_fits_a_phone(page, browser):
    browser.command("Emulation.setDeviceMetricsOverride", width=360, height=740, deviceScaleFactor=2, mobile=True)
    try:
        begin(browser, page)
        for at in (0, 21):
            browser.run(
                "const key = Object.keys(localStorage)[0], kept = JSON.parse(localStorage[key]);"
                "kept.at = arguments[0]; localStorage[key] = JSON.stringify(kept)",
                at,
            )
            browser.open(page)
            assert browser.run("return document.documentElement.scrollWidth") <= 360
            low = "return Math.min(...[...document.querySelectorAll('.scale label')].map((one) => one.offsetHeight))"
            assert browser.run(low) >= 44
    finally:
        browser.command("Emulation.clearDeviceMetricsOverride")


def test_who_stops_can_save_what_there_is_go_on_or_erase_it(page, browser):
    begin(browser, page)
    rate(browser, [3, 3])
    click(browser, "stop")
    assert "1 of 25 rated" in browser.run("return document.getElementById('place').textContent")
    click(browser, "continue")
    assert browser.run("return studyState().session.at") == 1
    click(browser, "stop")
    click(browser, "forget")
    assert browser.run("return [localStorage.length, studyState().session]") == [0, None]


def test_answers_are_sent_where_the_configuration_says_and_nowhere_else(tmp_path, browser):
    received = []

    class Handler(BaseHTTPRequestHandler):
        def do_OPTIONS(self):  # noqa: N802
            self.answer()

        def do_POST(self):  # noqa: N802
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.answer()

        def answer(self):
            self.send_response(200)
            self.send_header("Access-Control-Allow-Origin", "*")
            self.send_header("Access-Control-Allow-Headers", "Content-Type")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        address = f"http://127.0.0.1:{server.server_port}/answers"
        study, settings = small_study(), replace(SETTINGS, post_url=address)
        key = write_form(tmp_path / "index.html", tmp_path, study.first, study.second, settings, SEED, most=10)
        assert len(list(tmp_path.glob("*.mp4"))) == 41  # beside the page
        (tmp_path / "videos").symlink_to(tmp_path)
        begin(browser, tmp_path / "index.html")
        rate(browser, [4, 2])
        click(browser, "stop")
        click(browser, "send")
        wait(browser, "return document.body.innerText.includes('Sent.')")
        assert received[0]["study"] == key.study and [one["rating"] for one in received[0]["ratings"]] == [4, 2]
        elsewhere = "return fetch('http://127.0.0.1:1/').then(() => '', (error) => error.message)"
        assert browser.run(elsewhere) == "Failed to fetch"
    finally:
        server.shutdown()


def test_the_digest_is_of_all_that_participants_see():
    study = small_study()
    key, _ = design(study.first, study.second, SETTINGS, SEED)
    other = {**study.first.films, "voca": study.first.films["SAiD"]}
    for first, second, settings, seed in (
        (Part(other, study.first.numbers), study.second, SETTINGS, SEED),
        (study.first, Part({}, range(5)), SETTINGS, SEED),
        (study.first, study.second, replace(SETTINGS, order="random"), SEED),
        (study.first, study.second, SETTINGS, SEED + 1),
    ):
        assert design(first, second, settings, seed)[0].study != key.study
    assert design(study.first, study.second, replace(SETTINGS, title="Other"), SEED)[0].study == key.study


def test_one_method_alone_is_refused():
    study = small_study()
    one = Part({"voca": study.first.films["voca"]}, study.first.numbers)
    with pytest.raises(ValueError, match=r"study.part1.methods: voca alone; nothing can be compared"):
        design(one, study.second, SETTINGS, SEED)
    with pytest.raises(ValueError, match="neither part has methods"):
        design(Part({}, []), Part({}, []), SETTINGS, SEED)
