"""The pipeline: one image of anybody's making becomes fresh pictures in three sizes and two formats.

`process(image) -> Processed` is all of it. It runs in a process of its own (`worker`), because decoders of images are
where attackers look first; for images that we made ourselves, anywhere.
"""

import warnings
from io import BytesIO
from typing import Any

from PIL import Image, ImageCms, ImageOps, JpegImagePlugin, PngImagePlugin, WebPImagePlugin
from thumbhash import rgba_to_thumb_hash

from server.outside.pictures.kept import SIZES, Processed, Unreadable

FORMATS = ("JPEG", "PNG", "WEBP")
MOST_PIXELS = 32_000_000

# Each needs its plugin, which Pillow would otherwise look for among all that it has.
assert {plugin.__name__ for plugin in (JpegImagePlugin, PngImagePlugin, WebPImagePlugin)}
_SCAN, _MOST_SCANS = b"\xff\xda", 64
_THUMB = 32
_LOOK = (9, 8)
_SRGB = ImageCms.createProfile("sRGB")
_SIXTEEN_BITS = 257


def process(image: bytes, *, most_pixels: int = MOST_PIXELS) -> Processed:
    """Return what is kept of an image: upright, sRGB on white, nothing in it but its pixels. Raises Unreadable."""
    try:
        picture = _read(image, most_pixels)
    except Exception as fault:  # there is no end to what decoders stumble over
        raise Unreadable(f"{type(fault).__name__}: {fault}") from fault
    files: dict[str, bytes] = {}
    encoded: dict[tuple[int, int], tuple[bytes, bytes]] = {}  # a small image is the same in several sizes
    for size, side in sorted(SIZES.items(), key=lambda item: -item[1]):
        picture.thumbnail((side, side), Image.Resampling.LANCZOS)
        if picture.size not in encoded:
            webp = _encoded(picture, "WEBP", quality=80, method=4)
            encoded[picture.size] = webp, _encoded(picture, "JPEG", quality=82, optimize=True, progressive=True)
        files[f"{size}.webp"], files[f"{size}.jpg"] = encoded[picture.size]
    return Processed(files, _thumbhash(picture), _look(picture))


def _read(image: bytes, most_pixels: int) -> Image.Image:
    if image.count(_SCAN) > _MOST_SCANS:
        raise Unreadable("so many scans only keep a decoder busy")
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        picture: Image.Image = Image.open(BytesIO(image), formats=FORMATS)
    if picture.format not in FORMATS or picture.width * picture.height > most_pixels:
        raise Unreadable("another format, or too many pixels")
    profile = picture.info.get("icc_profile")
    picture = _smooth(picture)
    picture.thumbnail((SIZES["large"], SIZES["large"]), Image.Resampling.LANCZOS)
    picture = _in_srgb(_on_white(_upright(picture)), profile)
    return Image.frombytes("RGB", picture.size, picture.tobytes())  # nothing comes along but pixels


def _smooth(picture: Image.Image) -> Image.Image:
    """Return it in a mode that can be scaled smoothly; a JPEG is not decoded yet, since it may be while it shrinks."""
    if picture.mode.startswith("I;16"):
        return picture.point(lambda value: value / _SIXTEEN_BITS).convert("L")
    if picture.has_transparency_data:
        return picture.convert("RGBA")
    return picture if picture.mode in ("L", "RGB", "CMYK") else picture.convert("RGB")


def _upright(picture: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # what cannot be understood turns nothing
        return picture


def _on_white(picture: Image.Image) -> Image.Image:
    if picture.mode != "RGBA":
        return picture
    canvas = Image.new("RGB", picture.size, "white")
    canvas.paste(picture, mask=picture.getchannel("A"))
    return canvas


def _in_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    if profile:
        try:
            converted = ImageCms.profileToProfile(picture, BytesIO(profile), _SRGB, outputMode="RGB")
            assert converted is not None, "it is not done in place"
            return converted
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass  # a profile that makes no sense, or of other colours, says nothing
    return picture.convert("RGB")


def _encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    out = BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def _thumbhash(picture: Image.Image) -> bytes:
    """Return the picture in some 20 bytes, see evanw.github.io/thumbhash."""
    thumb = picture.convert("RGBA")
    thumb.thumbnail((_THUMB, _THUMB))
    return bytes(rgba_to_thumb_hash(thumb.width, thumb.height, list(thumb.tobytes())))


def _look(picture: Image.Image) -> int:
    """Return the difference hash: for each of 64 points, whether it is lighter than the one to its right."""
    width, height = _LOOK
    grey = picture.convert("L").resize(_LOOK, Image.Resampling.LANCZOS).tobytes()
    points = [row * width + column for row in range(height) for column in range(width - 1)]
    return sum((grey[point] > grey[point + 1]) << bit for bit, point in enumerate(points))
