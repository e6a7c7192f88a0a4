"""The private MariaDB and Redis: children of this process, reached over Unix sockets in the data folder alone."""

from server.embedded.errors import PrivateServerError
from server.embedded.mariadb import running
from server.embedded.servers import PrivateServers, Urls

__all__ = ["PrivateServerError", "PrivateServers", "Urls", "running"]
