"""The tables of cases that the specification gives, as data, and what each must be answered.

A rule's own examples stand in its file. Here all rules of the built-in rulebook are asked at once,
and every word they say is written down, so that rules which disturb each other are seen.
`tests.api_server.test_cases` sends the same rows through a real API server.
"""
