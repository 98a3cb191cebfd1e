-- What the functions may do with the platform's own tables.
-- depends: 0012_ai_functions_role

-- Read the patterns and insert plans, column by column, and draw a plan's id where its default
-- draws one. Columns and tables that a platform calls otherwise are passed over: the functions that
-- need them then say so.
do $$
declare
    found record;
begin
    for found in
        select
            attributes.attrelid::regclass as relation,
            attributes.attname as name,
            granted.verb
        from (
            values
                ('micro_patterns', 'select', array[
                    'id', 'symbol', 'pattern_type', 'signal', 'confidence', 'created_at'
                ]),
                ('trade_plans', 'select', array['id']),
                ('trade_plans', 'insert', array[
                    'symbol', 'strategy', 'entry_price_target', 'stop_loss_price',
                    'take_profit_1_price', 'signal_details', 'created_at'
                ])
        ) as granted (table_name, verb, columns)
        inner join pg_catalog.pg_attribute as attributes
            on
                attributes.attrelid = to_regclass('public.' || granted.table_name)
                and attributes.attname = any(granted.columns)
    loop
        execute format(
            'grant %s (%I) on %s to ai_functions', found.verb, found.name, found.relation
        );
    end loop;
    for found in
        select depends.refobjid::regclass as sequence
        from pg_catalog.pg_attrdef as defaults
        inner join pg_catalog.pg_depend as depends
            on
                depends.classid = 'pg_catalog.pg_attrdef'::regclass
                and depends.objid = defaults.oid
                and depends.refclassid = 'pg_catalog.pg_class'::regclass
        inner join pg_catalog.pg_class as classes
            on depends.refobjid = classes.oid and classes.relkind = 'S'
        where defaults.adrelid = to_regclass('public.trade_plans')
    loop
        execute format('grant usage on sequence %s to ai_functions', found.sequence);
    end loop;
end
$$;
