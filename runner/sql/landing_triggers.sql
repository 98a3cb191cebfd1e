-- The apply worker runs as a replica, so only triggers that are ENABLE ALWAYS fire in it.

create trigger signal_marts_stamp_change
before update on {table}
for each row execute function signal_marts.stamp_change();

create trigger signal_marts_log_delete
after delete on {table}
for each row execute function signal_marts.log_old_key({key_literals});

create trigger signal_marts_log_key_change
after update on {table}
for each row when ({key_changed})
execute function signal_marts.log_old_key({key_literals});

create trigger signal_marts_note_truncate
after truncate on {table}
for each statement execute function signal_marts.note_truncate();

alter table {table} enable always trigger signal_marts_stamp_change;
alter table {table} enable always trigger signal_marts_log_delete;
alter table {table} enable always trigger signal_marts_log_key_change;
alter table {table} enable always trigger signal_marts_note_truncate;
