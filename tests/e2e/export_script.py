"""scripts/export_model.py, run in this process: importing PyTorch takes longer than a small export."""

import pathlib
import subprocess
import sys

SCRIPTS = pathlib.Path(__file__).parents[2] / "scripts"
sys.path.insert(0, str(SCRIPTS))
import export_model  # noqa: E402: its folder must be known first


def runner(capfd):
    """A function that runs the script with some arguments and returns what subprocess.run would."""

    def run(*arguments):
        capfd.readouterr()
        try:
            code = export_model.main([str(argument) for argument in arguments])
        except SystemExit as stop:  # argparse
            code = stop.code
        captured = capfd.readouterr()
        return subprocess.CompletedProcess(arguments, code, captured.out, captured.err)

    return run
