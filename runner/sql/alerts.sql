-- What `signal-marts watch` has told of the rules of alerts.yml, on the replica. Safe to run again.

-- What was told of a subject of a rule, since when, and when it was said last. A link acknowledges what was told then.
create table if not exists signal_marts.alerts (
    rule text,
    subject text,
    told text not null,
    told_at timestamptz not null,
    said_at timestamptz not null,
    text text not null,
    acknowledged_at timestamptz,
    primary key (rule, subject)
);

-- Messages to channels: those that wait to be sent, and those of the last days.
create table if not exists signal_marts.alert_messages (
    id uuid primary key,
    channel text not null,
    severity text not null,
    title text not null,
    body text not null,
    created_at timestamptz not null,
    rule text,
    subject text,
    told_at timestamptz,
    daily_on date,
    tries integer not null,
    next_try_at timestamptz,
    sent_at timestamptz,
    failure text
);

-- A login that only builds may watch as well.
grant select, insert, update, delete on signal_marts.alerts, signal_marts.alert_messages to transformer;
