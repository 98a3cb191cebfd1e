{# All blocks that hold a changed bar. #}
{% macro affected_int_bar_blocks() %}
    {% set largest_exponent = 20 %}
    with blocks_of_1 as (

        select distinct
            symbol,
            cast(1 as bigint) as block_size,
            bar_number as block_start
        from {{ changes_of('int_bars_numbered') }} as bars

    )

    {% for exponent in range(1, largest_exponent + 1) %}
        , blocks_of_{{ 2 ** exponent }} as (

            select distinct
                symbol,
                cast({{ 2 ** exponent }} as bigint) as block_size,
                block_start - mod(block_start, {{ 2 ** exponent }}) as block_start
            from blocks_of_{{ 2 ** (exponent - 1) }}

        )
    {% endfor %}

    {% for exponent in range(largest_exponent + 1) %}
        select * from blocks_of_{{ 2 ** exponent }}
        {{- " union all" if not loop.last }}
    {% endfor %}
{% endmacro %}
