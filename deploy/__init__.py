"""How the platform is put on a machine: embedded services, databases and roles, migrations, the command line.

Imports neither `pipelines` nor `serving` (`migrations/env.py` alone reads their table metadata); the commands of this
package start them as processes of their own.
"""
