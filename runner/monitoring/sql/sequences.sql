-- Of each side the sequence that is nearest to its end, as last seen.
select
    side,
    max(
        case
            when increment > 0 then last_value::numeric - min_value
            else max_value - last_value::numeric
        end / nullif(max_value::numeric - min_value, 0)
    ) as sequence_used_ratio
from signal_marts.observed_sequences
inner join signal_marts.last_parts using (side, sample_id)
where
    part = 'sequences'
    and not is_cyclic
group by side
