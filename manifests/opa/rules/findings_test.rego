package sallyport_test

import data.sallyport

pod(image) := {
	"request": {
		"operation": "CREATE",
		"kind": {"group": "", "version": "v1", "kind": "Pod"},
		"userInfo": {"username": "developer", "groups": ["system:authenticated"]},
		"object": {"spec": {"containers": [{"name": "app", "image": image}]}},
	},
	"namespace": {"name": "shop", "labels": {}},
	"tenant": "blue",
	"trusted": false,
}

test_own_images_are_silent if {
	count(sallyport.findings) == 0 with input as pod("registry.example.com/app:1")
}

test_other_images_are_named_with_their_place if {
	some finding in sallyport.findings with input as pod("docker.io/app:1")
	finding.rule == "image-registry"
	finding.path == "spec.containers[0].image"
}

test_the_platform_may_pull_from_anywhere if {
	count(sallyport.findings) == 0 with input as object.union(pod("docker.io/app:1"), {"trusted": true})
}
