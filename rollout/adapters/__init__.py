"""Everything that touches the world: database, Valkey, files, mail, clocks, processes."""
