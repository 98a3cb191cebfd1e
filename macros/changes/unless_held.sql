{#
    A statement that needs a table for itself, and waits no longer than SIGNAL_MARTS_HELD_TIMEOUT seconds
    for sessions that only read it: one that never ends its transaction would hold up all builds. It is
    a little more than a reader's statement may take. Another build is waited for as long as it takes.
    What fails here is as it was, and the next build makes up for it.

    Who holds the table is told by what every role may see: the server shows the state of a session,
    and since when it is in a transaction, only to its own role.

    relation: the table or view.
    statement: what is to be done with it.
#}
{% macro unless_held(relation, statement) -%}
    do $held$
    declare
        given constant text := current_setting('lock_timeout');
        is_building boolean;
        told text;
        pids text;
    begin
        perform set_config(
            'lock_timeout',
            {{ dbt.string_literal(env_var('SIGNAL_MARTS_HELD_TIMEOUT', '90') ~ 's') }},
            true
        );
        loop
            begin
                {{ statement }};
                exit;
            exception
                when lock_not_available then
                    select
                        bool_or(
                            activity.application_name in ('dbt', 'signal-marts round')
                            and pg_has_role(activity.usesysid, current_user, 'member')
                        ),
                        string_agg(
                            format(
                                'server process %s (login %s, application %s%s)',
                                coalesce(locks.pid::text, 'of a prepared transaction'),
                                coalesce(activity.usename::text, '?'),
                                coalesce(nullif(activity.application_name, ''), '?'),
                                ', in a transaction since ' || activity.xact_start::text
                            ),
                            ', '
                        ),
                        string_agg(format('pg_terminate_backend(%s)', locks.pid), ', ')
                    into is_building, told, pids
                    from pg_locks as locks
                    left join pg_stat_activity as activity on locks.pid = activity.pid
                    where
                        locks.granted
                        and locks.relation = to_regclass('{{ relation }}')
                        and locks.pid is distinct from pg_backend_pid()
                        and locks.database = (
                            select oid from pg_database where datname = current_database()
                        );
                    if is_building is not true then
                        raise exception '{{ relation.include(database=false) }} is held by %',
                            coalesce(told, 'a session that has let go of it by now')
                            using
                                errcode = 'lock_not_available',
                                hint = 'end it, as with select '
                                    || coalesce(pids, 'pg_terminate_backend(...)')
                                    || '; the next build makes up';
                    end if;
            end;
        end loop;
        perform set_config('lock_timeout', given, true);
    end
    $held$
{%- endmacro %}
