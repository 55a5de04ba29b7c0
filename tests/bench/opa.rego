# Three rules as a site may have them; the samples of the benchmark break none.
package sallyport

workloads := {"Deployment", "StatefulSet", "DaemonSet"}

findings contains {
	"rule": "replicas",
	"path": "spec.replicas",
	"message": "is more than 100; ask the platform team",
} if {
	input.request.kind.kind in workloads
	input.request.object.spec.replicas > 100
}

findings contains {
	"rule": "name",
	"path": "metadata.name",
	"message": "must not begin with test-",
} if startswith(input.request.object.metadata.name, "test-")

findings contains {
	"rule": "image-registry",
	"path": sprintf("spec.containers[%d].image", [index]),
	"message": sprintf("is %q; this site pulls from its own registry only", [container.image]),
} if {
	not input.trusted
	some index, container in containers
	not allowed(container.image)
}

allowed(image) if {
	some registry in {"registry.example/", "mcr.microsoft.com/"}
	startswith(image, registry)
}

containers := input.request.object.spec.containers if input.request.kind.kind == "Pod"

containers := input.request.object.spec.template.spec.containers if {
	input.request.kind.kind in workloads
}
