{#
    A product of two amounts of money, prices or quantities, of which the result's type has room for the
    money's decimals; the caller rounds it to them.

    one, other: expressions; one of several terms stands in brackets.
#}
{% macro money_product(one, other) -%}
    {{ return(adapter.dispatch('money_product')(one, other)) }}
{%- endmacro %}

{% macro default__money_product(one, other) -%}
    {{ one }} * {{ other }}
{%- endmacro %}

{#
    Spark has 38 digits, fewer than such a product: so the parts before and after the points are multiplied
    by themselves, each product exactly, and only that of the two fractions is rounded. NULL beyond 1e20, which
    no limit allows.
#}
{% macro spark__money_product(one, other) -%}
    {%- set whole, fraction = [], [] -%}
    {%- for factor in [one, other] -%}
        {%- set money = 'cast(' ~ factor ~ ' as decimal(38, 18))' -%}
        {%- set rest = money ~ ' % 1' -%}
        {%- do whole.append('cast(' ~ money ~ ' - ' ~ rest ~ ' as decimal(19, 0))') -%}
        {%- do fraction.append('cast(' ~ rest ~ ' as decimal(18, 18))') -%}
    {%- endfor -%}
    (
        try_cast({{ whole[0] }} * {{ whole[1] }} as decimal(38, 18))
        + cast({{ whole[0] }} * {{ fraction[1] }} as decimal(38, 18))
        + cast({{ fraction[0] }} * {{ whole[1] }} as decimal(38, 18))
        + cast({{ fraction[0] }} * {{ fraction[1] }} as decimal(38, 18))
    )
{%- endmacro %}
