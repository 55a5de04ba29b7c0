"""The tables of `tests.cases` put to the real API server, and which requests it sends us at all.

One scene and one server serve all of it: the requests are dry runs, which are judged like others
and store nothing.
"""
