-- Of each side the sequence that is nearest to its end, as last seen.
select
    side,
    max(
        case
            when increment > 0 then last_value::numeric - min_value
            else max_value - last_value::numeric
        end / nullif(max_value::numeric - min_value, 0)
    ) as sequence_used_ratio
from signal_marts.observed_sequences as sequences
where
    sample_id = (
        select max(parts.sample_id)
        from signal_marts.sample_parts as parts
        where parts.part = 'sequences' and parts.relation = '' and parts.side = sequences.side
    )
    and not is_cyclic
group by side
