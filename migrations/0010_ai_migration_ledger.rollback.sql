-- A reader must not make all later readers wait behind us.
select set_config('lock_timeout', '2s', true)
where current_setting('lock_timeout') = '0';

drop table public.ai_migration_ledger;
