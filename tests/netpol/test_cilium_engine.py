"""What Cilium's own engine says: peers, ports and requests, cell by cell.

The corpus knows what a cluster's files do not say: which names stand for an address, and where the
API server is. Both are told to the engine here.
"""
