drop function public.change_column_types(regclass, jsonb);
drop table public.ai_withdrawn_tables;
drop function public.check_withdrawn_tables();
drop function public.return_to_publication(regclass);
drop function public.withdraw_from_publication(regclass);
drop function public.take_out_of_publication(regclass);
drop function public.files_in_use(regclass);
drop function public.rows_written_so_far(regclass);
drop function public.type_only_widens(oid, integer, oid, integer);
