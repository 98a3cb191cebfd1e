drop table public.spectrum_analysis;
