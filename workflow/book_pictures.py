"""Pictures of the built book in as few bytes as their pixels need; a page asks for them when it shows them.

Lossless WebP keeps every pixel, and is half of a PNG of photographs and a quarter of an animated GIF. Pictures inside
of a page, of which a figure with a slider has one for each position, become files, loaded when the slider gets there.
"""

import hashlib
import io
import os
import re
from base64 import b64decode
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image, ImageSequence

FOLDER = "_images"
INLINE = re.compile(r"data:image/png;base64,([A-Za-z0-9+/]{2000,}={0,2})")  # a smaller one is not worth a request
NAMED = re.compile(rf"({FOLDER}/)([\w.%-]+)")
SEEN = 1.0  # mean difference of grey levels, of 255, below which a palette is taken
LARGE = 20_000  # bytes from which another format is tried
GAIN = 0.9  # share of the bytes below which another format is worth it


def lighten(out: Path, pages: Iterable[Path]) -> None:
    """Write the pictures of a book anew, and the pages that name them."""
    moved = {}
    for path in [*out.glob(f"{FOLDER}/*.png"), *out.glob(f"{FOLDER}/*.gif")]:
        content, ending = lightest(path.read_bytes(), path.suffix)
        path.unlink()
        moved[path.name] = path.with_suffix(ending).name
        path.with_suffix(ending).write_bytes(content)
    for page in pages:
        before = page.read_text(encoding="utf-8")
        text = NAMED.sub(lambda name: name[1] + moved.get(name[2], name[2]), before)
        text = INLINE.sub(lambda found, page=page: as_file(b64decode(found[1]), page.parent, out), text)
        if text != before:
            page.write_text(text, encoding="utf-8")


def as_file(png: bytes, beside: Path, out: Path) -> str:
    """Address, from that folder, of a file of the book that holds the picture."""
    content, ending = lightest(png, ".png")
    path = out / FOLDER / f"{hashlib.sha256(png).hexdigest()}{ending}"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return Path(os.path.relpath(path, beside)).as_posix()


def lightest(content: bytes, ending: str) -> tuple[bytes, str]:
    """A picture, its pixels kept, and the ending of its name: as WebP where that is clearly smaller."""
    if ending == ".png":
        content = with_palette(content)
    webp = as_webp(content) if len(content) > LARGE else content
    return (webp, ".webp") if len(webp) < GAIN * len(content) else (content, ending)


def as_webp(content: bytes) -> bytes:
    """The same frames without loss, each for as long as before, again and again."""
    with Image.open(io.BytesIO(content)) as picture:
        frames = [(frame.convert("RGBA"), frame.info.get("duration", 0)) for frame in ImageSequence.Iterator(picture)]
    first, *others = (frame for frame, _ in frames)
    film = {"save_all": True, "append_images": others, "duration": [shown for _, shown in frames], "loop": 0}
    made = io.BytesIO()
    first.save(made, "WEBP", lossless=True, quality=75, method=4, exact=True, **(film if others else {}))
    return made.getvalue()


def with_palette(png: bytes) -> bytes:
    """The picture in 256 colours, where that is smaller and nobody sees it; else as it was."""
    picture = Image.open(io.BytesIO(png)).convert("RGBA")
    opaque = picture.getextrema()[3][0] == 255
    method = Image.Quantize.MEDIANCUT if opaque else Image.Quantize.FASTOCTREE
    small = (picture.convert("RGB") if opaque else picture).quantize(256, method=method)
    difference = np.abs(np.asarray(small.convert("RGBA"), float) - np.asarray(picture, float)).mean()
    content = io.BytesIO()
    small.save(content, "PNG", optimize=True)
    return content.getvalue() if difference < SEEN and len(content.getvalue()) < len(png) else png
