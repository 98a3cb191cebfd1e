{#
    A query for a figure of two spans of days, and what it is without each single day (a jackknife over
    days): figure, bias and variance. Its columns w_… and r_… are the sums of the window and of the reference.

    figure: an expression on these.
    window, window_before, reference, reference_before: relations with running sums; a span is the difference
        of two.
    window_dates, reference_dates: the conditions on `stored`, a day of int_health_days.
    kind: a condition on `stored` that it has facts.
#}
{% macro left_out_days(
    figure,
    window,
    window_before,
    reference,
    reference_before,
    window_dates,
    reference_dates,
    kind
) -%}
    {%- set sides = [('window', window_dates), ('reference', reference_dates)] -%}
    select
        max(figure) filter (where side = 'none') as figure,
        {% for side, dates in sides -%}
    count(*) filter (where side = '{{ side }}') as {{ side }}_days,
        {% endfor -%}
    {%- for side, dates in sides %}
        {{ '+ ' if not loop.first }}coalesce(
                (count(*) filter (where side = '{{ side }}') - 1) * (
                    {{ aggregate_in_order('avg', 'figure', 'health_date') }}
                        filter (where side = '{{ side }}')
                    - max(figure) filter (where side = 'none')
                ), 0
            )
    {%- endfor %} as bias,
    {%- for side, dates in sides %}
        {{ '+ ' if not loop.first }}coalesce(
                (count(*) filter (where side = '{{ side }}') - 1) * (
                    {{ aggregate_in_order('var_pop', 'figure', 'health_date') }}
                        filter (where side = '{{ side }}')
                ), 0
            )
    {%- endfor %} as variance
    from (
        select
            side,
            health_date,
            {{ figure }} as figure
        from (
            select
                days.side,
                days.health_date,
                {% for name, type in health_sums() -%}
        {{ window }}.{{ name }} - coalesce({{ window_before }}.{{ name }}, 0)
                    - case when days.side = 'window' then days.{{ name }} else 0 end
                        as w_{{ name }},
                    {{ reference }}.{{ name }}
                    - coalesce({{ reference_before }}.{{ name }}, 0)
                    - case when days.side = 'reference' then days.{{ name }} else 0 end
                        as r_{{ name }}
        {{- "," if not loop.last }}
    {% endfor %}
            from (
                {% for side, dates in [('none', none)] + sides -%}
                    select
                        '{{ side }}' as side,
                        {{ 'health_date' if dates
                            else 'cast(null as date) as health_date' }},
                        {% for name, type in health_sums() -%}
            {{ name if dates else '0 as ' ~ name }}{{ "," if not loop.last }}
        {% endfor %}
        {%- if dates %}
                        from {{ ref('int_health_days') }} as stored
                        where {{ dates }} and {{ kind }}
        {% endif %}
        {{ 'union all' if not loop.last }}
    {% endfor %}
            ) as days
        ) as spans
    ) as figures
{%- endmacro %}
