drop index concurrently if exists public.idx_ai_signals_expiry;
