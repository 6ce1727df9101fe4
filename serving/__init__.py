"""The service: answers over HTTP what the pipelines published. It writes the schema `app` and nothing else."""
