"""The services of one machine: PostgreSQL and Valkey from wheels, and the process manager that keeps them running.

Belongs here: how to lay out, start and stop a program on this machine. Does not belong here: which databases, roles and
editions there are (`deploy.database`, `deploy.edition`).
"""
