"""Photos: bytes in, safe pictures out."""

from server.wire.answers import Photo
from sql import photo


class Photos:
    """Takes, keeps and shows photos."""

    def shape(self, viewer_id: int, row: photo.Photo) -> Photo:
        """Return a photo as one viewer may fetch it, until tomorrow or the day after."""
        raise NotImplementedError
