"""What runs read and wrote, told to a lineage server in OpenLineage's terms.

Belongs here: turning what Dagster notes of a run into OpenLineage's events, and sending one. Imported only where a server is set,
by the sensor `pipelines.defs.lineage`, which decides when and what is sent again.

Source: OpenLineage, specification 2-0-2 and its naming of datasets.
"""
