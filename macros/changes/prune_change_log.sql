{#
    After a run: deletes from the log of deleted rows and former keys the entries that all staging models
    have read. A developer's builds read the same log and prune nothing; a developer's build that comes
    after the pruning compares all rows.
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
