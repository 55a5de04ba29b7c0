"""Thought: what a review means and what the rules say of it.

Here belong the nouns (`model`, `facts`, `review`), the verbs (`engine`), what rules share (`patch`,
`pods`, `shapes`, `selectors`, `quantity`), the rules themselves (`catalog`) and the meaning of
network policies (`netpol`, usable alone). Values go in, values come out.

Here does not belong: anything that touches a network, a disk, a clock or a key, and any mapping to
or from the wire; that is `webhook`.
"""
