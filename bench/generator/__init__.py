"""The generator: raw WebSockets in a process of its own, several times faster than any server it asks."""
