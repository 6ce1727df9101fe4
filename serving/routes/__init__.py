"""The handlers, one file a subject. Each says which permission it needs, asks the store, and returns a struct."""
