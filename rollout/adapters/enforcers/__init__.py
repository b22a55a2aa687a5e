"""Where a key is really switched on or off."""
