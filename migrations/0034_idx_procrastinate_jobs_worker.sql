-- An index for the jobs of a worker whose row goes: procrastinate has one only for jobs at work.
-- depends: 0033_retraining_jobs
-- transactional: false

create index concurrently idx_procrastinate_jobs_worker
on retraining.procrastinate_jobs (worker_id)
where worker_id is not null;
