"""A certificate that nobody else trusts: for servers of tests that speak TLS on this machine."""

import subprocess
from pathlib import Path
from typing import NamedTuple


class Certificate(NamedTuple):
    """A certificate and its key, as files."""

    file: Path
    key: Path


def sign(folder: Path) -> Certificate:
    """Make a certificate for localhost and the loopback addresses, signed by itself."""
    made = Certificate(folder / "cert.pem", folder / "key.pem")
    names = "subjectAltName=DNS:localhost,IP:127.0.0.1"
    kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "10"]
    command = ["openssl", "req", *kind, "-subj", "/CN=localhost", "-addext", names]
    subprocess.run([*command, "-keyout", made.key, "-out", made.file], check=True, capture_output=True)
    return made
