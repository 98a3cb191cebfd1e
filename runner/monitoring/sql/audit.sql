select
    severities.severity as finding,
    count(findings.signal_id) as audit_findings
from (values ('high'), ('medium')) as severities (severity)
left join operations.signal_audit as findings
    on severities.severity = findings.severity
group by severities.severity
