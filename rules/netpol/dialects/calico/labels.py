"""The labels under which Calico knows what it knows.

A pod has its own; those of its namespace and of its service account stand beside them, with
prefixes. A set of networks has its own and those of its namespace. Source: projectcalico/calico
libcalico-go/lib/backend/k8s/conversion (conversion.go, workload_endpoint_default.go).
"""

NAMESPACE = "projectcalico.org/namespace"
SERVICE_ACCOUNT = "projectcalico.org/serviceaccount"
ORCHESTRATOR = "projectcalico.org/orchestrator"
KUBERNETES = "k8s"
NAME = "projectcalico.org/name"
"""Behind a prefix: the name of the namespace, or of the service account."""
OF_NAMESPACE, OF_SERVICE_ACCOUNT = "pcns.", "pcsa."
