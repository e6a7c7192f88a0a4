"""What the person who starts the server is told instead of a traceback."""


class DemoError(Exception):
    """Invented people can't be made; the text says why, and what to do."""
