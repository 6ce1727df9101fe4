"""The commands of the pipelines, a module for each subject; `pipelines.cli` gathers them.

Belongs here: launching Dagster jobs on the instance and following them with progress, and showing what they made. Never a
second path beside the assets. Heavy imports happen inside the commands: `football --help` must be quick.
"""
