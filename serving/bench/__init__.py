"""How fast the service is, beside the least it could be: `python -m serving.bench`.

Belongs here: the bare application that is the ceiling, the generator of load, running both and the service as processes and
printing what was measured. Nothing here is imported by the service.
"""
