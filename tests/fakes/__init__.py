"""The ports in memory: as small as their contracts allow, so that a contract can be read off them."""
