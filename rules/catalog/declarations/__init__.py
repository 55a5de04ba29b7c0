"""What objects of Istio say leaves the cluster: hosts, routes to them, and where TLS begins.

Istio is no firewall: what is declared here decides what is encrypted, never what can leave.
"""
