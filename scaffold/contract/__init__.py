"""The contract-test engine: what any implementation of an API must do, asked over gRPC.

From a component's descriptors come cases (:mod:`scaffold.contract.suite`), one for each RPC and check; a case calls a
running :class:`~scaffold.contract.targets.Target` with requests that Hypothesis makes from the descriptors. The pytest
plugin (:mod:`scaffold.contract.plugin`) turns each case into one test. Nothing here knows how the service under test is
written.
"""
