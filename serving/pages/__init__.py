"""Pages for people, rendered here without scripts or anything fetched from elsewhere."""
