-- A reader must not make all later readers wait behind us.
do $$
begin
    perform set_config('lock_timeout', '2s', true) where current_setting('lock_timeout') = '0';
end
$$;

drop trigger ai_trading_signals_note_truncation on public.ai_trading_signals;
drop trigger ai_trading_signals_note_deletion on public.ai_trading_signals;
drop trigger ai_trading_signals_note_edit on public.ai_trading_signals;
drop function public.ai_note_signal_edit();
drop table public.ai_signal_edits;
alter table public.ai_trading_signals drop column stored_by;
alter table public.ai_trading_signals drop column stored_at;
