"""The boundary around tenants: what only the platform may do, since it decides for everybody.

Here is who may change namespaces, runtime classes, volumes and the addresses of services. What a
pod may be belongs to `pods`, what the mesh is told to `mesh`.
"""
