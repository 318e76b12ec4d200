"""A Ray cluster of several nodes on this machine, for tests."""

import contextlib
import os
import signal

CPUS_OF_A_NODE = 2
SMALL = {"object_store_memory": 100 * 2**20}


class Machines:
    """A head without processors and nodes of two each; ``lose`` kills one as a power cut would."""

    def __init__(self, nodes):
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        from ray.cluster_utils import Cluster

        with kept_signals():
            self.cluster = Cluster(
                initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **SMALL}
            )
        self.nodes = []
        for _ in range(nodes):
            self.add()

    @property
    def address(self):
        return self.cluster.address

    def add(self):
        with kept_signals():
            node = self.cluster.add_node(num_cpus=CPUS_OF_A_NODE, **SMALL)
        self.nodes.append(node)
        return node

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
