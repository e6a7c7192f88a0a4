"""`make generate`: write the reference anew, in all its languages."""

from server.reference.outputs import OUTPUTS, ROOT


def main() -> None:
    """Write each file that has changed, and say which."""
    for path, text in OUTPUTS.items():
        file, written = ROOT / path, text()
        if not file.exists() or file.read_text() != written:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(written)
            print(f"wrote {path}")


main()
