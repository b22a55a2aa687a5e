"""Pure rules: standard library only, no input or output, and `now` is always an argument.

What stands here can be read, tested and argued about without a server.
"""
