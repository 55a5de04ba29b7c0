# What the tests make OPA say: the name of the object decides.
package sallyport

name := input.request.name

findings contains "is not liked" if name == "bare"

findings contains {
	"message": sprintf("is %v; this site wants false", [input.request.object.spec.hostNetwork]),
	"rule": "no-host-network",
	"path": "spec.hostNetwork",
	"severity": "critical",
	"fix": [{"op": "replace", "path": "/spec/hostNetwork", "value": false}],
} if {
	name == "full"
	input.request.object.spec.hostNetwork
}

findings contains {"message": "is deprecated", "rule": "old", "level": "warn"} if name == "warned"

findings contains {"message": "is noted", "rule": "note", "level": "info"} if name == "noted"

findings contains {"message": "must have an owner", "rule": name} if name in {"staged", "quiet", "strict", "other"}

# State, as most rules look at it: what is stored and unchanged is found in both.
findings contains {
	"message": sprintf("is %s", [container.image]),
	"rule": "registry",
	"path": sprintf("spec.containers[%d].image", [i]),
} if {
	startswith(name, "image")
	some i, container in input.request.object.spec.containers
	not startswith(container.image, "registry.example/")
}

# Everything that we tell OPA, told back.
findings contains {"message": json.marshal(object.remove(input, ["request"])), "rule": "echo"} if name == "echo"

# What OPA takes for a rule that does not apply, unless it is told to be strict.
findings contains "is late" if {
	name == "built-in"
	time.parse_rfc3339_ns(input.request.object.metadata.annotations.until) < 0
}

findings contains {"msg": "in the shape of Gatekeeper"} if name == "shape"

findings contains 1 if name == "both"

findings contains {"message": "is heard all the same", "rule": "sound"} if name == "both"
