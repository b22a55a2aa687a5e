"""The command line: one file per command group, each verb one call of a service."""
