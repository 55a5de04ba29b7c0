"""A real control plane: etcd, kube-apiserver, kube-controller-manager and kubectl.

Here belongs what gets those programs (`toolchain`, `binaries`), runs them (`tether`, `process`,
`cluster`, `access`), hands them to pytest (`fixtures`) and puts load on them and on a webhook
(`load/`, a Go module of its own). `istio/` pins Istio's programs, for those who ask for them. The
versions stand in go.mod and nowhere else.
Here does not belong: anything that knows Sallyport. Webhook configurations, rulebooks and
certificates of ours are made by the tests that need them.
"""
