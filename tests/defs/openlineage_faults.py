"""What is wrong with an event of lineage, by both schemas.

Belongs here: holding an event against the one that is stated and the one that is derived from OpenLineage's classes, so that no
test of an event forgets one of them.
"""

import json
from collections.abc import Iterable
from typing import Any, Final

from openlineage.client.event_v2 import RunEvent
from openlineage.client.serde import Serde

from tests.defs import openlineage, openlineage_classes

_SCHEMAS: Final = (openlineage.RUN_EVENT, openlineage_classes.RUN_EVENT)


def faults_of(event: dict[str, Any]) -> list[str]:
    """Of one event as it goes over the wire, decoded from JSON."""
    return [fault.message for schema in _SCHEMAS for fault in schema.iter_errors(event)]


def faultless(events: Iterable[RunEvent]) -> list[dict[str, Any]]:
    """Events as they go over the wire, decoded from JSON, none of which may have a fault."""
    decoded = [json.loads(Serde.to_json(event)) for event in events]
    assert [fault for event in decoded for fault in faults_of(event)] == []
    return decoded
