"""The peers: what the server is compared with."""
