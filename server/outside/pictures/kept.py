"""What is kept of an image."""

import msgspec

SIZES = {"small": 160, "medium": 480, "large": 1080}
"""The longest side, in pixels; nothing is made larger than it came."""
KINDS = {"webp": "image/webp", "jpg": "image/jpeg"}
VARIANTS = tuple(f"{size}.{kind}" for size in SIZES for kind in KINDS)
"""The files of one photo."""


class Unreadable(ValueError):
    """The bytes are not an image that is taken."""


class Processed(msgspec.Struct, frozen=True):
    """An image as it is kept."""

    files: dict[str, bytes]
    """What stands in each of the variants."""
    thumbhash: bytes
    look: int
    """64 bits that differ little between images that look alike; 0 says nothing."""
