"""What a download accepts as the rest of a file, as its end, and as the file at all; and who sees the credentials."""

import base64
import hashlib
import io
import os
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from publisher import LOGIN_PAGE, Publisher

from said.vocaset import addresses, archives, download, transfer
from said.vocaset.credentials import Credentials, CredentialsError
from said.vocaset.download import DownloadError

CONTENT = np.random.default_rng(0).bytes(300_000)
OTHER = np.random.default_rng(1).bytes(300_000)  # as long
BLANK = b" \t\r\n" * 50_000


@pytest.fixture
def publisher():
    with Publisher({"data.bin": CONTENT}).serving() as serving:
        yield serving


def fetch(publisher, folder: Path, name: str = "data.bin", **options):
    return download.fetch(publisher.public + name, folder / name, **{"pause": 0.001, **options})


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


VALIDATORS = {
    "strong": lambda content: f'"{md5(content)}"',
    "weak": lambda content: f'W/"{md5(content)}"',
    "the same weak one": lambda _: 'W/"1"',
    "no quotes": lambda _: "1",
    "none": lambda _: None,
}


@pytest.mark.parametrize("again", [False, True], ids=["at once", "in the next run"])
@pytest.mark.parametrize("validator", VALIDATORS.values(), ids=VALIDATORS)
def test_halves_of_two_files_are_never_joined(publisher, tmp_path, monkeypatch, validator, again):
    publisher.etag, publisher.heeds = validator, False  # a server that goes on with whatever it has
    publisher.faults = [{"cut": 100_000}]
    if again:
        with monkeypatch.context() as patch, pytest.raises(DownloadError, match="gave up"):
            patch.setattr(transfer, "ATTEMPTS", 1)
            fetch(publisher, tmp_path)
        publisher.files["data.bin"] = OTHER
    else:
        publisher.faults[0]["then"] = lambda: publisher.files.update({"data.bin": OTHER})
    receipt = fetch(publisher, tmp_path)
    assert (tmp_path / "data.bin").read_bytes() == OTHER and receipt.sha256 == hashlib.sha256(OTHER).hexdigest()


@pytest.mark.parametrize("validator", ["weak", "none"])
def test_where_the_whole_can_be_proved_no_validator_is_needed(publisher, tmp_path, validator):
    publisher.etag = VALIDATORS[validator]
    publisher.faults = [{"cut": 100_000}]
    fetch(publisher, tmp_path, sha256=hashlib.sha256(CONTENT).hexdigest())
    assert publisher.sent == len(CONTENT)  # not a byte twice
    publisher.faults = [{"cut": 100_000, "then": lambda: publisher.files.update({"data.bin": OTHER})}]
    fetch(publisher, tmp_path / "changed", sha256=hashlib.sha256(OTHER).hexdigest())
    assert (tmp_path / "changed/data.bin").read_bytes() == OTHER


def test_an_archive_is_proved_by_its_checksums(publisher, tmp_path):
    packed = []
    for content in (CONTENT, OTHER):
        with zipfile.ZipFile(buffer := io.BytesIO(), "w") as archive:
            archive.writestr(zipfile.ZipInfo("x.npy"), content)
        packed.append(buffer.getvalue())
    publisher.etag = VALIDATORS["none"]
    publisher.faults = [{"cut": 100_000, "then": lambda: publisher.files.update({"x.zip": packed[1]})}]
    publisher.files["x.zip"] = packed[0]
    fetch(publisher, tmp_path, "x.zip", check=archives.check)
    assert (tmp_path / "x.zip").read_bytes() == packed[1]


def test_an_answer_that_is_not_the_rest_is_begun_anew(publisher, tmp_path):
    tag, rest = VALIDATORS["strong"](CONTENT), CONTENT[100_000:]
    for place in ("bytes 100001-299999/300000", "bytes 100000-299999/300001", "pages 1-2/3", ""):
        headers = {"ETag": tag, "Content-Range": place}
        publisher.faults = [{"cut": 100_000}, {"status": 206, "body": rest, "headers": headers}]
        fetch(publisher, tmp_path / re.sub(r"\W", "_", place))
        assert (tmp_path / re.sub(r"\W", "_", place) / "data.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("told", ["bytes */100000", "bytes */*", ""])
def test_a_broken_answer_is_no_file_because_the_server_has_no_more(publisher, tmp_path, told):
    broken = {"cut": 100_000, "announce": 300_000}
    publisher.faults = [broken, {"status": 416, "headers": {"Content-Range": told}}]
    fetch(publisher, tmp_path)
    assert (tmp_path / "data.bin").read_bytes() == CONTENT


def test_what_has_all_arrived_is_not_asked_for_again(publisher, tmp_path):
    def busy(_):
        raise archives.LimitError("not now")

    with pytest.raises(archives.LimitError):
        fetch(publisher, tmp_path, check=busy)
    fetch(publisher, tmp_path)
    assert len(publisher.requests) == 1 and (tmp_path / "data.bin").read_bytes() == CONTENT


def test_endless_bodies_are_stopped(publisher, tmp_path, monkeypatch):
    def left() -> set[str]:
        return {path.name for path in tmp_path.iterdir()} - {".data.bin.lock"}

    publisher.faults = [{"announce": None}]
    with pytest.raises(DownloadError, match="does not end after .* at most 200000 are expected"):
        fetch(publisher, tmp_path, size=100_000)
    with pytest.raises(DownloadError, match="announces 300000 bytes, but about 100000 are expected"):
        fetch(publisher, tmp_path, size=100_000)
    monkeypatch.setattr(transfer, "_MOST_UNANNOUNCED", 250_000)
    publisher.faults = [{"announce": None}]
    with pytest.raises(DownloadError, match="does not end after .* without an announcement"):
        fetch(publisher, tmp_path)
    headers = {"ETag": VALIDATORS["strong"](CONTENT), "Content-Range": "bytes 100000-299999/300000"}
    endless = {"status": 206, "body": CONTENT * 10, "headers": headers | {"Content-Length": None}}
    publisher.faults = [{"cut": 100_000}, endless]
    with pytest.raises(DownloadError, match="does not end after .* at most 300000 were announced"):
        fetch(publisher, tmp_path)
    assert left() == set()
    fetch(publisher, tmp_path, size=200_000)  # roughly


@pytest.mark.parametrize("body", [b"", BLANK, b"\xef\xbb\xbf\n"])
def test_nothing_is_no_file(publisher, tmp_path, body):
    publisher.faults = [{"status": 200, "body": body}] * transfer.ATTEMPTS
    with pytest.raises(DownloadError, match="an empty answer arrived"):
        fetch(publisher, tmp_path)
    publisher.faults = [{"status": 200, "body": body}]
    fetch(publisher, tmp_path)  # the next answer is the file
    assert (tmp_path / "data.bin").read_bytes() == CONTENT


@pytest.mark.parametrize(
    "page",
    [
        BLANK + LOGIN_PAGE,
        b"\xef\xbb\xbf" + BLANK + b"<HTML>",
        b'<?xml version="1.0"?>\n<html xmlns="x">',
        b"<!-- saved -->\n<!DOCTYPE  html>",
        b"<head><title>Moved</title>",
        b"<script>location = '/login'</script>",
        "\ufeff<!DOCTYPE html><html>".encode("utf-16-le"),
    ],
)
def test_pages_are_no_files_however_they_begin(publisher, tmp_path, page):
    publisher.faults = [{"status": 200, "body": page, "headers": {"Content-Type": "application/octet-stream"}}]
    with pytest.raises(DownloadError, match=r"a page \(HTML\)"):
        fetch(publisher, tmp_path)


@pytest.mark.parametrize("content", [BLANK + b"v 1 2 3\n", b"<header>\n", b"\0" * 100_000, b"<", b"\n0.5\n"])
def test_files_that_begin_oddly_are_files(publisher, tmp_path, content):
    publisher.files["data.bin"] = content
    fetch(publisher, tmp_path)
    assert (tmp_path / "data.bin").read_bytes() == content


def test_a_rest_of_blanks_is_a_rest(publisher, tmp_path):
    publisher.files["data.bin"] = CONTENT + BLANK
    publisher.faults = [{"cut": len(CONTENT)}]
    fetch(publisher, tmp_path)
    assert (tmp_path / "data.bin").read_bytes() == CONTENT + BLANK and publisher.sent == len(CONTENT + BLANK)


def test_a_wait_that_nobody_understands_is_an_ordinary_one(publisher, tmp_path):
    publisher.faults = [{"status": 503, "headers": {"Retry-After": after}} for after in ("soon", "-5", "1e9")]
    fetch(publisher, tmp_path)
    assert (tmp_path / "data.bin").read_bytes() == CONTENT


# What is shown, and sent, to whom.


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_what_is_for_this_machine_goes_through_no_proxy(publisher, tmp_path, monkeypatch, variable, host):
    for name in ("no_proxy", "NO_PROXY", "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
    with Publisher({}).serving() as proxy:
        monkeypatch.setenv(variable, f"http://127.0.0.1:{proxy.port}")
        url = publisher.url.replace("{file}", "data.bin").replace("127.0.0.1", host)
        download.fetch(url, tmp_path / "data.bin", credentials=lambda: Credentials("reader", "secret"))
        assert proxy.requests == [] and len(publisher.requests) == 1


def test_a_login_in_an_address_is_sent_and_shown_nowhere(publisher, tmp_path, capfd):
    url = publisher.public.replace("//", "//reader:s%65cr%40t@") + "data.bin?token=hidden&part=1#x"
    publisher.files = {"data.bin?token=hidden&part=1": CONTENT, "data.bin": CONTENT}
    publisher.faults = [{"cut": 100_000}]
    receipt = download.fetch(url, tmp_path / "data.bin", pause=0.001)
    sent = base64.b64encode(b"reader:secr@t").decode()
    assert [headers["Authorization"] for _, _, headers, _ in publisher.requests] == [f"Basic {sent}"] * 2
    publisher.faults = [{"status": 401}]
    with pytest.raises(DownloadError, match="name or password is wrong") as caught:
        download.fetch(url, tmp_path / "again", pause=0.001)
    with Publisher({"data.bin": OTHER}).serving() as other:
        publisher.faults = [{"status": 302, "headers": {"Location": other.public + "data.bin"}}]
        download.fetch(url, tmp_path / "elsewhere", pause=0.001)
        assert "Authorization" not in other.requests[0][2]
    output = capfd.readouterr()
    files = "".join(path.read_text() for path in tmp_path.iterdir() if path.suffix in (".json", ".sha256", ".lock"))
    for text in (output.out, output.err, str(caught.value), receipt.url, files):
        assert not re.search("hidden|secr|s%65cr|reader", text)
    assert receipt.url.endswith("/public/data.bin?token=***&part=1")


def test_a_login_in_an_address_goes_over_a_private_channel_alone(tmp_path):
    for url in ("http://me:pa55@example.org/x", "ftp://me:pa55@127.0.0.1/x"):
        with pytest.raises(CredentialsError, match="over https only") as caught:
            download.fetch(url, tmp_path / "x")
        assert "pa55" not in str(caught.value)


@pytest.mark.parametrize("url", ["https://me:pa55@[::1/x", "https://me:pa55⁄@example.org℀/x", "me:pa55@x", "https://"])
def test_what_is_no_address_is_not_shown_either(tmp_path, url):
    with pytest.raises((DownloadError, CredentialsError)) as caught:
        download.fetch(url, tmp_path / "x", pause=0.001)
    assert "pa55" not in str(caught.value) and caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://u:p@h:8/a?b=c", "https://h:8/a?b=c"),
        ("https://token@h/a", "https://h/a"),
        ("https://h/a?domain=voca&resume=1&sfile=x.zip", "https://h/a?domain=voca&resume=1&sfile=x.zip"),
        ("https://h/a?X-Amz-Signature=12&X-Amz-Credential=k&n=1",
         "https://h/a?X-Amz-Signature=***&X-Amz-Credential=***&n=1"),
        ("https://h/a?sig=1&access_token=2&api_key=3", "https://h/a?sig=***&access_token=***&api_key=***"),
    ],
)  # fmt: skip
def test_addresses_are_shown_without_what_opens_them(url, shown):
    assert addresses.shown(url) == shown


# A folder in which others may write.


@pytest.mark.parametrize("kind", ["symbolic", "hard"])
@pytest.mark.parametrize("facts", [True, False])
def test_a_link_in_place_of_the_partial_file_is_not_followed(publisher, tmp_path, kind, facts):
    mine, part = tmp_path / "mine", tmp_path / "shared/.data.bin.part"
    mine.write_bytes(b"precious")
    part.parent.mkdir()
    (os.symlink if kind == "symbolic" else os.link)(mine, part)
    if facts:
        url = publisher.public + "data.bin"
        part.with_name(f"{part.name}.json").write_text(
            f'{{"url": "{url}", "total": 300000, "validator": "\\"{md5(CONTENT)}\\""}}'
        )
    fetch(publisher, tmp_path / "shared")
    assert mine.read_bytes() == b"precious" and (tmp_path / "shared/data.bin").read_bytes() == CONTENT
    assert not (tmp_path / "shared/data.bin").is_symlink() and "Range" not in publisher.requests[0][2]


@pytest.mark.parametrize("facts", ["", "[]", "{}", "null", '{"url": 1}', "\xff"])
def test_damaged_notes_of_a_partial_file_are_none(publisher, tmp_path, facts):
    (tmp_path / ".data.bin.part").write_bytes(OTHER[:1000])
    (tmp_path / ".data.bin.part.json").write_text(facts, encoding="latin1")
    fetch(publisher, tmp_path)
    assert (tmp_path / "data.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("content", ["", "\n", "no sum", "f" * 63])
def test_a_damaged_record_is_named(publisher, tmp_path, content):
    fetch(publisher, tmp_path)
    (tmp_path / "data.bin.sha256").write_text(content)
    with pytest.raises(DownloadError, match=r"data\.bin\.sha256: holds no sha256"):
        fetch(publisher, tmp_path)


def test_nobody_is_told_to_delete_a_file_of_their_own(tmp_path):
    (tmp_path / "x.zip").write_bytes(b"no archive")
    with pytest.raises(DownloadError, match="no zip archive") as caught:
        download.fetch("http://127.0.0.1:9/", tmp_path / "x.zip", check=archives.check)
    assert not re.search("delete|remove|damaged", str(caught.value).replace(str(tmp_path), ""), re.IGNORECASE)
