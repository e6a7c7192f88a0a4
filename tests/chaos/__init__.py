"""Chaos: people who chat while everything breaks, and what must hold of it afterwards."""
