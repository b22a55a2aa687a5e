"""Real PostgreSQL and Valkey from their wheels, for a first run without servers.

They live under one data directory, listen on Unix sockets only, and outlive nobody's need:

    servers.py    EmbeddedServers: start or find both, stop them when the last user leaves
    lock.py       who uses them, by flock: the kernel forgets a killed user by itself
    server.py     what both have in common: found, launched, awaited, stopped
    postgres.py   PostgreSQL: creating the cluster, its options, its lock files
    valkey.py     Valkey: its options
    place.py      the directories, the system user, and what can be wrong with them
"""

from rollout.adapters.embedded.servers import EmbeddedServers, running_servers

__all__ = ["EmbeddedServers", "running_servers"]
