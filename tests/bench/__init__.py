"""Measurements: what a review costs, and what it costs a cluster.

`python -m tests.bench` (`make bench`) measures all targets and writes docs/performance.md.
Here belongs what measures: the floor we compare with (`floor`), the reviews (`samples`), the
machine and how quiet it is (`machine`), the programs under load (`servers`, `load`), the figures
(`direct`, `lasting`, `view`, `through`), an API server to follow (`stand_in`), and the page of all
figures (`targets`, `page`).
Here does not belong: anything that Sallyport needs at run time, and no test of right or wrong. The
load generator and the control plane stand in tests/control_plane.
"""
