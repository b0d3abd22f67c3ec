"""What can go wrong in an export, and what is said meanwhile."""

import sys


class ExportError(Exception):
    """The export cannot go on. `code` is the exit code: 1, or 2 when the command line names what does not exist."""

    def __init__(self, message, code=1):
        super().__init__(message)
        self.code = code


def usage_error(message):
    return ExportError(message, code=2)


def unknown_layer(name, existing):
    """Names the layers that exist, the outer ones first: they are the likely candidates."""
    existing = sorted(existing, key=lambda layer: layer.count("."))
    shown = ", ".join(existing[:40]) + (f" and {len(existing) - 40} more" if len(existing) > 40 else "")
    return usage_error(f"the model calls no layer '{name}'; it calls: {shown or 'none (a frozen model has lost them)'}")


def progress(message):
    print(f"export_model: {message}", file=sys.stderr, flush=True)


def brief(error, lines=1):
    """The first lines of an exception's text as one line: PyTorch's texts go on with the whole stack."""
    text = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(text[:lines])[:500] or type(error).__name__
