"""What goes wrong with backups."""


class BackupError(Exception):
    """A backup can't be made or put back; the text says why, and what to do."""
