drop index concurrently if exists retraining.idx_procrastinate_jobs_worker;
