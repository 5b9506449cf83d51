"""VOCASET's user name and password: where they come from, and that they are shown nowhere."""

import pickle

import pytest

from said.vocaset.credentials import Credentials, CredentialsError, read_credentials

AWKWARD = """p&ss%20=w+o"r'd #/é"""


def test_credentials_come_from_the_environment_or_a_private_file(tmp_path):
    file = tmp_path / "voca"
    file.write_text(f"someone\n{AWKWARD}\n")
    file.chmod(0o600)
    both = {"VOCA_USERNAME": "me", "VOCA_PASSWORD": "word"}
    assert read_credentials(file, both) == Credentials("me", "word")
    assert read_credentials(file, {}) == Credentials("someone", AWKWARD)
    for mode in (0o640, 0o604, 0o660):
        file.chmod(mode)
        with pytest.raises(CredentialsError, match=f"others can read it.*chmod 600 {file}"):
            read_credentials(file, {})
    file.chmod(0o600)
    file.write_text("only one line")
    with pytest.raises(CredentialsError, match="two lines"):
        read_credentials(file, {})


def test_missing_credentials_name_the_page_and_the_other_ways(tmp_path):
    for file in (None, tmp_path / "absent"):
        with pytest.raises(CredentialsError, match=r"voca\.is\.tue\.mpg\.de.*vocaset\.path.*dataset=synthetic"):
            read_credentials(file, {})
    with pytest.raises(CredentialsError, match="VOCA_PASSWORD is not set"):
        read_credentials(None, {"VOCA_USERNAME": "me"})


def test_credentials_show_and_pickle_nothing():
    credentials = Credentials("me", AWKWARD)
    assert AWKWARD not in f"{credentials} {credentials!r} {[credentials]}"
    with pytest.raises(TypeError, match="must not be written"):
        pickle.dumps(credentials)


def test_a_file_in_another_encoding_is_named_and_shows_nothing(tmp_path):
    file = tmp_path / "voca"
    file.write_bytes("me\npa\xdf\n".encode("latin1"))
    file.chmod(0o600)
    with pytest.raises(CredentialsError, match=f"{file}: is not encoded as UTF-8") as caught:
        read_credentials(file, {})
    assert caught.value.__cause__ is None and caught.value.__context__ is None
    file.write_text("me\npa\u2028ss\x0bword\n", encoding="utf-8")  # not ends of lines to anybody who types them
    assert read_credentials(file, {}) == Credentials("me", "pa\u2028ss\x0bword")
