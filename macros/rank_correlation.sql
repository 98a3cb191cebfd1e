{#
    An aggregate: Spearman's correlation, which is Pearson's correlation of the ranks. NULL if either column
    has only one distinct value.

    Sums of whole numbers do not depend on the order of the rows, unlike the sums in corr(): the same rows
    always give the same sign.

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
