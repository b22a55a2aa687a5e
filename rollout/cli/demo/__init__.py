"""``rollout demo``: a sample company retires its keys before your eyes, on embedded servers.

company     300 accounts, their people and their keys
traffic     90 days of access logs: own code, integrations, dead keys
mailbox     a local mail server that keeps what it gets, and refuses one address
clients     callers that keep using their keys through the gateway, whatever happens
stage       the directory, the settings and the processes of one performance
play        the campaign itself, from the import to the last cutoff
report      what happened, and whether every invariant held
"""
