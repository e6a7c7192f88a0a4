"""The process: sockets, wiring and the outside world; no rule of the dating service lives here."""
