"""Sallyport as clusters meet it: kubectl, a real kube-apiserver, and our server as a program.

Here belongs what only that way can be known: that the two configurations are accepted and called,
that patches arrive in what is stored, and every word that people read. `world.yaml` is the cluster,
`serving` our server beside it, `doors` puts the configurations in and takes them out, `injector` is
Istio's (`stand_in`, or with SALLYPORT_ISTIO=1 the real `pilot`), `people` use kubectl, and
`more_rules` holds a rule as a site may add one.

Here does not belong: what a rule says of which object. That is tested by examples and laws.
"""
