"""The team's platform as ``platform.yml`` describes it: raw tables, and what their columns mean.

It reads and checks the file without a database, and writes the SQL of the views that give dbt the
platform under fixed names. Rooms it imports: none.
"""
