-- Rows that cannot be used, each counted once.
select count(*) as rejected_rows
from (select distinct source_table, row_key from changes.rejected_rows) as rejected
