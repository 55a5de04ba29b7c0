"""What network policies mean, whoever wrote them and whoever enforces them.

Here belong: sets of ports and addresses (`sets`), the one model into which every dialect is
translated (`model`), and the dialects (`dialects`). Values in, values out: decoded objects become
`Policy` values. Here do not belong: verdicts, messages, tenants, webhooks, files, clusters. The
package needs nothing but `rules.selectors` and can be used alone:

    policy = rules.netpol.dialects.kubernetes.translate(yaml.safe_load(text))
    for grant in policy.grants:
        print(grant.path, grant.peers, grant.ports)

Imports go one way: dialects -> model -> sets. Dialects know nothing of each other.
"""
