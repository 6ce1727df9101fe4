"""Where the service's data is kept: the schema `app`, which it owns the content of, and `published`, which it reads.

Belongs here: the tables of `app` as SQLAlchemy metadata (the migrations read it) and every query of the service, one module a
subject, each a class over the one `Database`. Does not belong here: HTTP, passwords in the clear, rules about who may ask.
"""
