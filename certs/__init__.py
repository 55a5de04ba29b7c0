"""Keys: the certificate authority and the serving certificate of the webhook.

Here belong: making them (issue), reading and judging them (pem), deciding when they are due
(rotate, pure: the time is an argument), writing them to files or to the cluster (keep, with the
cluster's API in one file, cluster), and serving them without a restart (reload).

Here do not belong: the web server, rules, settings, the text of the webhook configurations. This
package knows neither `webhook` nor `rules`. No key is ever committed: tests make their own.

Layers: keep | reload -> rotate | cluster -> issue -> pem. `reload` is imported by the server and
loads no Kubernetes client.
"""
