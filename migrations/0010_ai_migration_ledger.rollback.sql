drop table public.ai_migration_ledger;
