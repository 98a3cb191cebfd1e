-- Finding the signals that are due to expire, without reading those that have.
-- depends: 0010_ai_migration_ledger
-- transactional: false

create index concurrently idx_ai_signals_expiry
on public.ai_trading_signals (expires_at)
where status = 'ACTIVE';
