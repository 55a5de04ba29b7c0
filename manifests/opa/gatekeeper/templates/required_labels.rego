# A template as it stands in a ConstraintTemplate, in the syntax of Rego v1 (`opa fmt --v0-v1`);
# its package is renamed from `k8srequiredlabels`.
package templates.K8sRequiredLabels

violation contains {"msg": msg, "details": {"missing": missing}} if {
	stated := {label | some label, _ in input.review.object.metadata.labels}
	missing := {label | some label in input.parameters.labels} - stated
	count(missing) > 0
	msg := sprintf("must state the labels %v", [concat(", ", missing)])
}
