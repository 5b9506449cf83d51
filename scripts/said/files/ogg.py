"""Ogg: whether a file has all of its pages. libsndfile reads what is left of one that is cut off, without a warning."""

import struct


def require_whole(content: bytes) -> None:
    """Check that an Ogg file has all of its pages.

    Raises:
        ValueError: it is cut off, pages are missing, or it is several recordings one after the other.
    """
    position, numbers, ended = 0, {}, set()
    while position < len(content):
        if content[position : position + 4] != b"OggS":
            if numbers.keys() == ended:
                return  # a tag, or zeros, after the end
            raise ValueError(f"what should be a page of Ogg at byte {position} is none")
        if position + 27 > len(content):
            raise ValueError("it is cut off within a page")
        flags, _, serial, number, _, segments = struct.unpack_from("<xBqIIIB", content, position + 4)
        body = position + 27 + segments
        position = body + sum(content[position + 27 : body])
        if position > len(content) or body > len(content):
            raise ValueError("it is cut off within a page")
        if flags & 2 and ended:
            raise ValueError("it is several recordings one after the other; save each of them as a file of its own")
        if number != numbers.get(serial, -1) + 1 and not flags & 2:
            raise ValueError(f"pages are missing before byte {position}")
        numbers[serial] = number
        if flags & 4:
            ended.add(serial)
    if numbers.keys() != ended:
        raise ValueError("it is cut off: the page that ends the recording is missing")
