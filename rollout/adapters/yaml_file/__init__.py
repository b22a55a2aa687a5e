"""YAML that people write, read strictly: every fault is named with its line and the way out.

``document`` is a text as values that know where they stand; ``fields`` reads one value; ``shape``
reads a mapping or a list of them. Deprecations, signatures and maps are read with it.
"""
