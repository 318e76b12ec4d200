"""A Ray cluster of several nodes on this machine, for tests."""

import contextlib
import os
import signal

CPUS_OF_A_NODE = 2


class Machines:
    """A head without processors and nodes of two each; ``lose`` kills one as a power cut would."""

    def __init__(self, nodes):
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        from ray.cluster_utils import Cluster

        small = {"object_store_memory": 100 * 2**20, "include_dashboard": False}
        with kept_signals():
            self.cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **small})
        self.nodes = [self.add() for _ in range(nodes)]

    @property
    def address(self):
        return self.cluster.address

    def add(self):
        with kept_signals():
            return self.cluster.add_node(num_cpus=CPUS_OF_A_NODE, object_store_memory=100 * 2**20)

    def lose(self, node):
        self.nodes.remove(node)
        self.cluster.remove_node(node, allow_graceful=False)

    def stop(self):
        with kept_signals():
            self.cluster.shutdown()


@contextlib.contextmanager
def kept_signals():
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
