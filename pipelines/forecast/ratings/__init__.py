"""One sequential model a file, each following `replay.Rating`.

Belongs here: what a rating remembers, says and learns, with its constants and their source. Does not belong here: the
order of events in time (`replay`), or anything that needs more than one match at once.
"""
