"""What network policies mean, whoever wrote them and whoever enforces them.

Here belong, from the ground up: sets of ports and addresses (`sets`), conditions on labels
(`expressions`), the peers that policies name (`peers`), the one model (`model`) into which every
dialect is translated (`parts`, `dialects`, `languages`), what a cluster holds (`inventory`, read
off objects by `census`), what engines make of it (`engine`, `engines`, `matching`), what the
policies of one pod let through (`sides`, `strips`, `outside`), those of all pods (`reach`,
`survey`) and why (`explain`), where one grant leads, whose pods it is about and on what terms
(`destinations`, `homes`, `selection`, `questions`), and the state of a cluster as a value that is
changed an object at a time (`index`), with what a change opens and closes (`changes`, `shifts`) and
for whom that need not be asked (`swaps`, `forms`). Values in, values out. Here do not belong:
verdicts, messages, tenants, webhooks, files. The package needs nothing but `rules.selectors` and
can be used alone:

    policies = rules.netpol.languages.translate(yaml.safe_load(text))
    for grant in policies[0].grants:
        print(grant.path, grant.peers, grant.ports)

Imports go one way, as the contract in pyproject.toml has it. Dialects know nothing of each other.
"""
