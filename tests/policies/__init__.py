"""What rules say of network policies: every row of the specification that is about one object.

`rows.yaml` holds the rows of egress 6 and the samples; of those that are about pods, about other
kinds or about several objects at once it says so.
"""
