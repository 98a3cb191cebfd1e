{#
    After a run: what all models of staging have read goes from the log of the landing tables'
    deletes and former keys. A developer's builds read the same log and prune nothing; where one
    comes late, it compares all rows.
#}
{% macro prune_change_log() -%}
    with read as (

        select min(landing_cut) as landing_cut
        from {{ changes_table('relations') }}

    ),

    marked as (

        insert into signal_marts.change_log_pruned (pruned_to)
        select landing_cut from read where landing_cut is not null
        on conflict (is_only_row) do update set
            pruned_to = greatest(excluded.pruned_to, change_log_pruned.pruned_to)

    ),

    pruned_copies as (

        delete from signal_marts.copies
        where xid < (select landing_cut from read)

    )

    delete from signal_marts.change_log
    where xid < (select landing_cut from read);
{%- endmacro %}
