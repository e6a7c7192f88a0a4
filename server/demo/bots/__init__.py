"""Bots: a program of its own, on the client SDK alone, that brings some of the invented people to life."""
