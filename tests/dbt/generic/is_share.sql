{#
    Fails with every value that is not from 0 to 1. NULL passes: never_null is a test of its own. NaN
    fails, since it sorts above every number.
#}
{% test is_share(model, column_name) %}

    select {{ column_name }} as no_share
    from {{ model }}
    where
        {{ column_name }} < 0
        or {{ column_name }} > 1

{% endtest %}
