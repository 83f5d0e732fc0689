"""What a push to the hub would send or has sent, as the commands that push say it."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from retouch.cli.output import say, say_facts, say_json, say_table

if TYPE_CHECKING:
    from retouch.core.upload import Upload


def show_upload(upload: "Upload", *, branch: str | None, json: bool) -> None:
    """The files of a dry run, where they would go, and what the card states."""
    if json:
        say_json({**asdict(upload), "folder": str(upload.folder), "size": upload.size})
        return
    say_table(("file", "bytes"), [(file.path, f"{file.size:,}") for file in upload.files])
    stated = {"title": upload.title or "none stated", "licence": upload.licence or "none stated"}
    total = f"{len(upload.files)} files, {upload.size / 1e6:.1f} MB"
    say_facts({"repository": upload.repository, "branch": branch or "main", "total": total, **stated})


def say_pushed(upload: "Upload", address: str, *, json: bool) -> None:
    """What went, and the address of its commit."""
    if json:
        say_json({"address": address, "files": len(upload.files), "size": upload.size})
    else:
        say(f"Pushed {len(upload.files)} files, {upload.size / 1e6:.1f} MB: {address}")
