"""The private MariaDB and Redis: children of this process, reached over Unix sockets in the data folder alone."""

from server.embedded.errors import PrivateServerError
from server.embedded.folder import holder
from server.embedded.mariadb import running
from server.embedded.servers import PrivateServers, Urls, urls_of

__all__ = ["PrivateServerError", "PrivateServers", "Urls", "holder", "running", "urls_of"]
