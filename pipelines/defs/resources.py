"""What the assets work with: settings, the warehouse under each role, the landing zone, the model registry, dbt.

Belongs here: wiring. Every resource hands out a plain object of `pipelines.store` or `pipelines.settings`, so that
nothing below `defs` knows Dagster. Nothing is opened before a run needs it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import dagster as dg

from pipelines.defs.dbt import Dbt
from pipelines.machines import executor
from pipelines.progress import terminal_logger
from pipelines.settings import TURN_MINUTES, Settings
from pipelines.store.landing import Landing, open_landing
from pipelines.store.registry import Registry
from pipelines.store.turn import alone
from pipelines.store.warehouse import Warehouse


class SettingsResource(dg.ConfigurableResource[Settings]):
    """The environment, read when the run starts."""

    def create_resource(self, context: dg.InitResourceContext) -> Settings:
        """Read the settings."""
        return Settings.read()


class IngestWarehouse(dg.ConfigurableResource[Warehouse]):
    """The database as the role that may write `bronze`."""

    def create_resource(self, context: dg.InitResourceContext) -> Warehouse:
        """Name the address; connections open when used."""
        return Warehouse(Settings.read().ingest_url)


class ModelWarehouse(dg.ConfigurableResource[Warehouse]):
    """The database as the role that may read `gold` and write `forecast` and `published`."""

    def create_resource(self, context: dg.InitResourceContext) -> Warehouse:
        """Name the address; connections open when used."""
        return Warehouse(Settings.read().model_url)


class LandingResource(dg.ConfigurableResource[Landing]):
    """The landing zone of raw bytes."""

    def create_resource(self, context: dg.InitResourceContext) -> Landing:
        """Name the folder, or the bucket."""
        settings = Settings.read()
        return open_landing(settings.landing, settings.s3_endpoint_url)


class Turn(dg.ConfigurableResource[None]):
    """That no other run writes to this edition meanwhile, be it a schedule's or somebody's at the command line."""

    within_minutes: int = TURN_MINUTES

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[None]:
        """Wait for this run's turn, and keep it to the run's end."""

        def say() -> None:
            if context.log is not None:
                context.log.warning("another run is at work; this one begins when that has ended")

        with alone(Settings.read().model_url, timedelta(minutes=self.within_minutes), say):
            yield


class RegistryResource(dg.ConfigurableResource[Registry]):
    """The model registry."""

    def create_resource(self, context: dg.InitResourceContext) -> Registry:
        """Name the server."""
        return Registry(Settings.read().mlflow_tracking_uri)


@dg.definitions
def resources() -> dg.Definitions:
    """All resources by name, and where steps are executed."""
    return dg.Definitions(
        resources={
            "settings": SettingsResource(),
            "turn": Turn(),
            "bronze": IngestWarehouse(),
            "warehouse": ModelWarehouse(),
            "landing": LandingResource(),
            "registry": RegistryResource(),
            "dbt": Dbt(),
        },
        executor=executor(Settings.read()),
        loggers={"console": dg.colored_console_logger, "terminal": terminal_logger},
    )
