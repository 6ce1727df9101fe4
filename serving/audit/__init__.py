"""The audit: who changed what, when and from where, one row for each write of the service.

Belongs here: what such a row holds, how rows are linked and verified, and the command. The queries are in `serving.store.audit`,
the table and the trigger that links its rows came with a migration.
"""
