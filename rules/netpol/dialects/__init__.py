"""One module per policy language, each a function `translate` from a decoded object to the model.

Here belongs what a kind of object means by its own documentation. What an engine makes of it
belongs where policies are evaluated; what a dialect means in another dialect's words, nowhere.
"""
