"""`python -m pipelines`: the pipelines' own commands, in an environment that is already set."""

import gc
import logging
import os
import sys

import click

from pipelines.cli import commands, internal_commands
from pipelines.store.registry import RegistryUnavailable

main = click.Group("pipelines", commands=[*commands, *internal_commands], help="The pipelines' commands.")

if __name__ == "__main__":
    # A run makes millions of objects and hardly a cycle: looking for those at every few hundred takes a tenth of its time.
    gc.set_threshold(100_000, 20, 20)
    try:
        main(prog_name="python -m pipelines")
    except RegistryUnavailable as error:
        sys.exit(f"Error: {error}. On a busy machine it may still be starting: `football status` tells; then ask again.")
    except SystemExit as end:
        # What was done is committed or rolled back by now. To take the imported libraries apart, here and in the process of
        # Great Expectations (which ends with this one), would only cost seconds.
        if not isinstance(end.code, int | None):
            raise  # a sentence, which the interpreter prints
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(end.code or 0)
