-- Prices that the AI modules and the outcome labels need.
-- depends: 0007_spectrum_analysis

-- A platform that has a table of this name keeps it: the sources of dbt say how it is read.
do $$
begin
    if to_regclass('public.market_bars') is not null then
        raise notice 'public.market_bars exists: it stays as it is';
        return;
    end if;
    create table public.market_bars (
        symbol text not null,
        timeframe text not null,
        opened_at timestamptz not null,
        open numeric(20, 8) not null,
        high numeric(20, 8) not null,
        low numeric(20, 8) not null,
        close numeric(20, 8) not null,
        volume numeric(28, 8) not null,
        constraint market_bars_pkey primary key (symbol, timeframe, opened_at),
        constraint market_bars_symbol_check check (symbol <> ''),
        constraint market_bars_timeframe_check check (timeframe ~ '^[1-9][0-9]{0,3}[mhdw]$'),
        constraint market_bars_prices_check check (
            low > 0 and high < 'infinity'
            and low <= open and low <= close and high >= open and high >= close
        ),
        constraint market_bars_volume_check check (volume >= 0 and volume < 'infinity')
    );
    comment on table public.market_bars is 'made by signal-marts';
    alter table public.market_bars owner to migrator;
    grant insert on public.market_bars to ai_writer;
end
$$;
