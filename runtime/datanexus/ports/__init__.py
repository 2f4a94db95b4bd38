"""What the engine needs from outside, as small Protocols; each docstring is the contract.

Every adapter of a port runs the port's contract suite in tests/contract. Methods that change something outside are
marked `@writes`: failpoints stand before and after each of them (`ports.failpoint`).
Adapters raise only errors of `datanexus_spec.errors`, with the outside error as cause.
"""
