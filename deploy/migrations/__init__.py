"""One Alembic history for the schemas bronze, forecast, published and app; never silver or gold, which are dbt's."""
