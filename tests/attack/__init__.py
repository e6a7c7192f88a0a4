"""Attacks: each test is one, and passes when it fails to harm."""
