"""The commands of the pipelines: which there are.

Belongs here: the list. What they do is in `pipelines.commands`.
"""

import click

from pipelines.commands.alerts import alerts_group
from pipelines.commands.backfill import backfill
from pipelines.commands.backtest import backtest
from pipelines.commands.backups import backup_command, backups_command, restore_drill
from pipelines.commands.bench import bench
from pipelines.commands.challenge import challenge
from pipelines.commands.compare import compare
from pipelines.commands.fixtures import explain, outlook, predictions
from pipelines.commands.ledger import ledger_group
from pipelines.commands.models import models
from pipelines.commands.national import national
from pipelines.commands.quarantine import quarantine_group
from pipelines.commands.reproduce import reproduce
from pipelines.commands.runs import build, docs, prepare, refresh, train
from pipelines.commands.streams import streams_group
from pipelines.commands.worker import worker

commands: list[click.Command] = [
    predictions,
    explain,
    outlook,
    train,
    refresh,
    backfill,
    models,
    ledger_group,
    alerts_group,
    quarantine_group,
    streams_group,
    compare,
    challenge,
    national,
    docs,
    backup_command,
    backups_command,
    restore_drill,
]
internal_commands: list[click.Command] = [build, prepare, bench, backtest, reproduce, worker]
"""Those that `deploy` starts once the servers are there."""
