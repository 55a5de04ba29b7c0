# Who may ask this OPA what: Sallyport for findings and for its health, nobody for anything else.
package system.authz

default allow := false

allow if {
	is_sallyport
	input.method == "POST"
	input.path == ["v1", "data", "sallyport", "findings"]
}

allow if {
	is_sallyport
	input.method == "GET"
	input.path == ["health"]
}

# The certificate was verified when the connection was made; here is looked at whose it is.
is_sallyport if input.client_certificates[0].Subject.CommonName == "sallyport"
