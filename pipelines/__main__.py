"""`python -m pipelines`: the pipelines' own commands, in an environment that is already set."""

import click

from pipelines.cli import commands, internal_commands

main = click.Group("pipelines", commands=[*commands, *internal_commands], help="The pipelines' commands.")

if __name__ == "__main__":
    main(prog_name="python -m pipelines")
