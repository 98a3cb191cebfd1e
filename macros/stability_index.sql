{#
    The population stability index of two counts over the same bins: the sum of (r - c) * ln(r / c) over their
    shares r and c, where a share of 0 counts as 1e-4. NULL where a total is NULL or 0.

    now, reference: the counts, two lists of columns of the same length.
    total_now, total_reference: their sums.
#}
{% macro stability_index(now, total_now, reference, total_reference) -%}
    case
        when {{ total_now }} > 0 and {{ total_reference }} > 0
            then
    {%- for count in now %}
        {%- set shares = [] %}
                    {%- for part, total in [
                        (count, total_now), (reference[loop.index0], total_reference)
                    ] %}
                        {%- do shares.append(
                            '(case when ' ~ part ~ ' > 0 then cast(' ~ part ~ ' as '
                            ~ type_double() ~ ') / ' ~ total ~ ' else 1e-4 end)'
                        ) %}
        {%- endfor %}
        {{ '+ ' if not loop.first -}}
        ({{ shares[0] }} - {{ shares[1] }})
                    * ln({{ shares[0] }} / {{ shares[1] }})
    {%- endfor %}
    end
{%- endmacro %}
