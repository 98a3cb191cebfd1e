{#
    An aggregate: Spearman's correlation, which is Pearson's of the ranks. NULL where either has but
    one value.

    Sums of whole numbers do not depend on the order of the rows as those of corr() do: the same rows
    always have the same sign.

    ranks, other_ranks: columns of whole numbers, such as doubled_rank makes.
#}
{% macro rank_correlation(ranks, other_ranks) -%}
    case
        when min({{ ranks }}) < max({{ ranks }})
            and min({{ other_ranks }}) < max({{ other_ranks }})
            then cast(
                count(*) * sum({{ ranks }} * {{ other_ranks }})
                - sum({{ ranks }}) * sum({{ other_ranks }}) as {{ type_double() }}
            ) / sqrt(
                cast(
                    count(*) * sum({{ ranks }} * {{ ranks }})
                    - sum({{ ranks }}) * sum({{ ranks }}) as {{ type_double() }}
                ) * cast(
                    count(*) * sum({{ other_ranks }} * {{ other_ranks }})
                    - sum({{ other_ranks }}) * sum({{ other_ranks }}) as {{ type_double() }}
                )
            )
    end
{%- endmacro %}
