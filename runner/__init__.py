"""Signal Marts: migrations, replication and dbt builds of AI trading signals beside a platform."""
