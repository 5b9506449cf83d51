"""Receipts of published files: a file that has one cannot change unnoticed."""

import os

import numpy as np
import pytest
from publisher import Publisher

from said.vocaset import download, receipts
from said.vocaset.credentials import Credentials
from said.vocaset.receipts import ChangedFileError, describe, require_unchanged, write_receipts

CONTENT = np.random.default_rng(0).bytes(300_000)


@pytest.fixture
def received(tmp_path):
    """A file that was fetched, and the receipt of it."""
    file, receipt = tmp_path / "data.bin", tmp_path / "receipt.json"
    with Publisher({"data.bin": CONTENT}).serving() as publisher:
        credentials = Credentials(publisher.username, publisher.password)
        url = publisher.url.replace("{file}", "data.bin")
        write_receipts(receipt, [download.fetch(url, file, credentials=lambda: credentials)])
    require_unchanged([receipt])
    return file, receipt


@pytest.mark.parametrize("content", [b"junk", CONTENT[:-1], CONTENT[::-1]])
def test_a_file_that_is_no_more_what_its_receipt_tells_is_not_used(received, content):
    file, receipt = received
    status = file.stat()
    file.write_bytes(content)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(ChangedFileError, match=f"Remove {file} and {receipt} and run again"):
        require_unchanged([receipt])
    write_receipts(receipt, [describe(file)])  # as of the user's own, which nobody fetches
    file.write_bytes(CONTENT)
    with pytest.raises(ChangedFileError, match=f"Remove {receipt} and run again"):
        require_unchanged([receipt])


def test_a_file_that_is_gone_is_named_with_what_brings_it_back(received):
    file, receipt = received
    file.unlink()
    with pytest.raises(ChangedFileError, match=f"{file} is gone.*remove {receipt} and run again"):
        require_unchanged([receipt])


def test_a_large_file_is_read_again_if_its_size_or_date_changed(received, monkeypatch):
    file, receipt = received
    monkeypatch.setattr(receipts, "LARGE", len(CONTENT))
    status = file.stat()
    file.write_bytes(CONTENT[::-1])
    with pytest.raises(ChangedFileError):
        require_unchanged([receipt])
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    require_unchanged([receipt])  # which a look at every byte alone would tell
    file.write_bytes(CONTENT)
    require_unchanged([receipt])  # copied elsewhere and back


@pytest.mark.parametrize("content", ["", "[1]", "{}", '[{"path": "x"}]', "null", '[{"path": "x", "size": 1}]'])
def test_a_damaged_receipt_is_named(tmp_path, content):
    (tmp_path / "receipt.json").write_text(content)
    with pytest.raises(ValueError, match=r"receipt\.json"):
        require_unchanged([tmp_path / "receipt.json"])
