{#
    Runs a statement that needs a table for itself. It waits at most SIGNAL_MARTS_HELD_TIMEOUT seconds for
    sessions that only read the table: a reader that never ends its transaction would hold up all builds.
    The limit is a little longer than a reader's statement may take. It waits for another build without a
    limit. A model that fails here keeps its rows, and the next build catches up.

    The holder is recognized by columns that every role may see: the server shows the state of a session
    and the start of its transaction only to the session's own role.

    relation: the table or view.
    statement: the statement to run.
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
