-- Roles of the server, and the roles of which each is a member, at any distance.
with recursive memberships (member, role) as (
    select member, roleid from pg_auth_members
    union
    select m.member, a.roleid
    from memberships as m
    inner join pg_auth_members as a on m.role = a.member
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
