"""`python -m deploy`: the same as `football`."""

from deploy.cli import main

main()
