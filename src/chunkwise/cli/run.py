"""From the arguments to an exit code: 0 fine, 1 ours or files that failed, 2 the user's mistake, 130 interrupted."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from chunkwise.errors import ChunkwiseError, FallbackWarning, SkippedWarning, heard


def main() -> NoReturn:
    """The command `chunkwise`."""
    for stream in (sys.stdout, sys.stderr):  # names of files and broken texts need not fit the terminal's encoding
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="replace")
    code = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = _hung_up()
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; what went wrong is said in a line or two on stderr.

    `--debug`, anywhere before a `--`, lets exceptions through with their traceback.
    """
    own = arguments[: arguments.index("--")] if "--" in arguments else arguments
    debug = "--debug" in own
    from typer import Abort
    from typer.main import get_command

    from chunkwise.cli.commands import app

    try:
        # A line each on stderr: Python would show the code that warns, and only once.
        with heard((FallbackWarning, SkippedWarning), _warned):
            code = get_command(app).main(
                [*(one for one in own if one != "--debug"), *arguments[len(own) :]], "chunkwise", standalone_mode=False
            )
        return code if isinstance(code, int) else 0
    except (KeyboardInterrupt, Abort):
        return _said("stopped", 130)
    except BrokenPipeError:
        return _hung_up()
    except Exception as error:
        if debug:
            raise
        return _explained(error)


def _warned(warning: Warning) -> None:
    from chunkwise.cli.show import note

    note(f"warning: {warning}")


def _explained(error: Exception) -> int:
    if isinstance(error, ChunkwiseError):
        return _said(f"error: {error}", error.exit_code)
    if hasattr(error, "exit_code") and hasattr(error, "show"):  # Typer's own, about how the command was typed
        error.show()
        return int(error.exit_code)
    if isinstance(error, MemoryError):
        return _said("error: out of memory; index fewer or smaller files at once", 1)
    if isinstance(error, OSError) and error.filename:
        return _said(f"error: {error.filename}: {error.strerror}; check the path and its permissions", 1)
    what = " ".join(f"{type(error).__name__}: {error}".split())
    return _said(f"error: chunkwise failed: {what}; run the same with --debug and report what it prints", 1)


def _said(message: str, code: int) -> int:
    from chunkwise.cli.show import note

    try:
        note(message)
    except BrokenPipeError:
        return _hung_up()
    return code


def _hung_up() -> int:
    """Whoever read our output is gone: write the rest to nowhere, so that the interpreter ends without a word."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())
    return 1
