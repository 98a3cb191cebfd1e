"""The same models on Apache Spark, for a history that outgrew one server: always full builds.

``export`` writes one snapshot of tables as Parquet files, ``cluster`` runs Spark on this host, a
master, workers and a Thrift server, for dbt's target ``spark``. Rooms it imports: servers,
platform.
"""
