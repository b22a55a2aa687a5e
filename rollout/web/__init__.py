"""HTTP doors: the gateway check, health and metrics."""
