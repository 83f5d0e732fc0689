"""Files that came with a request, no more of them than is allowed."""

import hashlib
from typing import BinaryIO

from fastapi import UploadFile

from retouch.server.problems import too_large

_PART = 2**20


def bytes_of(file: UploadFile, limit: int) -> bytes:
    """The bytes of a file that came; raises Refusal (413) where it has more than `limit`."""
    data = file.file.read(limit + 1)
    if len(data) > limit:
        raise too_large("picture", limit)
    return data


def digest_of(stream: BinaryIO) -> str:
    """The SHA-256 of a stream from where it is, which is there again afterwards, in hex digits."""
    start, told = stream.tell(), hashlib.sha256()
    while part := stream.read(_PART):
        told.update(part)
    stream.seek(start)
    return told.hexdigest()
