-- Roles of the server, and the roles of which each is a member with their rights, at any distance. Since
-- PostgreSQL 16 whoever makes a role is a member that may only give it to others.
with recursive granted as (
    select m.member, m.roleid
    from pg_auth_members as m
    where
        coalesce((to_jsonb(m) ->> 'inherit_option')::boolean, true)
        or coalesce((to_jsonb(m) ->> 'set_option')::boolean, true)
),

memberships (member, role) as (
    select member, roleid from granted
    union
    select m.member, g.roleid
    from memberships as m
    inner join granted as g on m.role = g.member
)

select
    r.rolname::text as role_name,
    r.rolsuper as is_superuser,
    r.rolreplication as is_replication,
    r.rolcanlogin as is_login,
    array(
        select g.rolname::text
        from memberships as m
        inner join pg_roles as g on m.role = g.oid
        where m.member = r.oid
        order by 1
    ) as member_of
from pg_roles as r
where r.rolname !~ '^pg_'
