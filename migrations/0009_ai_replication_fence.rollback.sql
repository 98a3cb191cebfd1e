drop table public.ai_replication_fence;
