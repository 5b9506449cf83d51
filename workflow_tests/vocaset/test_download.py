"""Downloads, from a server on the loopback address that behaves as the publishers do, or misbehaves."""

import hashlib
import os
import shutil
import ssl
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from publisher import LOGIN_PAGE, Publisher

from said.vocaset import archives, download, transfer
from said.vocaset.credentials import Credentials, CredentialsError
from said.vocaset.download import DownloadError

CONTENT = np.random.default_rng(0).bytes(3_000_000)
AWKWARD = """p&ss%20=w+o"r'd #/é"""


@pytest.fixture
def publisher():
    with Publisher({"data.bin": CONTENT}).serving() as serving:
        yield serving


def fetch(publisher, folder: Path, name="data.bin", password=None, **options):
    """With the publisher's credentials or another password; fast in trying again."""
    credentials = Credentials(publisher.username, publisher.password if password is None else password)
    url = publisher.url.replace("{file}", name)
    return download.fetch(url, folder / name, credentials=lambda: credentials, **{"pause": 0.001, **options})


def left_over(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {".data.bin.lock"}


def test_a_file_arrives_with_its_checksum_beside_it(publisher, tmp_path):
    receipt = fetch(publisher, tmp_path)
    assert (tmp_path / "data.bin").read_bytes() == CONTENT
    digest = hashlib.sha256(CONTENT).hexdigest()
    assert (receipt.bytes, receipt.sha256) == (len(CONTENT), digest)
    assert left_over(tmp_path) == {"data.bin", "data.bin.sha256"}
    assert subprocess.run(["sha256sum", "-c", "data.bin.sha256"], cwd=tmp_path, capture_output=True).returncode == 0


def test_a_file_that_is_here_needs_no_network_and_no_credentials(publisher, tmp_path):
    fetch(publisher, tmp_path)

    def none():
        raise CredentialsError("asked for")

    asked = len(publisher.requests)
    download.fetch(publisher.url, tmp_path / "data.bin", credentials=none)
    assert len(publisher.requests) == asked


@pytest.mark.parametrize("password", [AWKWARD, "&", "%26", "a'b\"c", " space "])
def test_any_password_arrives_as_it_is(tmp_path, password):
    with Publisher({"data.bin": b"content"}, password=password).serving() as publisher:
        fetch(publisher, tmp_path)
    assert publisher.requests[0][3] == {"username": "reader", "password": password}
    assert all("password" not in path for _, path, _, _ in publisher.requests)


def test_a_wrong_password_is_named_and_not_tried_again(publisher, tmp_path):
    with pytest.raises(DownloadError, match="name or password is wrong"):
        fetch(publisher, tmp_path, password="wrong")
    assert len(publisher.requests) == 1 and left_over(tmp_path) == set()


@pytest.mark.parametrize("fault", [{"status": 401}, {"status": 500}, {"cut": 7}, {"status": 302}])
def test_no_exception_and_no_output_holds_the_password(publisher, tmp_path, monkeypatch, capfd, fault):
    monkeypatch.setattr(transfer, "ATTEMPTS", 2)
    publisher.password = AWKWARD
    fault = {"headers": {"Location": "http://127.0.0.1:9/nowhere"}, **fault} if fault.get("status") == 302 else fault
    publisher.faults = [fault, {"status": 503}, {"status": 503}, {"status": 503}]
    with pytest.raises(DownloadError) as caught:
        fetch(publisher, tmp_path)
    assert not mentions(caught.value, AWKWARD)
    output = capfd.readouterr()
    assert AWKWARD not in output.out + output.err


def mentions(error: BaseException, secret: str) -> bool:
    """Whether an exception, those it was raised from, or what hangs on them shows a text, plain or as a form has it."""
    chain, links = [], [error]
    while links:
        link = links.pop()
        chain.append(link)
        links += [other for other in (link.__cause__, link.__context__) if other is not None]
    shown = "".join("".join(traceback.format_exception(link)) + repr(vars(link)) for link in chain)
    requests = [getattr(link, "request", None) for link in chain]
    bodies = "".join(str(getattr(request, "body", "")) for request in requests)
    return any(text in shown + bodies for text in (secret, repr(secret), "p%26ss"))


@pytest.mark.parametrize("seed", range(4))
def test_a_cut_at_a_random_byte_is_resumed_from_there(publisher, tmp_path, seed):
    cut = int(np.random.default_rng(seed).integers(1, len(CONTENT)))
    publisher.faults = [{"cut": cut}]
    fetch(publisher, tmp_path)
    assert (tmp_path / "data.bin").read_bytes() == CONTENT
    assert publisher.requests[1][2]["Range"] == f"bytes={cut}-"
    assert publisher.sent == len(CONTENT)  # not a byte twice


def test_many_cuts_are_survived_as_long_as_bytes_are_gained(publisher, tmp_path):
    publisher.faults = [{"cut": 200_000}] * (2 * transfer.ATTEMPTS)
    fetch(publisher, tmp_path)
    assert (tmp_path / "data.bin").read_bytes() == CONTENT and publisher.sent == len(CONTENT)


def test_a_killed_download_goes_on_where_it_was(publisher, tmp_path):
    hold = threading.Event()
    publisher.files["data.bin"] = CONTENT
    publisher.faults = [{"cut": 2_000_000}, {"hold": hold}]
    script = (
        "import sys; from said.vocaset import download; from said.vocaset.credentials import Credentials\n"
        "download.fetch(sys.argv[1], sys.argv[2], credentials=lambda: Credentials('reader', 'secret'), pause=0.001)"
    )
    url = publisher.url.replace("{file}", "data.bin")
    process = subprocess.Popen(
        [sys.executable, "-c", script, url, str(tmp_path / "data.bin")],
        env=os.environ | {"PYTHONPATH": f"{ROOT}/scripts"},
    )
    while len(publisher.requests) < 2:
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    hold.set()
    assert not (tmp_path / "data.bin").exists() and (tmp_path / ".data.bin.part").stat().st_size == 2_000_000
    fetch(publisher, tmp_path)
    assert publisher.requests[2][2]["Range"] == "bytes=2000000-" and (tmp_path / "data.bin").read_bytes() == CONTENT


def test_a_server_that_does_not_resume_is_asked_for_all(publisher, tmp_path, capsys):
    publisher.faults = [{"cut": 1_000_000}, {"plain": True}]
    fetch(publisher, tmp_path)
    assert (tmp_path / "data.bin").read_bytes() == CONTENT and "cannot resume" in capsys.readouterr().out


def test_a_file_that_changed_meanwhile_is_begun_anew(publisher, tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, "ATTEMPTS", 1)
    publisher.faults = [{"cut": 1_000_000}]
    with pytest.raises(DownloadError, match="run again"):
        fetch(publisher, tmp_path)
    publisher.files["data.bin"] = CONTENT[::-1]
    fetch(publisher, tmp_path)
    assert (tmp_path / "data.bin").read_bytes() == CONTENT[::-1]


def test_an_announced_length_that_never_comes_is_given_up_by_name(publisher, tmp_path):
    publisher.faults = [{"announce": len(CONTENT) + 5, "plain": True}] * 20
    with pytest.raises(DownloadError, match="gave up after"):
        fetch(publisher, tmp_path)
    assert not (tmp_path / "data.bin").exists()


def test_a_busy_server_is_tried_again_when_it_says(publisher, tmp_path, capsys):
    publisher.faults = [{"status": 503, "headers": {"Retry-After": "0"}}, {"status": 429}]
    fetch(publisher, tmp_path)
    assert (tmp_path / "data.bin").read_bytes() == CONTENT and "answered 503" in capsys.readouterr().out


def test_no_server_is_given_up_with_the_way_by_hand(tmp_path):
    with pytest.raises(DownloadError, match="no connection.*by hand"):
        download.fetch("http://127.0.0.1:9/x", tmp_path / "x", pause=0.001)


def test_a_login_page_with_status_200_is_recognised(publisher, tmp_path):
    publisher.faults = [{"status": 200, "body": LOGIN_PAGE, "headers": {"Content-Type": "text/html"}}]
    with pytest.raises(DownloadError, match="login page.*password is wrong"):
        fetch(publisher, tmp_path)
    assert left_over(tmp_path) == set()


def test_a_page_is_recognised_by_its_content_too(publisher, tmp_path):
    publisher.faults = [
        {"status": 200, "body": b"\n<HTML>moved</HTML>", "headers": {"Content-Type": "application/zip"}}
    ]
    with pytest.raises(DownloadError, match=r"a page \(HTML\)"):
        download.fetch(publisher.public + "data.bin", tmp_path / "data.bin")


def test_a_login_page_in_the_middle_does_not_spoil_what_came_before(publisher, tmp_path):
    page = {"status": 200, "body": LOGIN_PAGE, "headers": {"Content-Type": "text/html"}}
    publisher.faults = [{"cut": 1_000_000}, page]
    with pytest.raises(DownloadError, match="login page"):
        fetch(publisher, tmp_path)
    fetch(publisher, tmp_path)
    assert (tmp_path / "data.bin").read_bytes() == CONTENT
    assert publisher.sent == len(CONTENT) + len(LOGIN_PAGE)


def test_a_name_the_publisher_does_not_know_is_named(publisher, tmp_path):
    with pytest.raises(DownloadError, match=r"templates\.zip: the publisher has no file of this name"):
        fetch(publisher, tmp_path, "templates.zip")


def test_a_truncated_archive_is_named_and_not_kept(publisher, tmp_path):
    whole = shutil.make_archive(str(tmp_path / "whole"), "zip", ROOT / "report")
    publisher.files["cut.zip"] = Path(whole).read_bytes()[:-30]
    with pytest.raises(DownloadError, match="cut short"):
        fetch(publisher, tmp_path, "cut.zip", check=archives.check)
    assert not (tmp_path / "cut.zip").exists() and not (tmp_path / "cut.zip.sha256").exists()


def test_an_archive_over_the_limit_is_kept_and_not_fetched_again(publisher, tmp_path):
    whole = Path(shutil.make_archive(str(tmp_path / "whole"), "zip", ROOT / "report")).read_bytes()
    publisher.files["large.zip"] = whole
    with pytest.raises(archives.LimitError, match="unpacked_gigabytes"):
        fetch(publisher, tmp_path, "large.zip", check=lambda path: archives.check(path, limit=1000))
    assert not (tmp_path / "large.zip").exists()
    fetch(publisher, tmp_path, "large.zip", check=archives.check)  # once the limit is higher
    assert (tmp_path / "large.zip").read_bytes() == whole and publisher.sent == len(whole)


def test_a_wrong_checksum_is_named_and_the_file_not_kept(publisher, tmp_path):
    with pytest.raises(DownloadError, match=f"sha256 {hashlib.sha256(CONTENT).hexdigest()}, published is 0000"):
        fetch(publisher, tmp_path, sha256="0" * 64)
    assert left_over(tmp_path) == set()


def test_what_came_first_is_what_is_expected_later(publisher, tmp_path):
    fetch(publisher, tmp_path)
    (tmp_path / "data.bin").unlink()
    publisher.files["data.bin"] = b"another"
    with pytest.raises(DownloadError, match="recorded when it first arrived"):
        fetch(publisher, tmp_path)


def test_a_file_that_changed_on_disk_is_not_used(publisher, tmp_path):
    fetch(publisher, tmp_path)
    with (tmp_path / "data.bin").open("r+b") as file:
        file.write(b"X")
    with pytest.raises(DownloadError, match="Delete the file"):
        fetch(publisher, tmp_path)


def test_a_file_put_there_by_hand_is_checked_and_recorded(tmp_path):
    (tmp_path / "data.bin").write_bytes(CONTENT)
    digest = hashlib.sha256(CONTENT).hexdigest()
    download.fetch("http://127.0.0.1:9/", tmp_path / "data.bin", sha256=digest)
    assert (tmp_path / "data.bin.sha256").read_text() == f"{digest}  data.bin\n"
    (tmp_path / "other.zip").write_bytes(b"no archive")
    with pytest.raises(DownloadError, match="other.zip.*no zip archive"):
        download.fetch("http://127.0.0.1:9/", tmp_path / "other.zip", check=archives.check)
    assert (tmp_path / "other.zip").exists()  # it is the user's


def test_two_downloads_at_once_fetch_it_once(publisher, tmp_path, capfd):
    hold = threading.Event()
    publisher.faults = [{"hold": hold}]
    found = []
    threads = [threading.Thread(target=lambda: found.append(fetch(publisher, tmp_path))) for _ in range(2)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 600
    while "waiting" not in capfd.readouterr().out and time.monotonic() < deadline:
        time.sleep(0.01)
    hold.set()
    for thread in threads:
        thread.join()
    assert len(found) == 2 and found[0] == found[1] and len(publisher.requests) == 1


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("a small disk can be mounted by root only")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_disk_that_is_too_small_is_named_before_the_first_byte(publisher, small_disk):
    with pytest.raises(DownloadError, match="needs 0.003 GB more.*downloads.folder"):
        fetch(publisher, small_disk)
    assert left_over(small_disk) == set()
    with pytest.raises(DownloadError, match="needs 8.000 GB more"):
        fetch(publisher, small_disk, size=8 * 10**9)
    assert len(publisher.requests) == 1  # where the size is known, nobody is asked


@pytest.mark.parametrize("again", [None, {"plain": True}], ids=["resumed", "begun anew"])
def test_a_disk_with_room_for_the_rest_alone_is_large_enough(publisher, small_disk, monkeypatch, again):
    subprocess.run(["mount", "-o", "remount,size=4m", small_disk], check=True)
    publisher.faults = [{"cut": 2_000_000}, again]
    with monkeypatch.context() as patch, pytest.raises(DownloadError, match="run again"):
        patch.setattr(transfer, "ATTEMPTS", 1)
        fetch(publisher, small_disk)
    assert shutil.disk_usage(small_disk).free < len(CONTENT)
    fetch(publisher, small_disk, size=len(CONTENT))
    assert (small_disk / "data.bin").read_bytes() == CONTENT


def test_a_disk_that_fills_up_meanwhile_keeps_what_came(publisher, small_disk, monkeypatch):
    monkeypatch.setattr(transfer, "require_space", lambda *_: None)  # as if others had filled it since
    with pytest.raises(DownloadError, match="No space left.*kept"):
        fetch(publisher, small_disk)
    kept = (small_disk / ".data.bin.part").stat().st_size
    assert 0 < kept <= 2**20 and not (small_disk / "data.bin").exists()
    subprocess.run(["mount", "-o", "remount,size=8m", small_disk], check=True)
    fetch(publisher, small_disk)
    assert (small_disk / "data.bin").read_bytes() == CONTENT and publisher.requests[-1][2]["Range"] == f"bytes={kept}-"


def test_the_password_is_never_sent_on(publisher, tmp_path):
    with Publisher({"data.bin": b"theirs"}).serving() as other:
        target = {"Location": other.url.replace("{file}", "data.bin")}
        publisher.faults = [{"status": 307, "headers": target}]
        with pytest.raises(DownloadError, match="wants the password sent on"):
            fetch(publisher, tmp_path)
        assert other.requests == []
        publisher.faults = [{"status": 302, "headers": {"Location": other.public + "data.bin"}}]
        fetch(publisher, tmp_path)  # a link to where the file lies is followed, without it
        assert other.requests[0][0] == "GET" and other.requests[0][3] == {}
    assert (tmp_path / "data.bin").read_bytes() == b"theirs"


def test_passwords_of_other_programs_are_not_sent(publisher, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("default login reader password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    download.fetch(publisher.public + "data.bin", tmp_path / "data.bin")
    fetch(publisher, tmp_path / "registered")
    assert len(publisher.requests) == 2
    assert not any("Authorization" in headers for _, _, headers, _ in publisher.requests)


def test_credentials_go_over_plain_http_to_this_machine_alone(tmp_path):
    url = "http://download.is.tue.mpg.de/x.zip"
    with pytest.raises(CredentialsError, match="over https only"):
        download.fetch(url, tmp_path / "x.zip", credentials=lambda: Credentials("a", "b"))


@pytest.fixture
def certified(tmp_path):
    """An authority that nobody knows, and a TLS context with a certificate of it for 127.0.0.1."""
    trustme = pytest.importorskip("trustme")
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    return context, tmp_path / "authority.pem"


def test_certificates_are_verified(certified, tmp_path, monkeypatch):
    context, authority = certified
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    with Publisher({"data.bin": CONTENT}).serving(context) as publisher:
        with pytest.raises(DownloadError, match="certificate is not valid"):
            fetch(publisher, tmp_path)
        assert publisher.requests == []
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority))
        fetch(publisher, tmp_path)
        publisher.faults = [{"status": 302, "headers": {"Location": "http://127.0.0.1:9/x"}}]
        with pytest.raises(DownloadError, match="not encrypted"):
            fetch(publisher, tmp_path / "again")


def test_progress_reads_as_a_line():
    line = transfer._meter(1_200_000_000, 8_000_000_000, 60.0, 0)
    assert line == "15%, 1.20G of 8.00G, 20.0MB/s, 05:40 left"


def test_the_speech_encoder_comes_from_a_cache_without_network(tmp_path):
    """The hub's own cache, as `hf download` fills it and as it is copied to a cluster."""
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    name, revision = "facebook/wav2vec2-base-960h", "2" * 40
    tiny = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    model = Wav2Vec2Model(Wav2Vec2Config(**tiny, num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2))
    model.save_pretrained(tmp_path / "hub/models--facebook--wav2vec2-base-960h/snapshots" / revision)
    script = (
        "import sys; from said import speech\n"
        "for revision in sys.argv[2:]: print(speech.fetch_pretrained(sys.argv[1], revision).config.hidden_size)"
    )
    environment = os.environ | {"HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1", "PYTHONPATH": f"{ROOT}/scripts"}
    command = [sys.executable, "-c", script, name, revision, "3" * 40]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.stdout.split() == ["16"], done.stderr  # the second revision is not there
    assert done.returncode and "FileNotFoundError" in done.stderr
    assert f"hf download {name} --revision {'3' * 40}" in done.stderr and "speech_encoder.name" in done.stderr
