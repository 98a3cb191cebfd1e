{#
    Fails with every value below 0. NULL passes: never_null is a test of its own.

    or_zero: whether 0 fails as well.
#}
{% test not_negative(model, column_name, or_zero=false) %}

    select {{ column_name }} as negative_value
    from {{ model }}
    where {{ column_name }} {{ '<=' if or_zero else '<' }} 0

{% endtest %}
