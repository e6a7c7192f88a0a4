"""What goes wrong with the private servers."""


class PrivateServerError(Exception):
    """A private server can't be used; the text says why, and what to do."""
