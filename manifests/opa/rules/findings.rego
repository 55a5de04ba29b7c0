# METADATA
# title: The rules of this site
# description: |
#   Sallyport asks for `data.sallyport.findings` once for each review, at validation. What stands
#   in it is a finding; an empty set allows. docs/opa.md says what it is told and what it reads.
package sallyport

# A text is a finding of the rule opa/finding, and denies.
findings contains "is created by hand: this site keeps Deployments in Git" if {
	input.request.operation == "CREATE"
	input.request.kind.kind == "Deployment"
	some group in input.request.userInfo.groups
	group == "site:developers"
}

# A map says more: which rule (opa/owner), where, how grave, and how to mend it.
findings contains {
	"rule": "owner",
	"path": "metadata.labels[example.com/owner]",
	"message": "is not set; set it to the name of your team",
	"severity": "low",
	"level": "warn",
	"fix": [{"op": "add", "path": "/metadata/labels", "value": {"example.com/owner": "TEAM"}}],
} if {
	input.request.kind.kind in {"Deployment", "StatefulSet", "DaemonSet"}
	not input.request.object.metadata.labels["example.com/owner"]
}

# Rules of tenants ask whose namespace it is; the platform's own are trusted.
findings contains {
	"rule": "image-registry",
	"path": sprintf("spec.containers[%d].image", [index]),
	"message": sprintf("is %q; this site pulls from registry.example.com only", [container.image]),
} if {
	not input.trusted
	input.request.kind.kind == "Pod"
	subresource in {"", "ephemeralcontainers"}
	some index, container in input.request.object.spec.containers
	not startswith(container.image, "registry.example.com/")
}

# What is not there makes a rule undefined, and so silent: absent fields need a value of their own.
subresource := object.get(input.request, "subResource", "")
