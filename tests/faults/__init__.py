"""The fault table: each row of operations 6 as a test that names it."""
