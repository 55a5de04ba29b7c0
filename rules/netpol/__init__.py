"""What network policies mean, whoever wrote them and whoever enforces them.

Here belong: sets of ports and addresses (`sets`), the peers that policies name (`peers`), the one
model into which every dialect is translated (`model`, `dialects`, `languages`), what a cluster
holds (`inventory`, read off objects by `census`), what engines make of it (`engine`, `engines`,
`matching`), and who reaches whom (`sides`, `reach`). Values in, values out. Here do not
belong: verdicts, messages, tenants, webhooks, files. The package needs nothing but
`rules.selectors` and can be used alone:

    policies = rules.netpol.languages.translate(yaml.safe_load(text))
    for grant in policies[0].grants:
        print(grant.path, grant.peers, grant.ports)

Imports go one way: reach -> sides -> engines -> matching | languages -> engine -> inventory |
dialects -> model -> peers -> sets. Dialects know nothing of each other, nor do engines.
"""
