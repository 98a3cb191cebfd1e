-- Each side's server, as last seen.
select distinct on (side)
    side,
    database_bytes,
    greatest(transaction_age, multixact_age) / 2147483648::double precision
        as transaction_ids_used_ratio,
    deadlocks as deadlocks_total
from signal_marts.observed_servers
order by side, sample_id desc
