{#
    The probability that a standard normal variable is at most a score, as a double. NULL stays
    NULL. The absolute error is below 1e-15: Hart's approximation 5666 (Computer Approximations,
    1968) as West arranged it (Better Approximations to Cumulative Normal Functions, Wilmott, 2005).
    It needs no erf, which PostgreSQL has only from version 16 on.

    score: a column that holds a double, or an expression in brackets.
#}
{% macro normal_cdf(score) -%}
    {%- set x = 'abs(' ~ score ~ ')' -%}
    {%- set numerator = [
        '220.206867912376', '221.213596169931', '112.079291497871', '33.912866078383',
        '6.37396220353165', '0.700383064443688', '3.52624965998911e-02'
    ] -%}
    {%- set denominator = [
        '440.413735824752', '793.826512519948', '637.333633378831', '296.564248779674',
        '86.7807322029461', '16.064177579207', '1.75566716318264', '8.83883476483184e-02'
    ] -%}
    {%- set density = 'exp(-' ~ x ~ ' * ' ~ x ~ ' / 2)' -%}
    {%- set tail -%}
        case
            when {{ x }} > 37 then 0
            when {{ x }} < 7.07106781186547
                then {{ density }}
                    * {{ polynomial(numerator, x) }}
                    / {{ polynomial(denominator, x) }}
            else {{ density }} / 2.506628274631 / (
                {{ x }} + 1 / (
                    {{ x }} + 2 / (
                        {{ x }} + 3 / (
                            {{ x }} + 4 / ({{ x }} + 0.65)
                        )
                    )
                )
            )
        end
    {%- endset -%}
    cast(
        case when {{ score }} > 0 then 1 - {{ tail }} else {{ tail }} end
        as {{ type_double() }}
    )
{%- endmacro %}
