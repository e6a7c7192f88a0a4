"""Backup and restore: all that may not be lost, in one file, made while the server serves."""

from server.backup.errors import BackupError
from server.backup.make import make
from server.backup.restore import restore

__all__ = ["BackupError", "make", "restore"]
