# METADATA
# title: Constraint templates of Gatekeeper, heard as findings
# description: |
#   A template is kept as the package `templates.<Kind>` with its rule `violation`, a constraint as
#   data under `constraints`, by its name. docs/opa.md says what carries over, and what does not.
#   What is not understood of a constraint makes it match more, never less.
package sallyport

findings contains {
	"rule": name,
	"message": object.get(violation, "msg", "violates this constraint"),
	"level": level(constraint),
} if {
	some name, constraint in data.constraints
	applies(object.get(constraint, "match", {}))
	some violation in data.templates[constraint.kind].violation with input as seen(constraint)
}

# A constraint whose template is not there must not be silent.
findings contains {
	"rule": name,
	"message": sprintf("has no template %v in OPA", [constraint.kind]),
} if {
	some name, constraint in data.constraints
	not data.templates[constraint.kind]
}

# The input of a template: the request as `review`, and the constraint's parameters.
seen(constraint) := {
	"review": input.request,
	"parameters": object.get(constraint, "parameters", {}),
}

level(constraint) := "warn" if {
	constraint.enforcementAction == "warn"
} else := "info" if {
	constraint.enforcementAction == "dryrun"
} else := "deny"

applies(match) if {
	is_of_kind(match)
	is_in_namespace(match)
	not is_excluded(match)
}

is_of_kind(match) if not match.kinds

is_of_kind(match) if {
	some entry in match.kinds
	some group in object.get(entry, "apiGroups", ["*"])
	group in {"*", input.request.kind.group}
	some kind in object.get(entry, "kinds", ["*"])
	kind in {"*", input.request.kind.kind}
}

is_in_namespace(match) if not match.namespaces

is_in_namespace(match) if {
	some pattern in match.namespaces
	glob.match(pattern, [], input.namespace.name)
}

is_excluded(match) if {
	some pattern in match.excludedNamespaces
	glob.match(pattern, [], input.namespace.name)
}
