"""Pictures of the built book in as few bytes as their pixels need; a page asks for them when it shows them.

Lossless WebP keeps every pixel, and is half of a PNG of photographs and a quarter of an animated GIF. Pictures inside
of a page, of which a figure with a slider has one for each position, become files, loaded when the slider gets there.
An animation has its last frame beside it, which readers get whose system asks for less motion.
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
IMAGE = re.compile(rf'<img\b[^>]*\bsrc="([^"]*{FOLDER}/)([\w.%-]+)"[^>]*>')
STANDS = '<picture><source media="(prefers-reduced-motion: reduce)" srcset="{still}">{image}</picture>'
SEEN = 1.0  # mean difference of grey levels, of 255, below which a palette is taken
LARGE = 20_000  # bytes from which another format is tried
GAIN = 0.9  # share of the bytes below which another format is worth it


def lighten(out: Path, pages: Iterable[Path]) -> None:
    """Write the pictures of a book anew, and the pages that name them."""
    moved, stills = {}, {}
    for path in [*out.glob(f"{FOLDER}/*.png"), *out.glob(f"{FOLDER}/*.gif")]:
        before = path.read_bytes()
        content, ending = lightest(before, path.suffix)
        path.unlink()
        moved[path.name] = path.with_suffix(ending).name
        path.with_suffix(ending).write_bytes(content)
        if last := last_frame(before):
            content, ending = lightest(last, ".png")
            still = path.with_name(f"{path.stem}-still{ending}")
            still.write_bytes(content)
            stills[moved[path.name]] = still.name
    for page in pages:
        before = page.read_text(encoding="utf-8")
        text = NAMED.sub(lambda name: name[1] + moved.get(name[2], name[2]), before)
        text = INLINE.sub(lambda found, page=page: as_file(b64decode(found[1]), page.parent, out), text)
        text = with_stills(text, stills)
        if text != before:
            page.write_text(text, encoding="utf-8")


def last_frame(content: bytes) -> bytes | None:
    """The last frame of an animation, as a PNG; None of a picture that does not move."""
    with Image.open(io.BytesIO(content)) as picture:
        frames = getattr(picture, "n_frames", 1)
        if frames == 1:
            return None
        picture.seek(frames - 1)
        made = io.BytesIO()
        picture.convert("RGBA").save(made, "PNG", optimize=True)
    return made.getvalue()


def with_stills(text: str, stills: dict[str, str]) -> str:
    """A page of HTML that shows, where less motion is asked for, a still in the place of each animation named."""

    def standing(image: re.Match) -> str:
        if image[2] not in stills:
            return image[0]
        return STANDS.format(still=image[1] + stills[image[2]], image=image[0])

    return IMAGE.sub(standing, text)


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
