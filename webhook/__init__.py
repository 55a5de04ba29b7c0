"""Doors and wires: the server, `check`, the demo, and all that reads or writes.

Here belong the mapping to and from the wire (`codec`, `message`, `report`), the reading of files
(`documents`, `rulebook`, `cluster`), the following of the API server (`api`, `reflect`, `mirror`),
settings, metrics and the command line. Everything here knows the rules and certificates; nothing
here decides: that is `rules.engine`, asked through `judge`.
"""
