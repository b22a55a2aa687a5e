"""Webhooks on the wire: how they are signed and posted, and how their addresses are kept."""
