"""One module per policy language: decoded objects into the model.

    def translate(node: Any, *, namespace: str = "default") -> Policy | tuple[Policy, ...]

`namespace` is where an object lies that does not say so. The object may be malformed anywhere:
nothing is raised, nothing left out unsaid, and time is linear in its size. `languages.LANGUAGES`
names the kinds that a module reads. What comes back:

- one Policy for each subject; of an object that says several things of one subject, one;
- a Grant for each rule, with the peers and ports that it names, or that it means by naming none;
  several conditions on one end are one `AllOf`. What narrows the rule's own pods (Calico's `source`
  of an egress rule) is an `AllOf` in its `subject`;
- an Isolation for each direction in which the object closes its subject, whatever the engine makes
  of it; a Calico policy that applies in a direction is one, too, in its tier;
- an Unknown for each part that means not what it says, in the place of what it stands for and in
  `unknowns`; its consequence says whether the object counts.

Nothing is resolved: names of services, sets and groups stay names, labels stay as written but for
what the language itself adds (Cilium's own namespace). Here belongs what a kind of object means by
its own documentation and its own engine's reading of the text. How policies are weighed, and what
ends there are, belongs to `engines`; what a dialect means in another dialect's words, nowhere.
"""
