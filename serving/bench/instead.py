"""What a user would build instead: a handler of FastAPI's that reads a prediction's row from PostgreSQL for each request.

As its documentation shows it, with a pool of connections as large as ours. Nobody is asked who they are, nothing is rounded,
counted, logged or tagged. `serving.bench` runs it on uvicorn.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from serving.settings import Settings


@asynccontextmanager
async def _connections(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
    pool = AsyncConnectionPool(
        Settings.read().database_url, kwargs={"row_factory": dict_row, "autocommit": True}, min_size=8, max_size=8, open=False
    )
    async with pool:
        yield {"pool": pool}


app = FastAPI(lifespan=_connections)


@app.get("/publications/{publication_id}/predictions/{prediction_id}")
async def get_prediction(publication_id: int, prediction_id: str, request: Request) -> dict[str, Any]:
    """The row, with all it says of every market and why."""
    async with request.state.pool.connection() as connection:
        cursor = await connection.execute(
            "select * from published.prediction where publication_id = %s and prediction_id = %s", (publication_id, prediction_id)
        )
        row: dict[str, Any] | None = await cursor.fetchone()
    if row is None:
        raise HTTPException(404)
    return row
